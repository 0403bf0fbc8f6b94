import Foundation
import MafinNumerics

extension VectorRows {
    /// Number of elements that are converted and written at a time.
    private static let stretch = 1 << 22

    /// Writes the rows as a `.npy` file, whole or not at all, in either precision. Rounding to float16 is to nearest,
    /// ties to even.
    ///
    /// Memory: a few megabytes, however many rows there are.
    /// - Throws: `NumericsError/file(path:reason:)`;
    ///   ``RetrievalError/invalidElement(source:row:column:expected:found:)`` for an element that float16 cannot hold.
    ///   The file is then unchanged.
    public func write(to url: URL, as element: Element) throws {
        let file = try NumPyFile.PendingRows(to: url, columns: columns, as: element.fileType)
        let rowsAtATime = max(1, Self.stretch / max(1, columns))
        for start in Swift.stride(from: 0, to: count, by: rowsAtATime) {
            let rows = start..<min(count, start + rowsAtATime)
            var matrix = Matrix(rows: rows.count, columns: columns)
            matrix.values.withUnsafeMutableBufferPointer { copy(rows: rows, to: $0) }
            // Called only because it checks the range.
            if element == .float16 { _ = try Self.halves(of: matrix, source: source, firstRow: start) }
            try file.append(matrix)
        }
        try file.commit()
    }
}
