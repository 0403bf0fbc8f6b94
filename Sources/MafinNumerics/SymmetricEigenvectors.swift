/// All eigenvalues and eigenvectors of a symmetric matrix, in double precision.
///
/// Householder reduction to a tridiagonal matrix, then QL with implicit shifts (Golub and Van Loan, "Matrix Computations",
/// sections 8.3.1 and 8.3.5). Rows are contiguous in every inner loop. The result does not depend on the number of threads.
package struct SymmetricEigenvectors: Sendable {
    /// The eigenvalues, the largest first.
    package private(set) var values: [Double] = []
    /// One unit eigenvector a row, in the order of ``values``: `(size, size)`.
    package private(set) var vectors: [Double] = []
    /// Number of rows.
    package let size: Int

    /// - Parameter matrix: `(size, size)`, symmetric.
    /// - Complexity: O(size³): some ten seconds for 1,152 rows on one core, and minutes for 3,456.
    package init(of matrix: [Double], size: Int) {
        precondition(matrix.count == size * size, "\(matrix.count) values do not fill \(size) × \(size)")
        self.size = size
        guard size > 0 else { return }
        var tridiagonal = Tridiagonal(matrix, size)
        tridiagonal.diagonalize()
        let order = (0..<size).sorted { tridiagonal.diagonal[$0] > tridiagonal.diagonal[$1] }
        values = order.map { tridiagonal.diagonal[$0] }
        vectors = order.flatMap { tridiagonal.basis[$0 * size..<($0 + 1) * size] }
    }
}

/// `A = Bᵀ T B` with a symmetric tridiagonal T and an orthogonal B.
private struct Tridiagonal {
    let size: Int
    /// The diagonal of T; the eigenvalues at the end.
    var diagonal: [Double]
    /// The elements of T beside the diagonal: element i stands between i and i + 1. The last is 0.
    var beside: [Double]
    /// B, row-major; the eigenvectors at the end.
    var basis: [Double]

    /// Reduces A by reflections `H = I − β v vᵀ`, one per column.
    init(_ matrix: [Double], _ size: Int) {
        self.size = size
        var a = matrix
        var factors = [Double](repeating: 0, count: size)
        var beside = [Double](repeating: 0, count: size)
        var basis = [Double](repeating: 0, count: size * size)
        var diagonal: [Double] = []
        a.withUnsafeMutableBufferPointer { a in
            for k in 0..<max(0, size - 2) {
                // v lies in row k, to the right of the diagonal.
                let v = UnsafeMutableBufferPointer(rebasing: a[k * size + k + 1..<(k + 1) * size])
                let norm = v.reduce(0) { $0 + $1 * $1 }.squareRoot()
                // The sign avoids a difference of nearly equal numbers.
                beside[k] = v[0] > 0 ? -norm : norm
                guard norm > 0 else { continue }
                v[0] -= beside[k]
                let beta = 2 / v.reduce(0) { $0 + $1 * $1 }
                factors[k] = beta
                Self.reflect(a, from: k + 1, size, v, beta)
            }
            if size > 1 { beside[size - 2] = a[(size - 2) * size + size - 1] }
            diagonal = (0..<size).map { a[$0 * size + $0] }
            basis.withUnsafeMutableBufferPointer { basis in
                for row in 0..<size { basis[row * size + row] = 1 }
                // Q = H_0 H_1 …, from the last to the first: then only a trailing block changes. B is its transpose.
                let (shared, reflections) = (UnsafeTransfer((a: a, basis: basis)), factors)
                parallelRanges(size, grain: 64) { columns in
                    let (a, basis) = shared.value
                    Self.accumulate(a, reflections, columns, size, into: basis)
                }
                for row in 0..<size {
                    for column in 0..<row { basis.swapAt(row * size + column, column * size + row) }
                }
            }
        }
        (self.diagonal, self.beside, self.basis) = (diagonal, beside, basis)
    }

