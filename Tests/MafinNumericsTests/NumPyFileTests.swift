import Foundation
import MafinNumerics
import MafinTestSupport
import Testing

@Suite struct NumPyFileTests {
    @Test(arguments: [
        "float32", "float16", "float16_nan", "float64", "one_dimension", "no_rows", "version2", "version3",
    ])
    func readsWhatNumPyWrote(_ name: String) throws {
        let expected = try Goldens.expected(name)
        let matrix = try NumPyFile.read(Goldens.url("\(name).npy"))
        #expect(matrix.rows == (expected.shape.count == 2 ? expected.shape[0] : 1))
        #expect(matrix.columns == expected.shape.last)
        #expect(matrix.values.map(\.bitPattern) == expected.bits)
    }

    @Test(arguments: [("float32", NumPyFile.ElementType.float32), ("float16", .float16), ("no_rows", .float32)])
    func writesTheBytesThatNumPyWrites(_ name: String, _ type: NumPyFile.ElementType) async throws {
        let original = try Goldens.url("\(name).npy")
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("copy.npy")
            try NumPyFile.write(NumPyFile.read(original), to: url, as: type)
            #expect(try Data(contentsOf: url) == Data(contentsOf: original))
        }
    }

    @Test(arguments: [("float32", NumPyFile.ElementType.float32), ("float16", .float16), ("no_rows", .float32)])
    func rowsThatComeOneByOneGiveTheSameBytes(_ name: String, _ type: NumPyFile.ElementType) async throws {
        let original = try Goldens.url("\(name).npy")
        let matrix = try NumPyFile.read(original)
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("rows.npy")
            let file = try NumPyFile.PendingRows(to: url, columns: matrix.columns, as: type)
            for row in 0..<matrix.rows { try file.append(matrix.selecting(rows: [row])) }
            #expect(file.rows == matrix.rows && !FileManager.default.fileExists(atPath: url.path))
            try file.commit()
            #expect(try Data(contentsOf: url) == Data(contentsOf: original))
        }
    }

    @Test func roundsToHalfPrecision() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("half.npy")
            let matrix = Matrix(rows: 1, columns: 4, values: [0.1, 1e6, -1e-9, 2049])
            try NumPyFile.write(matrix, to: url, as: .float16)
            #expect(try NumPyFile.read(url).values == [0.099975586, .infinity, -0.0, 2048])
        }
    }

    @Test(arguments: [
        ("fortran", "C order"), ("int32", "type <i4"), ("big_endian", "type >f4"),
        ("three_dimensions", "one or two dimensions"), ("no_dimension", "one or two dimensions"),
        ("truncated", "47 bytes of data"), ("truncated_header", "the end of the file"),
    ])
    func refusesOtherFiles(_ name: String, _ part: String) throws {
        let url = try Goldens.url("\(name).npy")
        let error = #expect(throws: NumericsError.self) { try NumPyFile.read(url) }
        let sentence = try #require(error).description
        #expect(sentence.hasPrefix(url.path) && sentence.contains(part), "\(sentence)")
    }

    @Test func refusesWhatIsNoNumPyFile() async throws {
        try await TemporaryFolder.with { folder in
            let text = try folder.write("these are not numbers", to: "text.npy")
            #expect(throws: NumericsError.self) { try NumPyFile.read(text) }
            let empty = try folder.write("", to: "empty.npy")
            #expect(throws: NumericsError.self) { try NumPyFile.read(empty) }
            let missing = folder.url.appendingPathComponent("missing.npy")
            let error = #expect(throws: NumericsError.self) { try NumPyFile.read(missing) }
            #expect(error?.description.contains("no such file") == true, "\(String(describing: error))")

            var future = try Data(contentsOf: Goldens.url("float32.npy"))
            future[6] = 4
            let url = folder.url.appendingPathComponent("future.npy")
            try future.write(to: url)
            #expect(throws: NumericsError.self) { try NumPyFile.read(url) }
            // A shape whose product overflows.
            var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 8), }"
            header += String(repeating: " ", count: 117 - header.utf8.count) + "\n"
            let huge = folder.url.appendingPathComponent("huge.npy")
            try (Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0, 118, 0]) + Data(header.utf8)).write(to: huge)
            #expect(throws: NumericsError.self) { try NumPyFile.read(huge) }
        }
    }
}
