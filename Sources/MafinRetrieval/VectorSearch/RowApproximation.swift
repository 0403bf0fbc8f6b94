import CMafinKernels
import MafinNumerics

/// Rows with one byte per element, a scale per row, and a bound of the error of their scores.
///
/// A search reads these instead of the rows, which is a quarter of the bytes of float32. It reads a row itself only if
/// its score may be among the best. This is the VA-file of Weber, Schek and Blott (1998), with bounds from the
/// Cauchy-Schwarz inequality.
final class RowApproximation: @unchecked Sendable {
    // The memory is written only in `init`.
    let codes: UnsafeMutablePointer<Int8>
    let scales: UnsafeMutablePointer<Float>
    let margins: UnsafeMutablePointer<Float>
    let byteCount: Int

    init(_ rows: VectorRows) {
        let elements = rows.count * rows.columns
        // Aligned to cache lines, so that each line is prefetched only once.
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
