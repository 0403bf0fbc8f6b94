import MafinNumerics
import Testing

@Suite struct SymmetricEigenvectorsTests {
    private func symmetric(_ size: Int, rank: Int, seed: UInt64) -> [Double] {
        var random = RandomGenerator(seed: seed)
        let factor = (0..<rank).map { _ in (0..<size).map { _ in Double(random.normal()) } }
        var matrix = [Double](repeating: 0, count: size * size)
        for row in 0..<size {
            for column in 0..<size {
                for (number, vector) in factor.enumerated() {
                    matrix[row * size + column] += (number % 3 == 2 ? -1 : 1) * vector[row] * vector[column]
                }
            }
        }
        return matrix
    }

    /// The definition: `A v = λ v`, and the vectors are orthonormal.
    @Test(arguments: [(1, 1), (2, 2), (3, 3), (7, 7), (65, 65), (130, 130), (40, 3)])
    func theDefinitionHolds(_ size: Int, _ rank: Int) {
        let matrix = symmetric(size, rank: rank, seed: UInt64(size))
        let found = SymmetricEigenvectors(of: matrix, size: size)
        let scale = found.values.map(abs).max() ?? 1
        #expect(found.values == found.values.sorted(by: >))
        for first in 0..<size {
            let vector = found.vectors[first * size..<(first + 1) * size].map(\.self)
            for row in 0..<size {
                let product = (0..<size).reduce(0) { $0 + matrix[row * size + $1] * vector[$1] }
                #expect(abs(product - found.values[first] * vector[row]) < 1e-11 * scale)
            }
            for second in 0...first {
                let inner = (0..<size).reduce(0) { $0 + vector[$1] * found.vectors[second * size + $1] }
                #expect(abs(inner - (first == second ? 1 : 0)) < 1e-11)
            }
        }
    }

    /// The second difference with fixed ends has the eigenvalues `2 − 2 cos(π k / (n + 1))`.
    @Test func aKnownSpectrum() {
        let size = 30
        var matrix = [Double](repeating: 0, count: size * size)
        for row in 0..<size {
            matrix[row * size + row] = 2
            if row > 0 {
                matrix[row * size + row - 1] = -1
                matrix[(row - 1) * size + row] = -1
            }
        }
        // For n = 4 the cosines are halves of the golden ratio and of its inverse.
        let small = SymmetricEigenvectors(of: [2, -1, 0, 0, -1, 2, -1, 0, 0, -1, 2, -1, 0, 0, -1, 2], size: 4)
        let golden = (1 + 5.0.squareRoot()) / 2
        for (value, expected) in zip(small.values, [2 + golden, 1 + golden, 3 - golden, 2 - golden]) {
            #expect(abs(value - expected) < 1e-14)
        }
        let found = SymmetricEigenvectors(of: matrix, size: size)
        #expect(abs(found.values.reduce(0, +) - Double(2 * size)) < 1e-12)
        // The product of all is the determinant, n + 1.
        #expect(abs(found.values.reduce(1, *) - Double(size + 1)) < 1e-9)
    }

    @Test func zerosAndRepeatedValues() {
        let zeros = SymmetricEigenvectors(of: [Double](repeating: 0, count: 9), size: 3)
        #expect(zeros.values == [0, 0, 0])
        let identity = SymmetricEigenvectors(of: [1, 0, 0, 0, 1, 0, 0, 0, 1], size: 3)
        #expect(identity.values == [1, 1, 1])
        #expect(SymmetricEigenvectors(of: [], size: 0).values.isEmpty)
    }

    @Test func aFactorSolvesItsEquations() {
        let size = 20
        var matrix = [Double](repeating: 0, count: size * size)
        let half = symmetric(size, rank: 20, seed: 9)
        for row in 0..<size {
            for column in 0..<size {
                matrix[row * size + column] =
                    (0..<size).reduce(row == column ? 0.1 : 0) { $0 + half[row * size + $1] * half[column * size + $1] }
            }
        }
        let cholesky = Cholesky(matrix, size: size)
        let right = (0..<size).map { Double($0) - 7 }
        let whole = cholesky.solve(right)
        let transposed = cholesky.solveTransposed(right)
        for row in 0..<size {
            let product = (0..<size).reduce(0) { $0 + matrix[row * size + $1] * whole[$1] }
            #expect(abs(product - right[row]) < 1e-6)
            let part = (row..<size).reduce(0) { $0 + cholesky.factor[$1 * size + row] * transposed[$1] }
            #expect(abs(part - right[row]) < 1e-8)
        }
    }
}
