import Foundation
import MafinTestSupport
import Testing

@testable import MafinNumerics

@Suite struct SparseRowsTests {
    private static let rows: [(columns: [Int32], values: [Float])] = [
        ([0, 3, 6], [0.25, 1.5, 3e-9]), ([], []), ([2], [7]), ([1, 6], [1 / 3, 1e20]),
    ]

    private static func write(to url: URL) throws {
        let before = try? Data(contentsOf: url)
        let file = try NumPyFile.PendingSparseRows(to: url, columns: 7)
        try file.append(Array(rows[..<1]))
        try file.append([])
        try file.append(Array(rows[1...]))
        #expect(file.rows == 4 && (try? Data(contentsOf: url)) == before)
        try file.commit()
    }

    /// The check value that catalogues of this checksum give (CRC-32/ISO-HDLC).
    @Test func checksumOfDigits() {
        var checksum = CyclicRedundancyCheck()
        Array("1234".utf8).withUnsafeBytes { checksum.update($0) }
        Array("56789".utf8).withUnsafeBytes { checksum.update($0) }
        #expect(checksum.value == 0xcbf4_3926)
    }

    @Test func filesAppearWholeOrNotAtAll() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("x.npz")
            do {
                let file = try NumPyFile.PendingSparseRows(to: url, columns: 2)
                try file.append([(columns: [1], values: [1])])
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).isEmpty)
            try Self.write(to: url)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["x.npz"])
            let first = try Data(contentsOf: url)
            try Self.write(to: url)
            #expect(try Data(contentsOf: url) == first)
        }
    }

    /// The arrays of a file without compression stand in it as they are.
    @Test func arraysAreStoredOneAfterTheOther() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("x.npz")
            try Self.write(to: url)
            let data = try Data(contentsOf: url)
            func contains(_ array: [some BitwiseCopyable], _ header: String) -> Bool {
                let bytes = array.withUnsafeBytes { Data($0) }
                guard let found = data.range(of: bytes), let text = data.range(of: Data(header.utf8)) else {
                    return false
                }
                return text.upperBound < found.lowerBound
            }
            #expect(contains(Self.rows.flatMap(\.values), "'descr': '<f4', 'fortran_order': False, 'shape': (6,)"))
            #expect(contains(Self.rows.flatMap(\.columns), "'descr': '<i4', 'fortran_order': False, 'shape': (6,)"))
            #expect(contains([0, 3, 3, 4, 6] as [Int64], "'descr': '<i8', 'fortran_order': False, 'shape': (5,)"))
            #expect(contains([4, 7] as [Int64], "'descr': '<i8', 'fortran_order': False, 'shape': (2,)"))
        }
    }

    private static let python = ProcessInfo.processInfo.environment["MAFIN_PYTHON"] ?? ""

    @Test(.enabled(if: !python.isEmpty, "set MAFIN_PYTHON to a Python that has SciPy"))
    func sciPyReadsTheMatrix() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("x.npz")
            try Self.write(to: url)
            let script = """
                import sys, zipfile, scipy.sparse
                assert zipfile.ZipFile(sys.argv[1]).testzip() is None
                matrix = scipy.sparse.load_npz(sys.argv[1])
                assert matrix.format == "csr" and matrix.dtype == "float32" and matrix.has_sorted_indices
                print(matrix.shape[0], matrix.shape[1])
                for row in matrix.toarray(): print(" ".join(str(int(v.view("uint32"))) for v in row))
                """
            let process = Process()
            process.executableURL = URL(fileURLWithPath: Self.python)
            process.arguments = ["-c", script, url.path]
            let output = Pipe()
            process.standardOutput = output
            try process.run()
            let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
            var expected = "4 7\n"
            for row in Self.rows {
                var values = [Float](repeating: 0, count: 7)
                for (column, value) in zip(row.columns, row.values) { values[Int(column)] = value }
                expected += values.map { String($0.bitPattern) }.joined(separator: " ") + "\n"
            }
            #expect(text == expected)
        }
    }
}
