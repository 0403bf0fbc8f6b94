import Foundation
import MafinNumerics

extension VectorRows {
    /// Elements that are converted before they are written.
    private static let stretch = 1 << 22

    /// Writes the rows as a `.npy` file, whole or not at all, in either precision: float16 is rounded to nearest, ties to even.
    ///
    /// Works through the rows in pieces of a few megabytes, whatever their number.
    /// - Throws: `NumericsError/file(path:reason:)`; ``RetrievalError/invalidElement(source:row:column:expected:found:)`` for an
    ///   element that float16 cannot hold. The file is then as it was before.
    public func write(to url: URL, as element: Element) throws {
        let file = try NumPyFile.PendingRows(to: url, columns: columns, as: element.fileType)
        let rowsAtATime = max(1, Self.stretch / max(1, columns))
        for start in Swift.stride(from: 0, to: count, by: rowsAtATime) {
            let rows = start..<min(count, start + rowsAtATime)
            var matrix = Matrix(rows: rows.count, columns: columns)
            matrix.values.withUnsafeMutableBufferPointer { copy(rows: rows, to: $0) }
            // Only for its check.
            if element == .float16 { _ = try Self.halves(of: matrix, source: source, firstRow: start) }
            try file.append(matrix)
        }
        try file.commit()
    }
}
