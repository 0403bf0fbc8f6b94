import MafinNumerics

/// A map from the vectors of one black box to those of another, of any two dimensions: `x ↦ unit(r(unit(W x + b)))`.
///
/// r is the residual of the two-layer form and the identity in all others. Drift-Adapter (arXiv 2509.23471) compares
/// these forms, which it trains by gradient descent. Here all but the two-layer form are closed.
public struct VectorMap: Sendable, Equatable {
    /// The forms, the simplest first.
    public enum Form: String, Sendable, Codable, CaseIterable {
        /// Orthogonal Procrustes (Schönemann 1966). W has orthonormal rows or columns, and b is 0.
        case procrustes
        /// An affine map whose W has a low rank: ridge regression reduced to the rank that fits best (Izenman 1975;
        /// Mukherjee and Zhu 2011).
        case lowRank = "low-rank"
        /// An affine map by ridge regression (Hoerl and Kennard 1970).
        case ridge
        /// A ridge map, and a residual of two layers trained on the cosine: `x + W₂ relu(W₁ x)`.
        case twoLayer = "two-layer"
    }

    /// The form.
    public let form: Form
    /// W, `(outputDimension, inputDimension)`.
    let matrix: Matrix
    /// b, of ``outputDimension`` numbers.
    let offset: [Float]
    /// r; `nil` for the identity.
    let residual: Adapter?

    /// Columns of the vectors that it takes.
    public var inputDimension: Int { matrix.columns }
    /// Columns of the vectors that it gives.
    public var outputDimension: Int { matrix.rows }

    /// Applies the map. The result has unit rows, `(vectors.rows, outputDimension)`.
    /// - Parameter vectors: unit rows of ``inputDimension`` columns.
    /// - Complexity: O(rows × inputDimension × outputDimension).
    public func callAsFunction(_ vectors: Matrix) -> Matrix {
        precondition(vectors.columns == inputDimension, "\(vectors.columns) columns for a map of \(inputDimension)")
        let linear = affine(vectors)
        return residual.map { $0(linear) } ?? linear
    }

    /// `unit(W x + b)`.
    private func affine(_ vectors: Matrix) -> Matrix {
        var result = Matrix.multiply(vectors, transposed: matrix)
        let offset = offset
        result.forEachRow { _, values in
            for index in values.indices { values[index] += offset[index] }
        }
        return result.normalizedRows().matrix
    }

    // MARK: Fits

    /// Orthogonal Procrustes: the W with orthonormal rows or columns that maximises `Σ_i y_i · W x_i`. For equal
    /// dimensions it also minimises `Σ_i ‖W x_i − y_i‖²`.
    /// - Parameters:
    ///   - x: unit rows of the old model, `(pairs, inputDimension)`.
    ///   - y: unit rows of the new model, `(pairs, outputDimension)`.
    static func procrustes(from x: Matrix, to y: Matrix) -> VectorMap {
        VectorMap(
            form: .procrustes, matrix: Matrix.multiply(transposed: y, x).polarFactor(),
            offset: [Float](repeating: 0, count: y.columns), residual: nil)
    }

    /// The sums over pairs that all affine maps of the same pairs share.
    struct Moments {
        /// Means of the columns.
        let (x, y): ([Double], [Double])
        /// `Xᵀ X` of the centred rows, `(input, input)`.
        let inputs: Matrix
        /// `Yᵀ X` of the centred rows, `(output, input)`.
        let cross: Matrix

        init(from x: Matrix, to y: Matrix) {
            precondition(x.rows == y.rows && x.rows > 0, "\(x.rows) rows against \(y.rows)")
            let (centredX, meanX) = Self.centred(x)
            let (centredY, meanY) = Self.centred(y)
            (self.x, self.y) = (meanX, meanY)
            inputs = Matrix.multiply(transposed: centredX, centredX)
            cross = Matrix.multiply(transposed: centredY, centredX)
        }

