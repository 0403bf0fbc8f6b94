import MafinNumerics

extension Matrix {
    /// Calls `body` with every row, in parallel on all threads.
    package mutating func forEachRow(
        grain: Int = 1, _ body: @Sendable (_ row: Int, _ values: UnsafeMutableBufferPointer<Float>) -> Void
    ) {
        let (rows, columns) = (rows, columns)
        values.withUnsafeMutableBufferPointer { values in
            let values = UnsafeTransfer(values)
            parallelRanges(rows, grain: grain) { range in
                for row in range {
                    body(row, UnsafeMutableBufferPointer(rebasing: values.value[row * columns..<(row + 1) * columns]))
                }
            }
        }
    }
}
