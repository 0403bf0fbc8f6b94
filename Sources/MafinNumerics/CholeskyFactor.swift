/// The factor L of a positive definite matrix `L Lᵀ`, in double precision.
package struct CholeskyFactor: Sendable {
    /// L, `(size, size)`, row-major. The part above the diagonal is not used.
    package private(set) var factor: [Double]
    /// Number of rows.
    package let size: Int

    /// - Parameter matrix: `(size, size)`, row-major; only the lower triangle is read.
    /// - Complexity: O(size³).
    package init(_ matrix: [Double], size: Int) {
        precondition(matrix.count == size * size, "\(matrix.count) values do not fill \(size) × \(size)")
        factor = matrix
        self.size = size
        factor.withUnsafeMutableBufferPointer { factor in
            for row in 0..<size {
                for column in 0...row {
                    var value = factor[row * size + column]
                    for k in 0..<column { value -= factor[row * size + k] * factor[column * size + k] }
                    // Rounding may make the pivot of a copy negative. The ridge is what it would be.
                    factor[row * size + column] =
                        row == column
                        ? max(value, 1e-14 * matrix[row * size + row], .leastNormalMagnitude).squareRoot()
                        : value / factor[column * size + column]
                }
            }
        }
    }

    /// The solution x of `L Lᵀ x = values`.
    package func solve(_ values: [Double]) -> [Double] {
        var x = values
        for row in 0..<size {
            for k in 0..<row { x[row] -= factor[row * size + k] * x[k] }
            x[row] /= factor[row * size + row]
        }
        return solveTransposed(x)
    }

    /// The solution x of `Lᵀ x = values`.
    package func solveTransposed(_ values: [Double]) -> [Double] {
        var x = values
        factor.withUnsafeBufferPointer { factor in
            // Row by row, because L is stored so: once x_k is known, it is taken out of all equations before.
            for row in (0..<size).reversed() {
                x[row] /= factor[row * size + row]
                let value = x[row]
                for k in 0..<row { x[k] -= factor[row * size + k] * value }
            }
        }
        return x
    }
}
