import CMafinKernels
import Foundation
import MafinNumerics

/// Rows with one byte per element, a scale per row, and a bound of the error of their scores, in memory or in a mapped file.
///
/// A search reads these instead of the rows, which is a quarter of the bytes of float32. It reads a row itself only if
/// its score may be among the best. This is the VA-file of Weber, Schek and Blott (1998), with bounds from the
/// Cauchy-Schwarz inequality.
package final class RowApproximation: @unchecked Sendable {
    // The memory is written only before `init` returns.
    let codes: UnsafePointer<Int8>
    let scales: UnsafePointer<Float>
    let margins: UnsafePointer<Float>
    /// Bytes of the codes, scales and margins.
    let byteCount: Int
    /// Number of rows.
    let rows: Int
    /// Number of columns.
    let columns: Int
    /// `nil` if the rows are in ``file``.
    private let memory: UnsafeMutableRawPointer?
    private let file: MappedFile?

    /// Approximates rows in memory. Reads them once, on all threads.
    package init(_ rows: VectorRows) {
        let layout = RowApproximationLayout(rows: rows.count, columns: rows.columns)
        // Aligned to cache lines, so that each line is prefetched only once.
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: layout.size, alignment: RowApproximationLayout.alignment)
        let (codes, scales, margins) = (
            (memory + layout.codes).bindMemory(to: Int8.self, capacity: rows.count * rows.columns),
            (memory + layout.scales).bindMemory(to: Float.self, capacity: rows.count),
            (memory + layout.margins).bindMemory(to: Float.self, capacity: rows.count)
        )
        rows.approximate(0..<rows.count, codes: codes, scales: scales, margins: margins)
        (self.memory, file) = (memory, nil)
        (self.codes, self.scales, self.margins) = (UnsafePointer(codes), UnsafePointer(scales), UnsafePointer(margins))
        (self.rows, columns, byteCount) = (rows.count, rows.columns, layout.byteCount)
    }

    /// Maps a file of ``write(_:to:)``. Searches read its pages directly.
    ///
    /// The head of the file, all scales and margins, and some rows are compared with `rows`, so that a file of other rows is
    /// noticed. The file must be replaced only by renaming, as `AtomicFile` does.
    /// - Throws: `NumericsError` with the file.
    package init(contentsOf url: URL, of rows: VectorRows) throws {
        let file = try MappedFile(url)
        let layout = RowApproximationLayout(rows: rows.count, columns: rows.columns)
        guard let base = try file.withUnsafeBytes({ try layout.check($0, path: url.path) }) else {
            throw NumericsError.malformed(path: url.path, expected: "\(layout.size) bytes", found: "none")
        }
        (memory, self.file) = (nil, file)
        codes = (base + layout.codes).assumingMemoryBound(to: Int8.self)
        scales = (base + layout.scales).assumingMemoryBound(to: Float.self)
        margins = (base + layout.margins).assumingMemoryBound(to: Float.self)
        (self.rows, columns, byteCount) = (rows.count, rows.columns, layout.byteCount)
        try require(rows, path: url.path)
        file.prefetch()
    }

    deinit { memory?.deallocate() }

    /// Number of rows that are compared with a file.
    private static let comparedRows = 64

    /// Checks that the numbers are usable, and that some rows are those that the file approximates.
    private func require(_ vectors: VectorRows, path: String) throws {
        for row in 0..<rows where !(scales[row] >= 0 && scales[row].isFinite && margins[row] >= 0) {
            throw NumericsError.malformed(
                path: path, expected: "a scale and a margin of at least 0 for row \(row)",
                found: "\(scales[row]) and \(margins[row])")
        }
        let count = min(rows, Self.comparedRows)
        var (codes, scale, margin) = ([Int8](repeating: 0, count: max(1, columns)), Float(0), Float(0))
        for place in 0..<count {
            let row = place * rows / count
            vectors.approximate(row..<row + 1, codes: &codes, scales: &scale, margins: &margin)
            // Instruction sets round differently in the last place.
            let isSame =
                abs(scale - scales[row]) <= 1e-5 * scale
                && margin.isFinite == margins[row].isFinite
                && (margin.isInfinite || abs(margin - margins[row]) <= 0.25 * margin)
                && (0..<columns).allSatisfy { abs(Int(codes[$0]) - Int(self.codes[row * columns + $0])) <= 1 }
            guard isSame else {
                throw NumericsError.malformed(
                    path: path, expected: "the bytes of the rows of \(vectors.source)",
                    found: "those of other rows, as row \(row) shows")
            }
        }
    }

    /// Writes the approximation of rows, whole or not at all: the head, then codes, scales and margins as ``init(_:)`` makes them, little-endian,
    /// each from a multiple of 64 bytes.
    ///
    /// Memory: 8 bytes a row, and a few megabytes.
    /// - Throws: `NumericsError/file(path:reason:)`; the file is then as it was before.
    package static func write(_ rows: VectorRows, to url: URL) throws {
        let layout = RowApproximationLayout(rows: rows.count, columns: rows.columns)
        var scales = [Float](repeating: 0, count: max(1, rows.count))
        var margins = scales
        let rowsAtATime = max(1, min(rows.count, (1 << 22) / max(1, rows.columns)))
        var codes = [Int8](repeating: 0, count: max(1, rowsAtATime * rows.columns))
        try AtomicFile.write(to: url) { file in
            try file.write(layout.head)
            for start in Swift.stride(from: 0, to: rows.count, by: rowsAtATime) {
                let part = start..<min(rows.count, start + rowsAtATime)
                codes.withUnsafeMutableBufferPointer { codes in
                    scales.withUnsafeMutableBufferPointer { scales in
                        margins.withUnsafeMutableBufferPointer { margins in
                            guard let codes = codes.baseAddress, let scales = scales.baseAddress,
                                let margins = margins.baseAddress
                            else { return }
                            rows.approximate(part, codes: codes, scales: scales + start, margins: margins + start)
                        }
                    }
                }
                try codes.withUnsafeBytes {
                    try file.write(UnsafeRawBufferPointer(rebasing: $0[..<(part.count * rows.columns)]))
                }
            }
            let floats = rows.count * MemoryLayout<Float>.stride
            try file.write(Data(count: layout.scales - layout.codes - rows.count * rows.columns))
            try scales.withUnsafeBytes { try file.write(UnsafeRawBufferPointer(rebasing: $0[..<floats])) }
            try file.write(Data(count: layout.margins - layout.scales - floats))
            try margins.withUnsafeBytes { try file.write(UnsafeRawBufferPointer(rebasing: $0[..<floats])) }
        }
    }
}

extension VectorRows {
    /// Approximates some rows, on all threads. The results of the first of them are written to the given addresses.
    fileprivate func approximate(
        _ part: Range<Int>, codes: UnsafeMutablePointer<Int8>, scales: UnsafeMutablePointer<Float>,
        margins: UnsafeMutablePointer<Float>
    ) {
        let pointers = UnsafeTransfer((codes: codes, scales: scales, margins: margins))
        withUnsafeRows { base in
            let base = UnsafeTransfer(base + part.lowerBound * stride * element.size)
            parallelRanges(part.count, grain: 256) { range in
                let (codes, scales, margins) = pointers.value
                let start = range.lowerBound
                mafin_approximate(
                    range.count, columns, base.value + start * stride * element.size, element.kernelElement, stride,
                    codes + start * columns, scales + start, margins + start)
            }
        }
    }
}
