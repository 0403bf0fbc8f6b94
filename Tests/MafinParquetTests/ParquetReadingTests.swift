import Foundation
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinParquet

/// Files that pyarrow, pandas and DuckDB wrote (Tools/write_store_goldens.py).
@Suite struct ParquetReadingTests {
    private struct Expected: Decodable {
        var ids: [String]
        var numbers: [Int]
        var vectors: [[Float]]
    }

    static func golden(_ name: String) throws -> URL {
        try #require(Bundle.module.url(forResource: "Goldens", withExtension: nil)).appendingPathComponent(name)
    }

    private static func expected() throws -> Expected {
        try JSONDecoder().decode(Expected.self, from: Data(contentsOf: golden("expected.json")))
    }

    private static func read(_ file: ParquetFile) throws -> (ids: [String], vectors: [Float]) {
        var (ids, vectors) = ([String](), [Float]())
        for group in file.groups.indices {
            ids += try file.texts("id", group: group)
            vectors += try file.vectors("embedding", group: group).values
        }
        return (ids, vectors)
    }

    @Test(arguments: [
        "pyarrow-none", "pyarrow-snappy", "pyarrow-gzip", "pyarrow-zstd", "pyarrow-v2", "pyarrow-split",
        "pyarrow-halves",
        "pyarrow-doubles", "pandas", "duckdb", "duckdb-zstd",
    ])
    func readsWhatOthersWrite(_ name: String) throws {
        if name.hasSuffix("zstd"), !ParquetCodec.zstd.isAvailable { return }
        let expected = try Self.expected()
        let file = try ParquetFile(Self.golden("\(name).parquet"))
        #expect(file.rows == expected.ids.count)
        let (ids, vectors) = try Self.read(file)
        #expect(ids == expected.ids)
        #expect(vectors == expected.vectors.flatMap { $0 })
        if let numbers = file.columns.first(where: { $0.name == "number" }) {
            #expect(numbers.kind == .text)
            let found = try file.groups.indices.flatMap { try file.texts("number", group: $0) }
            #expect(found == expected.numbers.map(String.init))
        }
    }

    @Test func severalGroupsAreReadApart() throws {
        let file = try ParquetFile(Self.golden("pyarrow-none.parquet"))
        #expect(file.groups == [16, 16, 5])
        #expect(try file.texts("id", group: 2) == Array(Self.expected().ids.suffix(5)))
    }

    @Test(arguments: [
        ("pyarrow-delta", "in plain, dictionary or split-byte encoding, found DELTA_BYTE_ARRAY"),
        ("pyarrow-lz4", "found pages compressed with LZ4"),
        ("pyarrow-missing", "a vector in every row of the column 'embedding', found null or nothing in row 20"),
        ("pyarrow-ragged", "vectors of 5 numbers in the column 'embedding', found 4 in row 20"),
    ])
    func refusesAndSaysWhy(_ name: String, _ message: String) throws {
        let file = try ParquetFile(Self.golden("\(name).parquet"))
        let error = #expect(throws: NumericsError.self) { try Self.read(file) }
        #expect(error?.description.contains(message) == true, "\(String(describing: error))")
        #expect(error?.description.contains("\(name).parquet") == true)
    }

    @Test func unknownColumnsAreNamed() throws {
        let file = try ParquetFile(Self.golden("pandas.parquet"))
        let error = #expect(throws: NumericsError.self) { try file.texts("key", group: 0) }
        #expect(error?.description.contains("'id' (texts), 'embedding' (vectors)") == true)
        #expect(throws: NumericsError.self) { try file.vectors("id", group: 0) }
    }

    /// A file of these metadata and nothing else.
    private static func file(_ metadata: [UInt8], in folder: TemporaryFolder) throws -> URL {
        let url = folder.url.appendingPathComponent("made.parquet")
        var bytes = PendingParquet.magic + metadata
        bytes.append(littleEndian: UInt32(metadata.count))
        try Data(bytes + PendingParquet.magic).write(to: url)
        return url
    }

    /// Metadata that would overflow the stack or a number.
    @Test func hostileMetadataAreErrors() async throws {
        // A list of one list of one list …
        let nested = [UInt8](repeating: 0x19, count: 1 << 20)
        // A field with the largest number, and the one after it.
        var numbers: [UInt8] = [0x05]
        numbers.append(varint: UInt64(bitPattern: -2))
        numbers += [0, 0x15, 0, 0]
        var rows = CompactWriter()
        rows.structure { writer in
            let nodes = [SchemaNode(name: "schema", members: 1)] + SchemaNode.nodes(of: ParquetColumn("id", .text))
            writer.structures(2, nodes) { $1.write(to: &$0) }
            writer.structures(4, [Int.max, Int.max]) { writer, rows in
                writer.structures(1, [0]) { $0.integer64(2, $1) }
                writer.integer64(3, rows)
            }
        }
        try await TemporaryFolder.with { folder in
            for (metadata, says) in [
                (nested, "nested more than 64 deep"), (numbers, "schema"), (rows.bytes, "more rows than"),
            ] {
                let error = #expect(throws: NumericsError.self) { try ParquetFile(Self.file(metadata, in: folder)) }
                #expect(error?.description.contains(says) == true, "\(String(describing: error))")
            }
        }
    }

    /// A run of a few bytes may claim any number of entries.
    @Test(arguments: [1 << 27, 1 << 40, Int.max]) func hostilePagesAreErrors(_ entries: Int) {
        var body: [UInt8] = []
        for _ in 0..<2 {
            var run: [UInt8] = []
            run.append(varint: UInt64(entries) << 1)
            run.append(0)
            body.append(littleEndian: UInt32(run.count))
            body += run
        }
        var head = CompactWriter()
        head.structure {
            $0.integer32(1, 0)
            $0.integer32(2, body.count)
            $0.integer32(3, body.count)
            $0.structure(5) {
                $0.integer32(1, entries)
                $0.integer32(2, 0)
            }
        }
        let leaf = SchemaLeaf(
            path: ["v"], type: .float, length: 0, isHalf: false, isUUID: false, definition: 1, repetition: 1,
            listDefinition: 1)
        var cells = LeafCells(leaf, .none, path: "made.parquet")
        (head.bytes + body).withUnsafeBytes { bytes in
            var reader = ByteReader(bytes, path: "made.parquet")
            let error = #expect(throws: NumericsError.self) { try cells.appendPage(&reader) }
            #expect(error?.description.contains("a page without its head") == true, "\(String(describing: error))")
        }
    }

    /// A file from a stranger may be damaged anywhere: an error, or other values, but no crash and no endless loop.
    @Test func damagedFilesAreErrors() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("x.parquet")
            var random = RandomGenerator(seed: 7)
            for name in ["pyarrow-snappy", "pyarrow-none", "pyarrow-v2", "duckdb"] {
                let whole = try Data(contentsOf: Self.golden("\(name).parquet"))
                for round in 0..<400 {
                    var bytes = whole
                    if round % 4 == 0 {
                        bytes = bytes.prefix(Int(random.next() % UInt64(bytes.count)))
                    } else {
                        for _ in 0..<3 { bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(random.next() & 255) }
                    }
                    try bytes.write(to: url)
                    do { _ = try Self.read(ParquetFile(url)) } catch is NumericsError {}
                }
            }
        }
    }
}
