extension Matrix {
    /// The orthogonal polar factor: U Vᵀ for the singular value decomposition `U S Vᵀ` of this matrix.
    ///
    /// Of all matrices of this shape whose singular values are at most 1, it has the largest inner product with this one.
    /// A square or wide result has orthonormal rows, a tall one has orthonormal columns. Directions whose singular value
    /// is below about 1e-5 of the largest are shrunk towards 0 and not turned into noise.
    ///
    /// The iteration of Newton and Schulz, `X ← X (3 I − Xᵀ X) / 2` (Higham 2008, "Functions of Matrices", section 8.3).
    /// It needs matrix products alone.
    /// - Complexity: at most 26 times two products, O(rows × columns × min(rows, columns)) each.
    package func polarFactor() -> Matrix {
        let largest = largestSingularValue()
        guard largest > 0, largest.isFinite else { return self }
        var x = self
        x.scale(by: 1 / largest)
        let side = min(rows, columns)
        // A step multiplies small singular values by 1.5, rounding errors too, so their number is bounded.
        for _ in 0..<26 {
            var gram = rows <= columns ? Matrix.multiply(x, transposed: x) : Matrix.multiply(transposed: x, x)
            var distance: Float = 0
            for row in 0..<side {
                for column in 0..<side {
                    let target: Float = row == column ? 1 : 0
                    distance = max(distance, abs(gram[row, column] - target))
                    gram[row, column] = 1.5 * target - 0.5 * gram[row, column]
                }
            }
            if distance < 1e-6 { break }
            x = rows <= columns ? Matrix.multiply(gram, x) : Matrix.multiply(x, gram)
        }
        return x
    }

    /// An estimate of the largest singular value by 30 steps of the power method. It is never too large but for rounding.
    private func largestSingularValue() -> Float {
        var generator = RandomGenerator(seed: 1)
        var vector = Matrix(rows: 1, columns: columns, values: (0..<columns).map { _ in generator.normal() })
            .normalizedRows().matrix
        var length: Float = 0
        for _ in 0..<30 {
            let image = Matrix.multiply(vector, transposed: self)
            let (unit, norms) = Matrix.multiply(image, self).normalizedRows()
            guard let norm = norms.first, norm > 0 else { return length }
            (vector, length) = (unit, norm.squareRoot())
        }
        return length
    }

    /// Orthonormal rows that span the leading eigenvectors of this symmetric matrix without negative eigenvalues,
    /// `(count, columns)`. They are in no particular order.
    ///
    /// Orthogonal iteration (Golub and Van Loan 2013, section 8.2.4), 12 steps. If the eigenvalues before and after the
    /// cut are close, the span is one of nearly the same weight.
    /// - Complexity: O(count × columns²) a step.
    package func leadingDirections(_ count: Int, seed: UInt64 = 1) -> Matrix {
        precondition(rows == columns && count <= rows, "\(count) directions of \(rows) × \(columns)")
        var generator = RandomGenerator(seed: seed)
        var basis = Matrix(rows: count, columns: columns, values: (0..<count * columns).map { _ in generator.normal() })
        basis.orthonormalizeRows()
        for _ in 0..<12 {
            basis = Matrix.multiply(basis, self)
            basis.orthonormalizeRows()
        }
        return basis
    }

    /// Makes the rows orthonormal, from the first to the last. A row that depends on earlier ones becomes 0.
    private mutating func orthonormalizeRows() {
        let (rows, columns) = (rows, columns)
        values.withUnsafeMutableBufferPointer { values in
            for row in 0..<rows {
                let own = UnsafeMutableBufferPointer(rebasing: values[row * columns..<(row + 1) * columns])
                let before = Matrix.normalize(own)
                guard before > 0, before.isFinite else { continue }
                // Twice, because the first pass leaves rounding errors of the size of what it removed.
                for _ in 0..<2 {
                    for other in 0..<row {
                        let done = UnsafeMutableBufferPointer(rebasing: values[other * columns..<(other + 1) * columns])
                        var sums = SIMD8<Float>()
                        var k = 0
                        while k + 8 <= columns {
                            let (a, b) = (UnsafeRawBufferPointer(own), UnsafeRawBufferPointer(done))
                            sums.addProduct(
                                a.loadUnaligned(fromByteOffset: 4 * k, as: SIMD8<Float>.self),
                                b.loadUnaligned(fromByteOffset: 4 * k, as: SIMD8<Float>.self))
                            k += 8
                        }
                        var along = sums.sum()
                        while k < columns {
                            along += own[k] * done[k]
                            k += 1
                        }
                        for k in 0..<columns { own[k] -= along * done[k] }
                    }
                }
                var length: Float = 0
                for value in own { length += value * value }
                if length < 1e-10 { own.update(repeating: 0) } else { Matrix.normalize(own) }
            }
        }
    }
}
