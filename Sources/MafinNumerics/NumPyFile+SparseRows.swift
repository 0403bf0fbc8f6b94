import Foundation

extension NumPyFile {
    /// A sparse matrix that is written in groups of rows, in the form of SciPy's `save_npz`: a `.npz` file with the arrays
    /// of a CSR matrix, `data` (float32), `indices` (int32), `indptr` (int64), `shape` and `format`.
    ///
    /// Memory: one group of rows, and eight bytes for each row. Disk: twice the file, until ``commit()``. The file gets its
    /// name with ``commit()``, whole or not at all. Not to be used from two threads at a time.
    public final class PendingSparseRows {
        /// Number of columns.
        public let columns: Int
        /// Number of rows written so far.
        public var rows: Int { starts.count - 1 }
        private var starts: [Int64] = [0]
        private let file: PendingFile
        /// The arrays follow each other in the file, and their lengths are not known before the last row. So each is
        /// gathered in a file of its own, which is never committed.
        private let values: PendingFile
        private let indices: PendingFile

        /// Begins a file that will have the name `url`.
        /// - Throws: ``NumericsError/file(path:reason:)``
        public init(to url: URL, columns: Int) throws {
            self.columns = columns
            file = try PendingFile(at: url)
            values = try PendingFile(at: url)
            indices = try PendingFile(at: url)
        }

        /// Adds rows, each as its columns in ascending order and their values.
        /// - Throws: ``NumericsError/file(path:reason:)``
        public func append(_ newRows: [(columns: [Int32], values: [Float])]) throws {
            for row in newRows {
                precondition(row.columns.count == row.values.count, "\(row.values.count) values of columns")
                precondition(row.columns.allSatisfy { $0 >= 0 && $0 < columns }, "a column outside 0..<\(columns)")
                starts.append(starts[starts.count - 1] + Int64(row.values.count))
            }
            try newRows.flatMap(\.values).withUnsafeBytes { try values.write($0) }
            try newRows.flatMap(\.columns).withUnsafeBytes { try indices.write($0) }
        }

        /// Writes the file and gives it its name. To be called once.
        /// - Throws: ``NumericsError/file(path:reason:)``
        public func commit() throws {
            var archive = NumPyArchive(in: file)
            let count = Int(starts[starts.count - 1])
            try archive.add(
                "indices", of: indices, NumPyFile.arrayHeader("<i4", shape: "(\(count),)"), bytes: 4 * count)
            try archive.add("indptr", Self.array("<i8", shape: "(\(starts.count),)", starts))
            try archive.add("format", Self.array("|S3", shape: "()", Array("csr".utf8)))
            try archive.add("shape", Self.array("<i8", shape: "(2,)", [Int64(rows), Int64(columns)]))
            try archive.add("data", of: values, NumPyFile.arrayHeader("<f4", shape: "(\(count),)"), bytes: 4 * count)
            try archive.finish()
            try file.commit()
        }

        private static func array(_ type: String, shape: String, _ elements: [some BitwiseCopyable]) -> Data {
            NumPyFile.arrayHeader(type, shape: shape) + elements.withUnsafeBytes { Data($0) }
        }
    }
}

extension NumPyArchive {
    /// Adds an array whose elements are in another file.
    fileprivate mutating func add(_ name: String, of file: PendingFile, _ header: Data, bytes: Int) throws {
        try add(name, size: header.count + bytes) { write in
            try header.withUnsafeBytes(write)
            var buffer = [UInt8](repeating: 0, count: min(bytes, 1 << 20))
            var offset = 0
            while offset < bytes {
                let count = min(buffer.count, bytes - offset)
                try buffer.withUnsafeMutableBytes {
                    let piece = UnsafeMutableRawBufferPointer(rebasing: $0[..<count])
                    try file.read(at: offset, into: piece)
                    try write(UnsafeRawBufferPointer(piece))
                }
                offset += count
            }
        }
    }
}
