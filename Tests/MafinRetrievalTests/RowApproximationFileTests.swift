import Foundation
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinRetrieval

/// The bytes of rows in a file.
@Suite struct RowApproximationFileTests {
    private static func rows(_ rows: Int, _ columns: Int, _ element: VectorRows.Element, seed: UInt64 = 1) throws
        -> VectorRows
    {
        try VectorRows(randomMatrix(rows, columns, seed: seed), as: element)
    }

    private static func url(in folder: TemporaryFolder) -> URL { folder.url.appendingPathComponent("rows.bytes") }

    /// What a file holds is what is made in memory, bit for bit, also if it is written in several pieces.
    @Test(arguments: VectorRows.Element.allCases, [(0, 5), (1, 1), (7, 63), (301, 65), (70_000, 64)])
    func fileEqualsMemory(_ element: VectorRows.Element, _ shape: (Int, Int)) throws {
        let folder = try TemporaryFolder()
        let rows = try Self.rows(shape.0, shape.1, element)
        let url = Self.url(in: folder)
        try RowApproximation.write(rows, to: url)
        let (made, read) = (RowApproximation(rows), try RowApproximation(contentsOf: url, of: rows))
        let elements = shape.0 * shape.1
        #expect(memcmp(made.codes, read.codes, elements) == 0)
        #expect(memcmp(made.scales, read.scales, 4 * shape.0) == 0)
        #expect(memcmp(made.margins, read.margins, 4 * shape.0) == 0)
        #expect(read.byteCount == elements + 8 * shape.0 && made.byteCount == read.byteCount)
        for address in [Int(bitPattern: read.codes), Int(bitPattern: read.scales), Int(bitPattern: read.margins)] {
            #expect(address % 64 == 0)
        }
    }

    /// A search that reads a file first finds what a search of the rows finds, with the bytes of any instruction set.
    @Test func aSearchOfTheFileFindsTheSame() throws {
        let folder = try TemporaryFolder()
        let rows = try Self.rows(3_000, 48, .float32)
        let queries = randomMatrix(4, 48, seed: 9)
        let plain = try VectorIndex(rows).search(queries: queries, count: 20)
        for set in InstructionSet.all {
            let url = folder.url.appendingPathComponent("\(set).bytes")
            try set.run { try RowApproximation.write(rows, to: url) }
            let bytes = try RowApproximation(contentsOf: url, of: rows)
            let index = VectorIndex(parts: [rows], approximations: [bytes])
            #expect(index.approximationByteCount == 3_000 * (48 + 8))
            #expect(try index.search(queries: queries, count: 20) == plain, "\(set)")
            #expect(try index.part(0).search(queries: queries, count: 20) == plain)
        }
    }

    /// Files that are cut, of other rows or of another version are named, with what was expected.
    @Test func unfitFilesAreRefused() throws {
        let folder = try TemporaryFolder()
        let url = Self.url(in: folder)
        let rows = try Self.rows(200, 16, .float32)
        func refusal(of data: Data, _ rows: VectorRows) throws -> String {
            try data.write(to: url)
            let error = #expect(throws: NumericsError.self) { try RowApproximation(contentsOf: url, of: rows) }
            return error?.description ?? ""
        }
        try RowApproximation.write(rows, to: url)
        let whole = try Data(contentsOf: url)
        #expect(whole.count == 64 + 200 * 16 + 832 + 800)
        #expect(
            try refusal(of: whole.dropLast(), rows).hasSuffix("expected \(whole.count) bytes, found \(whole.count - 1)")
        )
        #expect(try refusal(of: Data(), rows).contains("MAFINROW"))
        #expect(try refusal(of: Data("NUMPY".utf8) + whole, rows).contains("found another file"))
        var changed = whole
        changed[8] = 2
        #expect(try refusal(of: changed, rows).contains("expected version 1"))
        #expect(
            try refusal(of: whole, Self.rows(200, 15, .float32)).contains("expected 200 × 15 numbers, found 200 × 16"))
        #expect(
            try refusal(of: whole, Self.rows(200, 16, .float32, seed: 2)).contains(
                "those of other rows, as row 0 shows"))
        // A margin that is no number, in the last four bytes.
        changed = whole
        changed.replaceSubrange((whole.count - 4)..., with: [0, 0, 0xC0, 0x7F])
        #expect(try refusal(of: changed, rows).contains("a margin of at least 0 for row 199"))
        try FileManager.default.removeItem(at: url)
        #expect(throws: NumericsError.self) { try RowApproximation(contentsOf: url, of: rows) }
    }
}
