/// The factor L of a positive definite matrix `A = L Lᵀ`, in double precision.
///
/// A pivot that rounding made too small or negative is replaced by `1e-14` of its diagonal element. So a matrix that is
/// only nearly positive definite, such as one with two equal rows, has a factor too.
package struct Cholesky: Sendable {
    /// Number of rows of the matrix.
    package let size: Int
    /// L, `(size, size)`, row-major. The part above the diagonal is not used.
    package private(set) var factor: [Double]

    /// - Parameter matrix: `(size, size)`, row-major; only the lower triangle is read.
    /// - Complexity: O(size³ / 3), on all threads.
    package init(_ matrix: [Double], size: Int) {
        precondition(matrix.count == size * size, "\(matrix.count) values do not fill \(size) × \(size)")
        self.size = size
        factor = matrix
        factor.withUnsafeMutableBufferPointer { values in
            guard let base = values.baseAddress else { return }
            let shared = UnsafeTransfer(base)
            for column in 0..<size {
                let own = base + column * size
                let diagonal = own[column]
                let pivot = max(
                    diagonal - inner(own, own, column), 1e-14 * diagonal, .leastNormalMagnitude
                ).squareRoot()
                own[column] = pivot
                parallelRanges(size - column - 1, grain: 64) { range in
                    let own = shared.value + column * size
                    for offset in range {
                        let other = shared.value + (column + 1 + offset) * size
                        other[column] = (other[column] - inner(other, own, column)) / pivot
                    }
                }
            }
        }
    }

    /// The solution x of `A x = values`.
    /// - Complexity: O(size²).
    package func solve(_ values: [Double]) -> [Double] { solve(rows: values) }

    /// The solutions of several systems, one after the other: row i of the result is x of `A x = row i`.
    /// - Parameter rows: `(systems, size)`, row-major.
    /// - Complexity: O(systems × size²), on all threads.
    package func solve(rows: [Double]) -> [Double] {
        guard size > 0 else { return rows }
        precondition(rows.count.isMultiple(of: size), "\(rows.count) values in systems of \(size)")
        var result = rows
        let size = size
        result.withUnsafeMutableBufferPointer { result in
            factor.withUnsafeBufferPointer { factor in
                guard let x = result.baseAddress, let l = factor.baseAddress else { return }
                let pointers = UnsafeTransfer((x: x, l: l))
                parallelFor(rows.count / size) { system in
                    let (x, l) = (pointers.value.x + system * size, pointers.value.l)
                    for row in 0..<size {
                        x[row] = (x[row] - inner(l + row * size, x, row)) / l[row * size + row]
                    }
                    Self.substituteBack(x, l, size)
                }
            }
        }
        return result
    }

    /// The solution x of `Lᵀ x = values`.
    /// - Complexity: O(size²).
    package func solveTransposed(_ values: [Double]) -> [Double] {
        precondition(values.count == size, "\(values.count) values in a system of \(size)")
        var result = values
        result.withUnsafeMutableBufferPointer { result in
            factor.withUnsafeBufferPointer { factor in
                guard let x = result.baseAddress, let l = factor.baseAddress else { return }
                Self.substituteBack(x, l, size)
            }
        }
        return result
    }

    /// Replaces x by the solution of `Lᵀ y = x`. It goes row by row, because L is stored so: once y_k is known, it is taken
    /// out of all equations before.
    private static func substituteBack(_ x: UnsafeMutablePointer<Double>, _ l: UnsafePointer<Double>, _ size: Int) {
        for row in (0..<size).reversed() {
            x[row] /= l[row * size + row]
            let value = x[row]
            for k in 0..<row { x[k] -= l[row * size + k] * value }
        }
    }
}

/// `Σ_k x_k y_k`. Strict floating point keeps the compiler from dividing one sum among lanes, so the lanes are written out.
private func inner(_ x: UnsafePointer<Double>, _ y: UnsafePointer<Double>, _ count: Int) -> Double {
    var sums = SIMD8<Double>()
    var k = 0
    while k + 8 <= count {
        let (a, b) = (UnsafeRawPointer(x + k), UnsafeRawPointer(y + k))
        sums.addProduct(a.loadUnaligned(as: SIMD8<Double>.self), b.loadUnaligned(as: SIMD8<Double>.self))
        k += 8
    }
    var sum = sums.sum()
    while k < count {
        sum += x[k] * y[k]
        k += 1
    }
    return sum
}
