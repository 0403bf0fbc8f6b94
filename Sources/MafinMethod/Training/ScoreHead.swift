import MafinNumerics

/// Computes logits from both scores, and gradients from the logits' gradient:
/// `z_ij = A w_i w_j s_bb(i, j) + B u_i · u_j`.
///
/// The unit form has w = 1, A = a and B = b. The norm form has A = B = 1/τ. If A = 0, the black box's scores are not
/// read.
package struct ScoreHead {
    var scale: MixtureWeights
    var form: LocalForm

    /// A and B, the factors of `w_i w_j s_bb` and of `u_i · u_j`.
    private var factors: MixtureWeights {
        switch form {
        case .unit: scale
        case .norm: MixtureWeights(lambda: 0.5, temperature: scale.temperature / 2)
        }
    }

    /// A, the factor of the black box's score.
    var blackBoxFactor: Float { factors.blackBox }

    /// B, the factor of the local score.
    var localFactor: Float { factors.local }

    /// A logit times `1 / (A + B)` is the mixed score, whose weights add up to 1.
    var mixedScorePerLogit: Float { 1 / (blackBoxFactor + localFactor) }

    /// The part of a forward pass that ``backward(gradient:pass:queries:documents:freshColumns:)`` needs.
    package struct Pass {
        /// `(rows, columns)`.
        package var logits: Matrix
        /// u_i · u_j, `(rows, columns)`.
        var local: Matrix
        /// The black box's scores, `(rows, columns)`; `nil` if A = 0.
        var blackBox: Matrix?
    }

    /// - Parameters:
    ///   - queries: one row for each row of the block.
    ///   - documents: one row for each column of the block.
    ///   - blackBox: `(queries, documents)`; `nil` stands for zeros.
    package func forward(queries: LocalRows, documents: LocalRows, blackBox: Matrix?) -> Pass {
        let local = Matrix.multiply(queries.vectors, transposed: documents.vectors)
        guard let blackBox, blackBoxFactor != 0 else {
            return Pass(logits: factors.mix(blackBox: nil, local: local), local: local, blackBox: nil)
        }
        var weighted = blackBox
        if !documents.weights.isEmpty {
            let columns = local.columns
            weighted.values.withUnsafeMutableBufferPointer { values in
                let scores = UnsafeTransfer(values)
                parallelRanges(local.rows) { rows in
                    for row in rows {
                        for column in 0..<columns {
                            scores.value[row * columns + column] *= queries.weights[row] * documents.weights[column]
                        }
                    }
                }
            }
        }
        return Pass(logits: factors.mix(blackBox: weighted, local: local), local: local, blackBox: blackBox)
    }

    /// Gradients of one block.
    struct Gradients {
        /// ∂L/∂u of the queries, `(rows, dimension)`, and ∂L/∂w, `(rows)`, zeros in the unit form.
        var queries: Matrix
        var queryWeights: [Float]
        /// ∂L/∂u of the fresh columns, `(freshColumns, dimension)`, and ∂L/∂w, zeros in the unit form.
        var documents: Matrix
        var documentWeights: [Float]
    }

    /// - Parameters:
    ///   - gradient: ∂L/∂z, `(rows, columns)`.
    ///   - freshColumns: the columns whose rows were encoded with gradient; the others are constants.
    func backward(
        gradient: Matrix, pass: Pass, queries: LocalRows, documents: LocalRows, freshColumns: [Int]
    ) -> Gradients {
        var queryGradient = Matrix.multiply(gradient, documents.vectors)
        queryGradient.scale(by: localFactor)
        let fresh = Self.transposedColumns(freshColumns, of: gradient)
        var documentGradient = Matrix.multiply(fresh, queries.vectors)
        documentGradient.scale(by: localFactor)
        var result = Gradients(
            queries: queryGradient, queryWeights: [Float](repeating: 0, count: gradient.rows),
            documents: documentGradient, documentWeights: [Float](repeating: 0, count: freshColumns.count))
        if case .norm = form, let blackBox = pass.blackBox {
            weightGradients(
                gradient: gradient, blackBox: blackBox, queries: queries, documents: documents,
                freshColumns: freshColumns, into: &result)
        }
        return result
    }

    private func weightGradients(
        gradient: Matrix, blackBox: Matrix, queries: LocalRows, documents: LocalRows, freshColumns: [Int],
        into result: inout Gradients
    ) {
        let factor = blackBoxFactor
        result.queryWeights = parallelMap(gradient.rows) { row in
            var sum: Float = 0
            for column in 0..<gradient.columns {
                sum += gradient[row, column] * blackBox[row, column] * documents.weights[column]
            }
            return factor * sum
        }
        result.documentWeights = parallelMap(freshColumns.count) { position in
            let column = freshColumns[position]
            var sum: Float = 0
            for row in 0..<gradient.rows { sum += gradient[row, column] * blackBox[row, column] * queries.weights[row] }
            return factor * sum
        }
    }

    private static func transposedColumns(_ columns: [Int], of matrix: Matrix) -> Matrix {
        let count = columns.count * matrix.rows
        let values = [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            let target = UnsafeTransfer(buffer)
            // Some columns at a time, since neighbours often lie in one line of the cache.
            parallelRanges(columns.count, grain: 16) { positions in
                for row in 0..<matrix.rows {
                    for position in positions {
                        target.value[position * matrix.rows + row] = matrix[row, columns[position]]
                    }
                }
            }
            initialized = count
        }
        return Matrix(rows: columns.count, columns: matrix.rows, values: values)
    }
}

/// How the scores of black box and local encoder become one logit.
public enum ScoreForm: String, Sendable, Codable {
    /// `z = a · s_bb + b · s_θ`, unit rows, the scale of the start kept: the paper's Mafin at λ = ½, or calibrated.
    case fixed
    /// The same with λ and τ trained together with the encoder (λ-Mafin).
    case learned
    /// The norm form of λ-Mafin, which has no λ: e_θ is not normalised,
    /// `z = (s_bb + c² q · d) / (τ √(1 + c²‖q‖²) √(1 + c²‖d‖²))`, so that the norm of an embedding acts as a weight of
    /// its text. The constant c is chosen so that the start agrees with the λ of the weights.
    case norm
    /// `z = s_θ / τ`: the local encoder trained alone. Joint training has to beat this baseline.
    case localOnly
}
