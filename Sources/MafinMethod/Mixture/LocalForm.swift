import MafinNumerics

/// How the local encoder's rows are prepared before they are compared.
public enum LocalForm: Sendable, Codable, Hashable {
    /// Rows are divided by their length.
    case unit
    /// The norm form of λ-Mafin (arXiv 2402.12177), in which the length of a local vector acts as its weight. A row e
    /// becomes `u = c e / √(1 + c²‖e‖²)`, and the black box's unit row beside it is multiplied by
    /// `w = 1 / √(1 + c²‖e‖²)`. The joined row `[w e_bb ; u]` has unit length.
    case norm(factor: Float)
}

/// Rows of the local encoder, ready to be compared by inner product.
public struct LocalRows: Sendable {
    /// The rows u: unit length, or shorter in the norm form.
    public var vectors: Matrix
    /// For each row the weight w that multiplies the black box's row in the norm form. Empty in the unit form.
    public var weights: [Float]

    /// Rows that are ready to be compared.
    /// - Parameters:
    ///   - weights: one per row in the norm form; empty in the unit form.
    public init(vectors: Matrix, weights: [Float]) {
        precondition(weights.isEmpty || weights.count == vectors.rows, "\(weights.count) weights of rows")
        (self.vectors, self.weights) = (vectors, weights)
    }

    /// The rows in the given order.
    package func selecting(rows: [Int]) -> LocalRows {
        LocalRows(
            vectors: vectors.selecting(rows: rows), weights: weights.isEmpty ? [] : rows.map { weights[$0] })
    }
}

extension LocalForm {
    /// Prepares rows as the encoder emits them for comparison by inner product.
    /// - Parameter embeddings: `(count, dimension)`, not normalised.
    public func prepare(_ embeddings: Matrix) -> LocalRows {
        prepareKeeping(embeddings).rows
    }

    /// The same for rows that have not been checked yet.
    /// - Parameter ids: one per row, for error messages; may be empty.
    /// - Throws: ``CombinationError`` for the first row that is not finite and, in the unit form, for the first row
    ///   that is all zeros.
    package func prepare(checking embeddings: Matrix, ids: [String]) throws -> LocalRows {
        switch self {
        case .unit:
            return LocalRows(vectors: try UnitRows.make(embeddings, source: .local, ids: ids), weights: [])
        case .norm:
            try UnitRows.requireFinite(embeddings, source: .local, ids: ids)
            return prepare(embeddings)
        }
    }

    /// The same, with the norms of the rows, which ``backward(gradient:weightGradient:embeddings:prepared:norms:)`` needs.
    func prepareKeeping(_ embeddings: Matrix) -> (rows: LocalRows, norms: [Float]) {
        let (unit, norms) = embeddings.normalizedRows()
        switch self {
        case .unit:
            return (LocalRows(vectors: unit, weights: []), norms)
        case .norm(let factor):
            // u = (c‖e‖ / √(1 + c²‖e‖²)) ê: the same direction, shorter.
            var vectors = unit
            var weights = [Float](repeating: 0, count: norms.count)
            for row in 0..<norms.count {
                let length = factor * norms[row]
                weights[row] = 1 / (1 + length * length).squareRoot()
                let scale = length * weights[row]
                for index in row * unit.columns..<(row + 1) * unit.columns { vectors.values[index] *= scale }
            }
            return (LocalRows(vectors: vectors, weights: weights), norms)
        }
    }

    /// ∂L/∂e from ∂L/∂u and, in the norm form, ∂L/∂w.
    ///
    /// Unit: `(g − (g · ê) ê) / ‖e‖`. Norm, with w = (1 + c²‖e‖²)^(−½): `c w g − c² w² (g · u + w g_w) e`, where `u = c w e`.
    /// - Parameters:
    ///   - gradient: ∂L/∂u, `(count, dimension)`.
    ///   - weightGradient: ∂L/∂w, `(count)`; not read in the unit form.
    ///   - prepared: the result of ``prepareKeeping(_:)`` for `embeddings`.
    func backward(
        gradient: Matrix, weightGradient: [Float], embeddings: Matrix, prepared: LocalRows, norms: [Float]
    ) -> Matrix {
        switch self {
        case .unit:
            return Matrix.normalizedRowsBackward(gradient: gradient, unit: prepared.vectors, norms: norms)
        case .norm(let factor):
            var result = gradient
            let columns = gradient.columns
            for row in 0..<gradient.rows {
                let weight = prepared.weights[row]
                var along: Float = 0
                for column in 0..<columns { along += gradient[row, column] * prepared.vectors[row, column] }
                let radial = weight * weight * factor * factor * (along + weight * weightGradient[row])
                for index in row * columns..<(row + 1) * columns {
                    result.values[index] = factor * weight * gradient.values[index] - radial * embeddings.values[index]
                }
            }
            return result
        }
    }
}
