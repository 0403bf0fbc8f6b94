extension Matrix {
    /// Every row divided by its own Euclidean norm, and those norms. A row of zeros stays zeros, with norm 0.
    public func normalizedRows() -> (matrix: Matrix, norms: [Float]) {
        var result = self
        var norms = [Float](repeating: 0, count: rows)
        let columns = columns
        result.values.withUnsafeMutableBufferPointer { values in
            for row in 0..<rows {
                var sum: Double = 0
                for index in row * columns..<(row + 1) * columns {
                    sum += Double(values[index]) * Double(values[index])
                }
                let norm = sum.squareRoot()
                norms[row] = Float(norm)
                guard norm > 0 else { continue }
                // In double precision: the inverse of a tiny norm is no float.
                let scale = 1 / norm
                for index in row * columns..<(row + 1) * columns {
                    values[index] = Float(Double(values[index]) * scale)
                }
            }
        }
        return (result, norms)
    }

    /// The gradient with respect to x from that with respect to x̂ = x / ‖x‖, row by row: (g − (g · x̂) x̂) / ‖x‖.
    ///
    /// - Parameters:
    ///   - gradient: `(rows, columns)`, with respect to the unit rows.
    ///   - unit: `(rows, columns)`, the unit rows themselves.
    ///   - norms: `(rows)`, from ``normalizedRows()``; a row of norm 0 gets gradient 0.
    public static func normalizedRowsBackward(gradient: Matrix, unit: Matrix, norms: [Float]) -> Matrix {
        precondition(gradient.rows == unit.rows && gradient.columns == unit.columns && norms.count == unit.rows)
        var result = gradient
        let columns = unit.columns
        result.values.withUnsafeMutableBufferPointer { values in
            unit.values.withUnsafeBufferPointer { unit in
                for row in 0..<norms.count {
                    let range = row * columns..<(row + 1) * columns
                    guard norms[row] > 0 else {
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
