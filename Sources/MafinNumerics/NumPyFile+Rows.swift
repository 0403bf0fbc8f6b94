import Foundation

extension NumPyFile {
    /// A `.npy` file of a matrix that is written in groups of rows. The number of rows need not be known beforehand.
    /// Memory: one group of rows.
    ///
    /// The file gets its name with ``commit()``, whole or not at all. Not to be used from two threads at a time.
    public final class PendingRows {
        /// Number of columns.
        public let columns: Int
        /// Number of rows written so far.
        public private(set) var rows = 0
        private let type: ElementType
        private let file: PendingFile
        private var isSynchronized = false

        /// Begins a file that will have the name `url`.
        /// - Precondition: `type` is not ``ElementType/float64``, which is only read.
        /// - Throws: ``NumericsError/file(path:reason:)``
        public init(to url: URL, columns: Int, as type: ElementType = .float32) throws {
            precondition(type != .float64, "float64 files are only read")
            self.columns = columns
            self.type = type
            file = try PendingFile(at: url)
            try file.write(NumPyFile.header(rows: 0, columns: columns, as: type))
        }

        /// Adds the rows of a matrix of ``columns`` columns.
        /// - Throws: ``NumericsError/file(path:reason:)``
        public func append(_ matrix: Matrix) throws {
            precondition(matrix.columns == columns, "rows of \(matrix.columns) numbers in a file of \(columns)")
            switch type {
            case .float16:
                try Float16Bits.bits(matrix.values).withUnsafeBytes { try file.write($0) }
            default:
                try matrix.values.withUnsafeBytes { try file.write($0) }
            }
            rows += matrix.rows
        }

        /// Writes the number of rows and syncs the file to disk, still under a temporary name. No rows can be added
        /// afterwards.
        /// - Throws: ``NumericsError/file(path:reason:)``
        public func synchronize() throws {
            guard !isSynchronized else { return }
            try file.overwrite(NumPyFile.header(rows: rows, columns: columns, as: type), at: 0)
            try file.synchronize()
            isSynchronized = true
        }

        /// Gives the file its name. To be called once.
        /// - Throws: ``NumericsError/file(path:reason:)``
        public func commit() throws {
            try synchronize()
            try file.commit()
        }
    }
}
