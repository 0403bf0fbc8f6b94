import Foundation
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinRetrieval

@Suite struct VectorRowsTests {
    @Test func writesTheFilesThatNumPyWrites() async throws {
        let rows = try VectorRows(contentsOf: Golden.url("rounding.npy"))
        try await TemporaryFolder.with { folder in
            let half = folder.url.appendingPathComponent("half.npy")
            try rows.write(to: half, as: .float16)
            #expect(try Data(contentsOf: half) == Golden.data("rounding_half.npy"))
            let single = folder.url.appendingPathComponent("single.npy")
            try rows.write(to: single, as: .float32)
            #expect(try Data(contentsOf: single) == Golden.data("rounding.npy"))
            // Values come back from float16 exactly, in memory as from the file.
            let halves = try VectorRows(contentsOf: half)
            #expect(halves.element == .float16 && 2 * halves.byteCount == rows.byteCount)
            let inMemory = try VectorRows(NumPyFile.read(Golden.url("rounding.npy")), as: .float16)
            let expected = try NumPyFile.read(Golden.url("rounding_half.npy"))
            for row in 0..<rows.count {
                #expect(differingElements(halves.row(row), expected.row(row)) == 0)
                #expect(differingElements(inMemory.row(row), expected.row(row)) == 0)
            }
            try halves.write(to: single, as: .float32)
            #expect(try NumPyFile.read(single) == expected)
        }
    }

    @Test func someColumns() async throws {
        let matrix = try NumPyFile.read(Golden.url("search_rows.npy"))
        for element in VectorRows.Element.allCases {
            let rows = try VectorRows(matrix, as: element).selecting(columns: 7..<30).selecting(columns: 2..<9)
            #expect(rows.columns == 7 && rows.count == 150 && rows.byteCount == 1_050 * element.size)
            #expect(rows.row(149) == Array(matrix.row(149)[149 * 50 + 9..<149 * 50 + 16]))
            try await TemporaryFolder.with { folder in
                let url = folder.url.appendingPathComponent("columns.npy")
                try rows.write(to: url, as: element)
                #expect(try VectorRows(contentsOf: url).row(149) == rows.row(149))
            }
        }
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity]) func namesRowsOfNonFiniteNumbers(_ value: Float) async throws {
        var matrix = Matrix(rows: 2_000, columns: 33, repeating: 0.5)
        matrix[1_234, 5] = value
        matrix[1_999, 0] = value
        let place = "row 1234, column 5 (both from 0): expected a finite number, found \(value)"
        let inMemory = #expect(throws: RetrievalError.self) { try VectorRows(matrix) }
        #expect(inMemory?.description == "the vectors: \(place)")
        try await TemporaryFolder.with { [matrix] folder in
            for type in [NumPyFile.ElementType.float32, .float16] {
                let url = folder.url.appendingPathComponent("rows.npy")
                try NumPyFile.write(matrix, to: url, as: type)
                let error = #expect(throws: RetrievalError.self) { try VectorRows(contentsOf: url) }
                #expect(error?.description == "\(url.path): \(place)")
            }
        }
    }

    @Test func namesTheRowThatFloat16CannotHold() async throws {
        // Several pieces: the row number counts from the first row of the first piece.
        var matrix = Matrix(rows: 9_000, columns: 1_000)
        matrix[8_765, 432] = -65_520
        let rows = try VectorRows(matrix)
        let place =
            "row 8765, column 432 (both from 0): expected a number that float16 holds, up to 65504, found -65520.0"
        try await TemporaryFolder.with { folder in
            let url = try folder.write("as before", to: "half.npy")
            let error = #expect(throws: RetrievalError.self) { try rows.write(to: url, as: .float16) }
            #expect(error?.description == "the vectors: \(place)")
            #expect(try String(contentsOf: url, encoding: .utf8) == "as before")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["half.npy"])
        }
        let large = matrix
        let error = #expect(throws: RetrievalError.self) { _ = try VectorRows(large, as: .float16) }
        #expect(error?.description == "the vectors: \(place)")
    }

    @Test func refusesOtherFiles() async throws {
        try await TemporaryFolder.with { folder in
            func file(_ description: String, _ bytes: Int, padding: Int = 0) throws -> URL {
                let header =
                    "{'descr': '\(description)', 'fortran_order': False, 'shape': (2, 2), }"
                    + String(repeating: " ", count: 21 + padding)
                let url = folder.url.appendingPathComponent("array.npy")
                try
                    (Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0, UInt8(header.utf8.count), 0]) + Data(header.utf8)
                    + Data(count: bytes)).write(to: url)
                return url
            }
            let double = try file("<f8", 32)
            let wide = #expect(throws: NumericsError.self) { try VectorRows(contentsOf: double) }
            #expect(wide?.description == "\(double.path): expected elements of type <f4 or <f2, found type <f8")
            var aligned = 0
            for padding in 0..<4 {
                let url = try file("<f4", 16, padding: padding)
                if (try? VectorRows(contentsOf: url)) != nil {
                    aligned += 1
                } else {
                    let crooked = #expect(throws: NumericsError.self) { try VectorRows(contentsOf: url) }
                    #expect(crooked?.description.contains("begin at a multiple of 4 bytes") == true)
                }
            }
            #expect(aligned == 1)
        }
    }
}
