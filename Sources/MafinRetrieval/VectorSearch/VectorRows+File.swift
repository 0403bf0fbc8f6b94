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
        try AtomicFile.write(to: url) { file in
            try file.write(NumPyFile.header(rows: count, columns: columns, as: element.fileType))
            guard columns > 0 else { return }
            let rowsAtATime = max(1, Self.stretch / columns)
            var floats = [Float](repeating: 0, count: min(rowsAtATime, count) * columns)
            var halves = [UInt16](repeating: 0, count: element == .float16 ? floats.count : 0)
            for start in Swift.stride(from: 0, to: count, by: rowsAtATime) {
                let rows = start..<min(count, start + rowsAtATime)
                let used = rows.count * columns
                try floats.withUnsafeMutableBufferPointer { floats in
                    copy(rows: rows, to: floats)
                    let filled = UnsafeBufferPointer(rebasing: floats[..<used])
                    switch element {
                    case .float32:
                        try file.write(UnsafeRawBufferPointer(filled))
                    case .float16:
                        try halves.withUnsafeMutableBufferPointer { halves in
                            try Self.toHalf(filled, halves, columns: columns, of: source, firstRow: start)
                            try file.write(
                                UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(halves)[..<(2 * used)]))
                        }
                    }
                }
            }
        }
    }
}
