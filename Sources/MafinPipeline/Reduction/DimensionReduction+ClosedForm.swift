import MafinNumerics

extension DimensionReduction {
    /// The share of documents in the second moments of queries. It keeps directions in which few training queries point.
    package static let documentShare: Float = 0.3

    /// At most this many documents are read, evenly spaced: second moments need no more.
    private static let sampledDocuments = 20_000

    /// The maps that change the products of queries and documents least: they minimise `E (⟨q, d⟩ − ⟨B q, A d⟩)²` over
    /// independent queries and documents.
    ///
    /// With the second moments `Σ_q = L Lᵀ` and Σ_d the error is `‖Lᵀ (I − Bᵀ A) L_d‖²`, so that the best `Bᵀ A` comes from
    /// the singular vectors of `Lᵀ L_d` (Eckart and Young 1936). These are the eigenvectors U of `Lᵀ Σ_d L`:
    /// `A = Uᵀ Lᵀ` and `B = Uᵀ L⁻¹`. A principal component analysis of the documents alone would keep the directions in
    /// which documents differ, and not those that queries ask for.
    ///
    /// Dimension i of both is scaled so that documents and queries have the same spread in it, the root of the eigenvalue: a
    /// store that rounds numbers to int8 then loses least. The first K dimensions are those of a reduction to K. In all,
    /// documents keep their mean squared length.
    /// - Parameters:
    ///   - dimension: N, in 1…columns.
    ///   - documents: joined document vectors, `(documents, columns)`.
    ///   - queries: joined query vectors with the weights, `(queries, columns)`; may be empty.
    ///   - columnWeights: the weight that queries have in each column. With it documents stand for queries that no label
    ///     shows.
    /// - Complexity: O(columns² · (documents + queries + columns)).
    package static func closedForm(
        to dimension: Int, documents: Matrix, queries: Matrix, columnWeights: [Float]
    ) -> DimensionReduction {
        let columns = documents.columns
        precondition((1...max(1, columns)).contains(dimension), "\(dimension) of \(columns) dimensions")
        let step = max(1, (documents.rows + sampledDocuments - 1) / sampledDocuments)
        let ofDocuments = secondMoments(
            step == 1
                ? documents : documents.selecting(rows: Array(stride(from: 0, to: documents.rows, by: step))))
        let moments = queryMoments(queries, ofDocuments, columnWeights)
        let cholesky = Cholesky(moments, size: columns)

        // L without the rest of the factor's storage.
        var factor = Matrix(rows: columns, columns: columns)
        for row in 0..<columns {
            for column in 0...row { factor[row, column] = Float(cholesky.factor[row * columns + column]) }
        }
        let product = Matrix.multiply(transposed: factor, Matrix.multiply(ofDocuments, factor))
        var symmetric = [Double](repeating: 0, count: columns * columns)
        for row in 0..<columns {
            for column in 0..<columns {
                symmetric[row * columns + column] = (Double(product[row, column]) + Double(product[column, row])) / 2
            }
        }
        let eigen = SymmetricEigenvectors(of: symmetric, size: columns)
        let vectors = eigen.vectors
        let kept = Matrix(
            rows: dimension, columns: columns, values: vectors[..<(dimension * columns)].map { Float($0) })
        var forDocuments = Matrix.multiply(kept, transposed: factor)
        var forQueries = Matrix(rows: dimension, columns: columns)
        forQueries.forEachRow { row, values in
            let solved = cholesky.solveTransposed(Array(vectors[row * columns..<(row + 1) * columns]))
            for column in values.indices { values[column] = Float(solved[column]) }
        }
        // Uᵀ Lᵀ gives documents the second moments λ, and Uᵀ L⁻¹ gives queries 1. Both get √λ times a common factor.
        let least = max(eigen.values[0] * 1e-12, .leastNormalMagnitude)
        let spreads = eigen.values[..<dimension].map { max($0, least).squareRoot() }
        let before = (0..<columns).reduce(0) { $0 + Double(ofDocuments[$1, $1]) }
        let common = before > 0 ? (before / spreads.reduce(0, +)).squareRoot() : 1
        for (row, spread) in spreads.enumerated() {
            let scale = Float(common / spread.squareRoot())
            for column in 0..<columns {
                forDocuments[row, column] *= scale
                forQueries[row, column] /= scale
            }
        }
        return DimensionReduction(documents: forDocuments, queries: forQueries)
    }

    /// `Xᵀ X / rows`.
    private static func secondMoments(_ rows: Matrix) -> Matrix {
        var moments = Matrix.multiply(transposed: rows, rows)
        moments.scale(by: 1 / Float(max(1, rows.rows)))
        return moments
    }

    /// Σ_q: the moments of the queries, mixed with those of documents that are weighted as queries are. A small multiple
    /// of the identity makes it positive definite.
    private static func queryMoments(_ queries: Matrix, _ documents: Matrix, _ weights: [Float]) -> [Double] {
        let columns = documents.columns
        func trace(_ values: (Int) -> Double) -> Double { (0..<columns).reduce(0) { $0 + values($1) } }
        let own = secondMoments(queries)
        let ofOwn = queries.rows > 0 ? trace { Double(own[$0, $0]) } : 0
        let ofDocuments = trace { Double(weights[$0] * weights[$0] * documents[$0, $0]) }
        let share = ofOwn > 0 ? Double(documentShare) : 1
        let factor = ofDocuments > 0 ? share * (ofOwn > 0 ? ofOwn : ofDocuments) / ofDocuments : 0
        let ridge = 1e-8 * max(ofOwn, ofDocuments, .leastNormalMagnitude) / Double(columns)
        var moments = [Double](repeating: 0, count: columns * columns)
        for row in 0..<columns {
            for column in 0..<columns {
                let asQueries = Double(weights[row] * weights[column] * documents[row, column])
                moments[row * columns + column] =
                    (ofOwn > 0 ? (1 - share) * Double(own[row, column]) : 0) + factor * asQueries
                    + (row == column ? ridge : 0)
            }
        }
        return moments
    }
}
