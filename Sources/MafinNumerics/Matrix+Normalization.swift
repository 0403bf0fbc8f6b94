extension Matrix {
    /// How far a row's length may be off 1 and still count as 1: the rounding error of a vector that was normalised in single precision.
    ///
    /// Such a row stays bit for bit what it is. So an API that answers with unit vectors keeps its own ranking, ties included, and
    /// normalising twice is the same as normalising once.
    public static let unitLengthTolerance = 1e-6

    /// Divides a row by its Euclidean length, unless that counts as 1 already (``unitLengthTolerance``).
    ///
    /// In double precision, so that rows of the smallest and of the largest numbers get unit length too.
    /// - Returns: the length before. A row of zeros (length 0) and a row with a value that is not finite (length infinite or NaN) stay as
    ///   they are.
    @discardableResult
    public static func normalize(_ row: UnsafeMutableBufferPointer<Float>) -> Double {
        var sum: Double = 0
        for value in row { sum += Double(value) * Double(value) }
        let length = sum.squareRoot()
        guard length > 0, length.isFinite, abs(length - 1) > unitLengthTolerance else { return length }
        for index in row.indices { row[index] = Float(Double(row[index]) / length) }
        return length
    }

    /// Every row made unit length by ``normalize(_:)``, and the lengths before. A row of zeros stays zeros, with norm 0.
    public func normalizedRows() -> (matrix: Matrix, norms: [Float]) {
        var result = self
        var norms = [Float](repeating: 0, count: rows)
        let columns = columns
        result.values.withUnsafeMutableBufferPointer { values in
            for row in 0..<rows {
                norms[row] = Float(
                    Self.normalize(UnsafeMutableBufferPointer(rebasing: values[row * columns..<(row + 1) * columns])))
            }
        }
        return (result, norms)
    }

    /// The gradient with respect to x from that with respect to x̂ = x / ‖x‖, row by row: (g − (g · x̂) x̂) / ‖x‖.
    ///
    /// - Parameters:
    ///   - gradient: `(rows, columns)`, with respect to the unit rows.
    ///   - unit: `(rows, columns)`, the unit rows themselves.
    ///   - norms: `(rows)`, from ``normalizedRows()``. A row of norm 0 gets gradient 0, and so does one whose norm is below the smallest
    ///     normal number: the gradient would be above the largest.
    public static func normalizedRowsBackward(gradient: Matrix, unit: Matrix, norms: [Float]) -> Matrix {
        precondition(gradient.rows == unit.rows && gradient.columns == unit.columns && norms.count == unit.rows)
        var result = gradient
        let columns = unit.columns
        result.values.withUnsafeMutableBufferPointer { values in
            unit.values.withUnsafeBufferPointer { unit in
                for row in 0..<norms.count {
                    let range = row * columns..<(row + 1) * columns
                    guard norms[row] >= .leastNormalMagnitude else {
                        for index in range { values[index] = 0 }
                        continue
                    }
                    var along: Double = 0
                    for index in range { along += Double(values[index]) * Double(unit[index]) }
                    let projection = Float(along)
                    let scale = 1 / norms[row]
                    for index in range { values[index] = (values[index] - projection * unit[index]) * scale }
                }
            }
        }
        return result
    }
}