        private static func centred(_ matrix: Matrix) -> (Matrix, [Double]) {
            var means = [Double](repeating: 0, count: matrix.columns)
            for row in 0..<matrix.rows {
                for (column, value) in matrix.row(row).enumerated() { means[column] += Double(value) }
            }
            for column in means.indices { means[column] /= Double(matrix.rows) }
            var result = matrix
            let shift = means.map(Float.init)
            result.forEachRow { _, values in
                for column in values.indices { values[column] -= shift[column] }
            }
            return (result, means)
        }
    }

    /// Ridge regression: minimises `Σ_i ‖W x_i + b − y_i‖² + μ ‖W‖²`, with μ = `strength` times the mean of the
    /// diagonal of `Xᵀ X`, so that a strength means the same for any number of pairs.
    /// - Complexity: O(input³ / 3 + output × input²).
    static func ridge(_ moments: Moments, strength: Double) -> VectorMap {
        let size = moments.inputs.columns
        var gram = moments.inputs.values.map(Double.init)
        let mean = (0..<size).reduce(0) { $0 + gram[$1 * (size + 1)] } / Double(size)
        let penalty = max(strength * mean, .leastNormalMagnitude)
        for index in 0..<size { gram[index * (size + 1)] += penalty }
        let solved = Cholesky(gram, size: size).solve(rows: moments.cross.values.map(Double.init))
        return affine(
            .ridge, Matrix(rows: moments.cross.rows, columns: size, values: solved.map(Float.init)), moments)
    }

    /// The best map of the given rank for the same objective as a ridge map: `Qᵀ Q W`, where the rows of Q are the
    /// leading eigenvectors of `W Xᵀ Y`.
    /// - Parameter ridge: from ``ridge(_:strength:)`` with the same moments.
    static func lowRank(_ moments: Moments, ridge: VectorMap, rank: Int) -> VectorMap {
        let directions = Matrix.multiply(ridge.matrix, transposed: moments.cross).leadingDirections(rank)
        let reduced = Matrix.multiply(transposed: directions, Matrix.multiply(directions, ridge.matrix))
        return affine(.lowRank, reduced, moments)
    }

    /// The offset that takes the mean of the old rows to the mean of the new ones.
    private static func affine(_ form: Form, _ matrix: Matrix, _ moments: Moments) -> VectorMap {
        let offset = (0..<matrix.rows).map { row in
            Float(moments.y[row] - zip(matrix.row(row), moments.x).reduce(0) { $0 + Double($1.0) * $1.1 })
        }
        return VectorMap(form: form, matrix: matrix, offset: offset, residual: nil)
    }

    /// Trains a residual of two layers behind an affine map, by AdamW on `1 − cosine`.
    /// - Parameters:
    ///   - hidden: units of the hidden layer.
    ///   - epochs: passes over the pairs.
    ///   - afterEpoch: gets the map after each pass; returns `false` to end the training.
    static func twoLayer(
        after linear: VectorMap, from x: Matrix, to y: Matrix, hidden: Int = 256, epochs: Int, seed: UInt64,
        afterEpoch: (_ epoch: Int, VectorMap) throws -> Bool
    ) rethrows -> VectorMap {
        let inputs = linear.affine(x)
        var adapter = Adapter(shape: .twoLayer(hidden: hidden), dimension: y.columns, seed: seed)
        var optimizer = AdamW(count: adapter.parameterCount)
        var generator = RandomGenerator(seed: RandomGenerator.mix(seed))
        func map() -> VectorMap {
            VectorMap(form: .twoLayer, matrix: linear.matrix, offset: linear.offset, residual: adapter)
        }
        for epoch in 1...max(1, epochs) {
            let order = (0..<x.rows).shuffled(using: &generator)
            for start in stride(from: 0, to: order.count, by: 128) {
                let rows = Array(order[start..<min(start + 128, order.count)])
                let pass = adapter.forward(inputs.selecting(rows: rows))
                var gradient = y.selecting(rows: rows)
                gradient.scale(by: -1 / Float(rows.count))
                var total = [Float](repeating: 0, count: adapter.parameterCount)
                adapter.backward(gradient: gradient, pass: pass, into: &total)
                optimizer.update(&adapter.weights, gradient: total, learningRate: 1e-3)
            }
            if try !afterEpoch(epoch, map()) { break }
        }
        return map()
    }
}
