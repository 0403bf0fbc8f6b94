import CMafinKernels
import MafinNumerics

/// Rows in a byte an element, with a scale a row, and how far a score from them can lie below the true one.
///
/// A search reads these instead of the rows, a quarter of float32's bytes, and looks at a row itself only where its score may
/// be among the best: the VA-file of Weber, Schek and Blott (1998), with bounds by Cauchy and Schwarz.
final class RowApproximation: @unchecked Sendable {
    // Written while it is made, only read afterwards.
    let codes: UnsafeMutablePointer<Int8>
    let scales: UnsafeMutablePointer<Float>
    let margins: UnsafeMutablePointer<Float>
    let byteCount: Int

    init(_ rows: VectorRows) {
        let elements = rows.count * rows.columns
        // Lines of a cache, so that reading ahead asks for each but once.
        let memory = UnsafeMutableRawPointer.allocate(byteCount: max(1, elements), alignment: 64)
        codes = memory.bindMemory(to: Int8.self, capacity: max(1, elements))
        scales = .allocate(capacity: max(1, rows.count))
        margins = .allocate(capacity: max(1, rows.count))
        byteCount = elements + 8 * rows.count
        let pointers = UnsafeTransfer((codes: codes, scales: scales, margins: margins))
        rows.withUnsafeRows { base in
            let base = UnsafeTransfer(base)
            parallelRanges(rows.count, grain: 256) { range in
                let (codes, scales, margins) = pointers.value
                let start = range.lowerBound
                mafin_approximate(
                    range.count, rows.columns, base.value + start * rows.stride * rows.element.size,
                    rows.element.kernelElement, rows.stride, codes + start * rows.columns, scales + start,
                    margins + start)
            }
        }
    }

    deinit {
        codes.deallocate()
        scales.deallocate()
        margins.deallocate()
    }
}
