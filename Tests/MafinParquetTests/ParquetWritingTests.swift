import Foundation
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinParquet

@Suite struct ParquetWritingTests {
    private static let columns = [
        ParquetColumn("id", .text), ParquetColumn("local", .floats(3)), ParquetColumn("half", .halves(2)),
        ParquetColumn("bm25", .terms),
    ]

    private static func write(
        to url: URL, codec: ParquetCodec = .none, groupBytes: Int = 64 << 20
    ) throws {
        let file = try PendingParquet(
            to: url, columns: columns, codec: codec, groupBytes: groupBytes,
            metadata: ["mafin": "{\"role\":\"document\"}"])
        try file.append([.texts([]), .rows([]), .rows([]), .terms([])])
        try file.append([
            .texts(["d1", "döc 2"]), .rows([0.5, -1, 3.25, 1e-30, 0, 7]), .rows([0.5, -2, 1, 65504]),
            .terms([(indices: [3, 17], values: [1.25, 0.5]), (indices: [], values: [])]),
        ])
        try file.append([.texts([""]), .rows([1, 2, 3]), .rows([0, 0]), .terms([(indices: [2], values: [9])])])
        #expect(file.rows == 3)
        try file.commit()
    }

    /// pyarrow, DuckDB and LanceDB read the golden as what is written here: Tools/write_store_goldens.py checks that.
    @Test func bytesAreThoseThatOthersRead() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("written.parquet")
            try Self.write(to: url)
            let written = try Data(contentsOf: url)
            let expected = try Data(contentsOf: ParquetReadingTests.golden("written.parquet"))
            guard written != expected else { return }
            let kept = FileManager.default.temporaryDirectory.appendingPathComponent("written.parquet")
            try written.write(to: kept)
            Issue.record(
                "other bytes, now in \(kept.path); check them with Tools/write_store_goldens.py --check \(kept.path)")
        }
    }

    @Test(arguments: [ParquetCodec.none, .gzip, .zstd]) func ownFilesAreReadBack(_ codec: ParquetCodec) async throws {
        guard codec.isAvailable else { return }
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("x.parquet")
            try Self.write(to: url, codec: codec, groupBytes: 1)
            let file = try ParquetFile(url)
            #expect(file.groups == [2, 1])
            #expect(try file.texts("id", group: 0) == ["d1", "döc 2"])
            #expect(try file.texts("id", group: 1) == [""])
            #expect(try file.vectors("local", group: 0).values == [0.5, -1, 3.25, 1e-30, 0, 7])
            #expect(try file.vectors("half", group: 0).values == [0.5, -2, 1, 65504])
            #expect(file.metadata["mafin"] == "{\"role\":\"document\"}")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["x.parquet"])
        }
    }

    @Test func manyRowsOfSeveralPages() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("x.parquet")
            let width = 333
            var random = RandomGenerator(seed: 3)
            let rows = (0..<5000).map { _ in (0..<width).map { _ in Float(random.next() % 4096) / 64 } }
            let file = try PendingParquet(
                to: url, columns: [ParquetColumn("id", .text), ParquetColumn("v", .floats(width))], groupBytes: 2 << 20)
            for start in stride(from: 0, to: rows.count, by: 1700) {
                let part = rows[start..<min(start + 1700, rows.count)]
                try file.append([.texts(part.indices.map { "d\($0)" }), .rows(part.flatMap { $0 })])
            }
            try file.commit()
            let read = try ParquetFile(url)
            #expect(read.rows == rows.count && read.groups.count > 2)
            var found: [Float] = []
            for group in read.groups.indices { found += try read.vectors("v", group: group).values }
            #expect(found == rows.flatMap { $0 })
        }
    }
}
