import MafinNumerics
import Testing

@Suite struct FactorizationTests {
    private func normal(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
        var generator = RandomGenerator(seed: seed)
        return Matrix(rows: rows, columns: columns, values: (0..<rows * columns).map { _ in generator.normal() })
    }

    @Test func matricesAreStacked() {
        let (top, bottom) = (normal(2, 3, seed: 1), normal(1, 3, seed: 2))
        let both = Matrix(stacking: [top, bottom])
        #expect(both.rows == 3 && both.columns == 3 && both.values == top.values + bottom.values)
    }

    /// `A x` is the right side again, for sizes around the width of the lanes.
    @Test(arguments: [1, 2, 7, 8, 9, 70, 131])
    func choleskySolves(_ size: Int) {
        let root = normal(size + 3, size, seed: UInt64(size)).values.map(Double.init)
        var matrix = [Double](repeating: 0, count: size * size)
        for i in 0..<size {
            for j in 0..<size {
                for k in 0..<size + 3 { matrix[i * size + j] += root[k * size + i] * root[k * size + j] }
            }
            matrix[i * size + i] += 0.1
        }
        let systems = normal(3, size, seed: 99).values.map(Double.init)
        let cholesky = Cholesky(matrix, size: size)
        let solved = cholesky.solve(rows: systems)
        for system in 0..<3 {
            for row in 0..<size {
                let product = (0..<size).reduce(0) { $0 + matrix[row * size + $1] * solved[system * size + $1] }
                #expect(abs(product - systems[system * size + row]) < 1e-7)
            }
        }
        #expect(cholesky.solve(Array(systems[..<size])) == Array(solved[..<size]))
    }

    /// `A = U P` with orthonormal U and a symmetric P without negative eigenvalues.
    @Test(arguments: [(9, 9), (14, 6), (6, 14)])
    func thePolarFactorIsOrthogonalAndTheRestIsSymmetric(_ rows: Int, _ columns: Int) {
        let matrix = normal(rows, columns, seed: 3)
        let factor = matrix.polarFactor()
        let gram =
            rows <= columns ? Matrix.multiply(factor, transposed: factor) : Matrix.multiply(transposed: factor, factor)
        let rest =
            rows <= columns ? Matrix.multiply(matrix, transposed: factor) : Matrix.multiply(transposed: factor, matrix)
        for i in 0..<gram.rows {
            for j in 0..<gram.rows {
                #expect(abs(gram[i, j] - (i == j ? 1 : 0)) < 1e-5)
                #expect(abs(rest[i, j] - rest[j, i]) < 1e-4)
            }
        }
        for probe in 0..<20 {
            let x = normal(1, rest.rows, seed: UInt64(100 + probe))
            let image = Matrix.multiply(x, rest)
            #expect(zip(x.values, image.values).reduce(0) { $0 + $1.0 * $1.1 } > 0)
        }
    }

    /// Directions that the matrix does not have stay out of its polar factor.
    @Test func aMatrixOfLowRankHasNoNoiseInItsPolarFactor() {
        let matrix = Matrix.multiply(normal(10, 3, seed: 4), normal(3, 12, seed: 5))
        let factor = matrix.polarFactor()
        // The squares of its singular values: three are 1, and the others are nearly 0.
        let squares = factor.values.reduce(0) { $0 + $1 * $1 }
        #expect(abs(squares - 3) < 0.01, "\(squares)")
        #expect(Matrix(rows: 4, columns: 4).polarFactor() == Matrix(rows: 4, columns: 4))
    }

    @Test func leadingDirectionsSpanTheLargestEigenvalues() {
        let turn = normal(20, 20, seed: 6).polarFactor()
        var scaled = turn
        for row in 0..<20 {
            let eigenvalue: Float = row < 4 ? Float(10 + row) : 0.5
            for column in 0..<20 { scaled[row, column] *= eigenvalue }
        }
        let found = Matrix.multiply(transposed: turn, scaled).leadingDirections(4)
        // All of the four directions lie in the span.
        let shares = Matrix.multiply(found, transposed: turn.selecting(rows: Array(0..<4)))
        for row in 0..<4 {
            #expect(abs(shares.row(row).reduce(0) { $0 + $1 * $1 } - 1) < 1e-4)
        }
        let gram = Matrix.multiply(found, transposed: found)
        for i in 0..<4 { for j in 0..<4 { #expect(abs(gram[i, j] - (i == j ? 1 : 0)) < 1e-5) } }
    }
}
