import Foundation
import MafinMethod
import MafinNumerics

extension StandInHeads {
    /// Fits the black box's head to pairs of vectors by ridge regression: the least
    /// `Σ_i ‖[u_i ; 1] W − v_i‖² + strength · ‖W‖²`.
    /// - Parameters:
    ///   - inputs: the encoder's vectors of some texts, of any length, `(texts, columns)`.
    ///   - targets: the black box's unit rows of the same texts, `(texts, black-box dimension)`.
    ///   - strength: above 0.
    /// - Complexity: O(texts · columns · (columns + dimension) + columns² · (columns + dimension)).
    static func ridge(_ inputs: Matrix, _ targets: Matrix, strength: Float) -> Matrix {
        precondition(strength > 0 && inputs.rows == targets.rows, "a ridge regression of strength \(strength)")
        let extended = withConstant(inputs.normalizedRows().matrix)
        let products = Matrix.multiply(transposed: extended, extended)
        var gram = products.values.map(Double.init)
        for index in 0..<extended.columns { gram[index * (extended.columns + 1)] += Double(strength) }
        let right = Matrix.multiply(transposed: extended, targets)
        return Matrix(
            rows: extended.columns, columns: targets.columns,
            values: Cholesky(gram, size: extended.columns).solve(
                right.values.map(Double.init), columns: targets.columns
            )
            .map(Float.init))
    }

    /// The head that gives the encoder's own unit vector, `(columns + 1, columns)`.
    static func identity(_ columns: Int) -> Matrix {
        var head = Matrix(rows: columns + 1, columns: columns)
        for index in 0..<columns { head[index, index] = 1 }
        return head
    }
}

/// The factor L of a symmetric positive definite matrix, `A = L Lᵀ`.
private struct Cholesky {
    private var lower: [Double]
    private let size: Int

    init(_ matrix: [Double], size: Int) {
        self.size = size
        lower = matrix
        lower.withUnsafeMutableBufferPointer { a in
            for column in 0..<size {
                for row in column..<size {
                    var sum = a[row * size + column]
                    for index in 0..<column { sum -= a[row * size + index] * a[column * size + index] }
                    a[row * size + column] = row == column ? sum.squareRoot() : sum / a[column * size + column]
                }
            }
        }
    }

    /// x in `A x = right`, `(size, columns)`.
    func solve(_ right: [Double], columns: Int) -> [Double] {
        var x = right
        x.withUnsafeMutableBufferPointer { x in
            lower.withUnsafeBufferPointer { lower in
                func subtract(_ factor: Double, row source: Int, from target: Int) {
                    for column in 0..<columns { x[target * columns + column] -= factor * x[source * columns + column] }
                }
                func divide(_ row: Int) {
                    let pivot = lower[row * size + row]
                    for column in 0..<columns { x[row * columns + column] /= pivot }
                }
                for row in 0..<size {
                    for before in 0..<row { subtract(lower[row * size + before], row: before, from: row) }
                    divide(row)
                }
                for row in (0..<size).reversed() {
                    for after in row + 1..<size { subtract(lower[after * size + row], row: after, from: row) }
                    divide(row)
                }
            }
        }
        return x
    }
}