    /// Some columns of the product of all reflections.
    private static func accumulate(
        _ a: UnsafeMutableBufferPointer<Double>, _ factors: [Double], _ columns: Range<Int>, _ size: Int,
        into basis: UnsafeMutableBufferPointer<Double>
    ) {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: columns.count) { sum in
            for k in (0..<max(0, size - 2)).reversed() where factors[k] > 0 {
                sum.initialize(repeating: 0)
                for i in k + 1..<size {
                    let (factor, row) = (a[k * size + i], i * size + columns.lowerBound)
                    for j in sum.indices { sum[j] += factor * basis[row + j] }
                }
                for i in k + 1..<size {
                    let (factor, row) = (factors[k] * a[k * size + i], i * size + columns.lowerBound)
                    for j in sum.indices { basis[row + j] -= factor * sum[j] }
                }
            }
        }
    }

    /// `A ← H A H` for the block of A from `first` on.
    private static func reflect(
        _ a: UnsafeMutableBufferPointer<Double>, from first: Int, _ size: Int, _ v: UnsafeMutableBufferPointer<Double>,
        _ beta: Double
    ) {
        let count = size - first
        // p = β A v, and w = p − ½ β (p · v) v; then A ← A − v wᵀ − w vᵀ.
        var w = [Double](repeating: 0, count: count)
        w.withUnsafeMutableBufferPointer { w in
            for i in 0..<count {
                let (row, factor) = ((first + i) * size + first, beta * v[i])
                for j in 0..<count { w[j] += factor * a[row + j] }
            }
            var along = 0.0
            for i in 0..<count { along += w[i] * v[i] }
            let half = beta * along / 2
            for i in 0..<count { w[i] -= half * v[i] }
            let shared = UnsafeTransfer((a: a, v: v, w: w))
            parallelRanges(count, grain: 64) { rows in
                let (a, v, w) = shared.value
                for i in rows {
                    let row = (first + i) * size + first
                    let (left, right) = (v[i], w[i])
                    for j in 0..<count { a[row + j] -= left * w[j] + right * v[j] }
                }
            }
        }
    }

    /// Makes T diagonal by rotations, which are applied to the rows of B.
    mutating func diagonalize() {
        for first in 0..<size {
            // A matrix of finite numbers needs two or three sweeps; the bound is for others.
            for _ in 0..<60 {
                var last = first
                while last < size - 1,
                    abs(beside[last]) > Double.ulpOfOne * (abs(diagonal[last]) + abs(diagonal[last + 1]))
                {
                    last += 1
                }
                if last == first { break }
                rotate(sweep(from: last, to: first))
            }
        }
    }

    /// A rotation of the rows `row` and `row + 1`.
    private struct Rotation {
        var row: Int
        var cosine: Double
        var sine: Double
    }

    /// One implicit QL step on the block `first...last`.
    private mutating func sweep(from last: Int, to first: Int) -> [Rotation] {
        func hypotenuse(_ x: Double, _ y: Double) -> Double { (x * x + y * y).squareRoot() }
        var rotations: [Rotation] = []
        var g = (diagonal[first + 1] - diagonal[first]) / (2 * beside[first])
        var r = hypotenuse(g, 1)
        g = diagonal[last] - diagonal[first] + beside[first] / (g + (g < 0 ? -r : r))
        var (sine, cosine, shift) = (1.0, 1.0, 0.0)
        for i in (first..<last).reversed() {
            let (f, b) = (sine * beside[i], cosine * beside[i])
            r = hypotenuse(f, g)
            beside[i + 1] = r
            if r == 0 {
                diagonal[i + 1] -= shift
                beside[last] = 0
                return rotations
            }
            (sine, cosine) = (f / r, g / r)
            g = diagonal[i + 1] - shift
            r = (diagonal[i] - g) * sine + 2 * cosine * b
            shift = sine * r
            diagonal[i + 1] = g + shift
            g = cosine * r - b
            rotations.append(Rotation(row: i, cosine: cosine, sine: sine))
        }
        diagonal[first] -= shift
        beside[first] = g
        beside[last] = 0
        return rotations
    }

    private mutating func rotate(_ rotations: [Rotation]) {
        let size = size
        basis.withUnsafeMutableBufferPointer { basis in
            let shared = UnsafeTransfer(basis)
            // Columns are independent, and a part of them stays in the cache during all rotations.
            parallelRanges(size, grain: 64) { columns in
                let basis = shared.value
                for rotation in rotations {
                    let (upper, lower) = (rotation.row * size, (rotation.row + 1) * size)
                    for column in columns {
                        let (x, y) = (basis[upper + column], basis[lower + column])
                        basis[lower + column] = rotation.sine * x + rotation.cosine * y
                        basis[upper + column] = rotation.cosine * x - rotation.sine * y
                    }
                }
            }
        }
    }
}
