import MafinNumerics

/// How both halves become one vector, and so one score.
///
/// The inner product of a joined query and a joined document is the mixed score
/// `s = (1−λ) s_bb + λ s_θ` of the halves' cosines (METHOD, "The pieces"; λ = ½ is the Mafin of arXiv 2402.12177).
/// λ = 0 reproduces the ranking of the black box exactly, λ = 1 that of the local encoder.
public enum Combination: Sendable, Hashable {
    /// `[√(1−λ) e_bb ; √λ e_θ]` on both sides. Unit length, so that it also compares documents with documents; a change
    /// of λ changes the index.
    case symmetric(lambda: Float)
    /// Documents `[d_bb ; d_θ]`, all of length √2, so that cosine and inner product rank alike; queries
    /// `[(1−λ) q_bb ; λ q_θ]`. λ may change, even by query, without touching the index.
    case querySided(lambda: Float)
    /// `[e_bb ; c e_θ] / √(1 + c² ‖e_θ‖²)` with e_θ as the encoder emits it, not normalised: its length is a weight that each text has
    /// for itself. Unit length. c is constant.
    case norm(localFactor: Float)

    /// λ; `nil` where each text has a weight of its own.
    public var lambda: Float? {
        switch self {
        case .symmetric(let lambda), .querySided(let lambda): lambda
        case .norm: nil
        }
    }

    /// The length of joined vectors: documents of the query-sided form have √2, its queries √((1−λ)² + λ²), all others 1.
    public func length(of side: RetrievalSide) -> Float {
        guard case .querySided(let lambda) = self else { return 1 }
        return side == .document ? Float(2).squareRoot() : ((1 - lambda) * (1 - lambda) + lambda * lambda).squareRoot()
    }

    /// Joined vectors, `(rows, blackBox.columns + local.columns)`, the black box's half first.
    ///
    /// Both halves are given as they come; each row is made unit length by its own norm (``UnitRows``), but for the local
    /// half of ``norm(localFactor:)``.
    /// - Parameters:
    ///   - blackBox: one row a text.
    ///   - local: one row a text, in the same order.
    ///   - side: what the texts are.
    ///   - ids: one a row, named in errors; may be empty.
    /// - Throws: ``CombinationError`` for different row counts, and for the first row that is all zeros or not finite.
    /// - Complexity: O(rows · columns).
    public func join(blackBox: Matrix, local: Matrix, as side: RetrievalSide, ids: [String] = []) throws -> Matrix {
        guard blackBox.rows == local.rows else {
            throw CombinationError.rowCount(blackBox: blackBox.rows, local: local.rows)
        }
        guard ids.isEmpty || ids.count == local.rows else {
            throw CombinationError.identifierCount(rows: local.rows, ids: ids.count)
        }
        validate()
        let unit = try UnitRows.make(blackBox, source: .blackBox, ids: ids)
        switch self {
        case .symmetric(let lambda):
            let weights = ((1 - lambda).squareRoot(), lambda.squareRoot())
            return concatenated(unit, try UnitRows.make(local, source: .local, ids: ids)) { _ in weights }
        case .querySided(let lambda):
            let weights: (Float, Float) = side == .document ? (1, 1) : (1 - lambda, lambda)
            return concatenated(unit, try UnitRows.make(local, source: .local, ids: ids)) { _ in weights }
        case .norm(let factor):
            var weights: [Float] = []
            weights.reserveCapacity(local.rows)
            for row in 0..<local.rows {
                var sum: Double = 0
                for value in local.row(row) { sum += Double(value) * Double(value) }
                guard sum.isFinite else {
                    let column = local.row(row).firstIndex { !$0.isFinite } ?? row * local.columns
                    throw CombinationError.notFinite(
                        source: .local, row: row, column: column - row * local.columns, id: ids.isEmpty ? nil : ids[row]
                    )
                }
                weights.append(Float(1 / (1 + Double(factor) * Double(factor) * sum).squareRoot()))
            }
            return concatenated(unit, local) { (weights[$0], factor * weights[$0]) }
        }
    }

    /// Joined queries where the black box does not answer: its half is zeros, and the ranking that of the local encoder alone.
    ///
    /// Works against every index of this combination. Lengths are those of the local half.
    /// - Parameters:
    ///   - local: one row a query.
    ///   - blackBoxDimension: columns of the black box's half.
    /// - Throws: ``CombinationError`` for the first row that is all zeros or not finite.
    public func joinQueries(localOnly local: Matrix, blackBoxDimension: Int, ids: [String] = []) throws -> Matrix {
        validate()
        let unit = try UnitRows.make(local, source: .local, ids: ids)
        return concatenated(Matrix(rows: local.rows, columns: blackBoxDimension), unit) { _ in (0, 1) }
    }

    private func validate() {
        switch self {
        case .symmetric(let lambda), .querySided(let lambda):
            precondition((0...1).contains(lambda), "λ = \(lambda) is not in 0…1")
        case .norm(let factor):
            precondition(factor > 0 && factor.isFinite, "the factor \(factor) of the local half is not above zero")
        }
    }

    private func concatenated(
        _ left: Matrix, _ right: Matrix, weights: (Int) -> (left: Float, right: Float)
    ) -> Matrix {
        let width = left.columns + right.columns
        var joined = Matrix(rows: left.rows, columns: width)
        joined.values.withUnsafeMutableBufferPointer { joined in
            left.values.withUnsafeBufferPointer { leftValues in
                right.values.withUnsafeBufferPointer { rightValues in
                    for row in 0..<left.rows {
                        let weight = weights(row)
                        for column in 0..<left.columns {
                            joined[row * width + column] = weight.left * leftValues[row * left.columns + column]
                        }
                        for column in 0..<right.columns {
                            joined[row * width + left.columns + column] =
                                weight.right * rightValues[row * right.columns + column]
                        }
                    }
                }
            }
        }
        return joined
    }
}

/// Stored as `{"form": "symmetric", "lambda": 0.5}`, `{"form": "query-sided", …}` or `{"form": "norm", "localFactor": 1}`.
extension Combination: Codable {
    private enum CodingKeys: String, CodingKey { case form, lambda, localFactor }

    /// Reads the form and its number, and checks its range.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func lambda() throws -> Float {
            let value = try container.decode(Float.self, forKey: .lambda)
            guard (0...1).contains(value) else {
                throw DecodingError.dataCorruptedError(
                    forKey: .lambda, in: container, debugDescription: "expected a λ in 0…1, found \(value)")
            }
            return value
        }
        switch try container.decode(String.self, forKey: .form) {
        case "symmetric": self = .symmetric(lambda: try lambda())
        case "query-sided": self = .querySided(lambda: try lambda())
        case "norm":
            let factor = try container.decode(Float.self, forKey: .localFactor)
            guard factor > 0, factor.isFinite else {
                throw DecodingError.dataCorruptedError(
                    forKey: .localFactor, in: container, debugDescription: "expected a factor above 0, found \(factor)")
            }
            self = .norm(localFactor: factor)
        case let form:
            throw DecodingError.dataCorruptedError(
                forKey: .form, in: container,
                debugDescription: "expected symmetric, query-sided or norm, found '\(form)'")
        }
    }

    /// Writes the form and its number.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .symmetric(let lambda):
            try container.encode("symmetric", forKey: .form)
            try container.encode(lambda, forKey: .lambda)
        case .querySided(let lambda):
            try container.encode("query-sided", forKey: .form)
            try container.encode(lambda, forKey: .lambda)
        case .norm(let factor):
            try container.encode("norm", forKey: .form)
            try container.encode(factor, forKey: .localFactor)
        }
    }
}
