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
