import MafinBlackBox
import MafinMethod
import MafinNumerics

/// How the black box and the local encoder are combined into one score and one vector.
///
/// The score is `s = (1−λ) s_bb + λ s_θ`, a weighted sum of both cosines (arXiv 2402.12177, where λ = ½). It equals the
/// inner product of the joined query and the joined document. λ = 0 gives the black box's own ranking and λ = 1 the
/// local encoder's, bit for bit. In the norm form (``MafinMethod/LocalForm/norm(factor:)``) each text has its own
/// weight instead of λ.
public struct Mixture: Sendable, Hashable {
    /// Whether the query vectors alone or the vectors of both sides contain the weights.
    public enum Layout: String, Sendable, Codable, CaseIterable {
        /// Documents are `[d_bb ; d_θ]`, queries are `[(1−λ) q_bb ; λ q_θ]`. All documents have length √2, so cosine
        /// and inner product give the same ranking. λ may differ from query to query without a change of the index.
        case querySided = "query-sided"
        /// Documents and queries are `[√(1−λ) e_bb ; √λ e_θ]`. They have unit length, so documents can be compared with
        /// documents. A different λ needs a different index. The norm form uses this layout too.
        case symmetric
    }

    /// Where the weights come from.
    public enum Origin: String, Sendable, Codable {
        /// Given by the caller, for instance λ = ½ as in the paper.
        case fixed
        /// Fitted to labels by maximum likelihood (``MafinMethod/Calibration``).
        case calibrated
    }

    /// The weights of both scores in the logit.
    public var weights: MixtureWeights
    /// How the local encoder's vectors are prepared.
    public let localForm: LocalForm
    /// Which vectors contain the weights.
    public let layout: Layout
    /// Where the weights come from.
    public var origin: Origin
    /// Standard error of a fitted λ; `nil` if it is not known, or nothing was fitted.
    public var lambdaStandardError: Double?
    /// Number of queries on which the weights were fitted; `nil` if it is not known, or nothing was fitted.
    public var fittedQueries: Int?

    /// A mixture with one λ for all texts.
    public init(
        _ weights: MixtureWeights, layout: Layout = .querySided, origin: Origin = .fixed,
        lambdaStandardError: Double? = nil, fittedQueries: Int? = nil
    ) {
        self.weights = weights
        localForm = .unit
        self.layout = layout
        self.origin = origin
        self.lambdaStandardError = lambdaStandardError
        self.fittedQueries = fittedQueries
    }

    /// A mixture of the norm form: `[e_bb ; c e_θ] / √(1 + c² ‖e_θ‖²)` on both sides.
    /// - Parameters:
    ///   - localFactor: c, above 0.
    ///   - weights: the weights of training. Their temperature was used for the logits. Rankings do not depend on them.
    public init(normForm localFactor: Float, trainedWith weights: MixtureWeights) {
        precondition(localFactor > 0 && localFactor.isFinite, "the local factor \(localFactor) is not above zero")
        self.weights = weights
        localForm = .norm(factor: localFactor)
        layout = .symmetric
        origin = .calibrated
    }

    /// λ; `nil` in the norm form.
    public var lambda: Float? { localForm == .unit ? weights.lambda : nil }

    /// Whether λ can differ from query to query with the same document vectors.
    public var isLambdaFree: Bool { localForm == .unit && layout == .querySided }

    /// The same mixture with another λ, and with the temperature 1.
    /// - Precondition: not the norm form.
    public func with(lambda: Float) -> Mixture {
        precondition(localForm == .unit, "the norm form has no λ")
        return Mixture(MixtureWeights(lambda: lambda), layout: layout)
    }

    /// The weights for ranking: 1−λ and λ. Both are 1 in the norm form, whose vectors contain the weights.
    package var rankingWeights: MixtureWeights {
        lambda.map { MixtureWeights(lambda: $0) } ?? MixtureWeights(blackBox: 1, local: 1)
    }
}

// MARK: Joined vectors

extension Mixture {
    /// Joined vectors, `(rows, blackBox.columns + local.columns)`. The black box's part comes first.
    ///
    /// Rows may have any length above 0. They are scaled to unit length (``MafinMethod/UnitRows``), except for the
    /// local part of the norm form, whose rows may also be all zeros.
    /// - Parameters:
    ///   - blackBox, local: one row per text, in the same order.
    ///   - ids: one per row, for error messages; may be empty.
    /// - Throws: `CombinationError` if the numbers of rows differ, and for the first row that is all zeros or not
    ///   finite.
    /// - Complexity: O(rows · columns).
    public func join(blackBox: Matrix, local: Matrix, as role: TextRole, ids: [String] = []) throws -> Matrix {
        guard blackBox.rows == local.rows else {
            throw CombinationError.rowCount(blackBox: blackBox.rows, local: local.rows)
        }
        let unit = try UnitRows.make(blackBox, source: .blackBox, ids: ids)
        let rows = try localForm.prepare(checking: local, ids: ids)
        let factors = factors(of: role)
        return Self.concatenated(unit, rows.vectors, localFactor: factors.local) { row in
            rows.weights.isEmpty ? factors.blackBox : rows.weights[row]
        }
    }

    /// Joined queries without the black box's vectors, `(rows, blackBoxDimension + local.columns)`. Its part is zeros,
    /// and the local part has unit length.
    ///
    /// They can be compared with all joined documents of this mixture. With one λ for all texts the ranking is the
    /// local encoder's own. In the norm form it is not, because the local part of a document has the length
    /// `c‖d‖ / √(1 + c²‖d‖²)`. Of two documents with equal cosine, the one with the longer local vector ranks first.
    /// - Parameters:
    ///   - local: one row per query.
    ///   - blackBoxDimension: number of columns of the black box's part.
    /// - Throws: `CombinationError` for the first row that is all zeros or not finite.
    public func joinQueries(localOnly local: Matrix, blackBoxDimension: Int, ids: [String] = []) throws -> Matrix {
        let unit = try UnitRows.make(local, source: .local, ids: ids)
        return Self.concatenated(Matrix(rows: local.rows, columns: blackBoxDimension), unit, localFactor: 1) { _ in 0 }
    }

    /// The factors of both parts of joined vectors of one side.
    private func factors(of role: TextRole) -> (blackBox: Float, local: Float) {
        guard let lambda else { return (1, 1) }
        return switch (layout, role) {
        case (.symmetric, _): ((1 - lambda).squareRoot(), lambda.squareRoot())
        case (.querySided, .query): (1 - lambda, lambda)
        case (.querySided, .document): (1, 1)
        }
    }

    private static func concatenated(
        _ left: Matrix, _ right: Matrix, localFactor: Float, blackBoxFactor: @Sendable (Int) -> Float
    ) -> Matrix {
        var joined = Matrix(rows: left.rows, columns: left.columns + right.columns)
        joined.forEachRow(grain: 64) { row, joined in
            copy(left.row(row), times: blackBoxFactor(row), to: joined[..<left.columns])
            copy(right.row(row), times: localFactor, to: joined[left.columns...])
        }
        return joined
    }

    private static func copy(
        _ row: ArraySlice<Float>, times factor: Float, to target: Slice<UnsafeMutableBufferPointer<Float>>
    ) {
        let target = UnsafeMutableBufferPointer(rebasing: target)
        row.withUnsafeBufferPointer { row in
            if factor == 1 {
                _ = target.update(fromContentsOf: row)
            } else {
                for index in row.indices { target[index] = factor * row[index] }
            }
        }
    }
}

// MARK: Storage

/// Stored as `{"layout": "query-sided", "weights": {"blackBox": …, "local": …}, "origin": "calibrated", …}`. The norm
/// form has `"localFactor"` instead of `"layout"`. Artefacts of format 1 can be read too; they also stored λ.
extension Mixture: Codable {
    private enum CodingKeys: String, CodingKey {
        case layout, localFactor, weights, origin, lambdaStandardError, fittedQueries
    }

    private enum Format1Keys: String, CodingKey { case combination, lambdaForm, scale, lambdaStandardError }

    private enum CombinationKeys: String, CodingKey { case form, lambda, localFactor }

    /// Reads a mixture of format 1 or 2 and checks its numbers.
    public init(from decoder: any Decoder) throws {
        let old = try decoder.container(keyedBy: Format1Keys.self)
        if old.contains(.combination) {
            try self.init(format1: old)
            return
        }
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let weights = try container.decode(MixtureWeights.self, forKey: .weights)
        if container.contains(.localFactor) {
            self.init(normForm: try Self.localFactor(in: container, forKey: .localFactor), trainedWith: weights)
        } else {
            self.init(weights, layout: try container.decode(Layout.self, forKey: .layout))
        }
        origin = try container.decode(Origin.self, forKey: .origin)
        lambdaStandardError = try container.decodeIfPresent(Double.self, forKey: .lambdaStandardError)
        fittedQueries = try container.decodeIfPresent(Int.self, forKey: .fittedQueries)
    }

    private init(format1 container: KeyedDecodingContainer<Format1Keys>) throws {
        let weights = try container.decode(MixtureWeights.self, forKey: .scale)
        let combination = try container.nestedContainer(keyedBy: CombinationKeys.self, forKey: .combination)
        let form = try combination.decode(String.self, forKey: .form)
        if form == "norm" {
            self.init(normForm: try Self.localFactor(in: combination, forKey: .localFactor), trainedWith: weights)
            return
        }
        guard let layout = Layout(rawValue: form) else {
            throw DecodingError.dataCorruptedError(
                forKey: .form, in: combination,
                debugDescription: "expected symmetric, query-sided or norm, found '\(form)'")
        }
        let lambda = try combination.decode(Float.self, forKey: .lambda)
        guard abs(lambda - weights.lambda) <= 1e-4 else {
            throw DecodingError.dataCorruptedError(
                forKey: .lambda, in: combination,
                debugDescription: "expected \(weights.lambda) by the scale, found \(lambda)")
        }
        self.init(
            weights, layout: layout,
            origin: try container.decode(String.self, forKey: .lambdaForm) == "fixed" ? .fixed : .calibrated,
            lambdaStandardError: try container.decodeIfPresent(Double.self, forKey: .lambdaStandardError))
    }

    private static func localFactor<Key: CodingKey>(in container: KeyedDecodingContainer<Key>, forKey key: Key) throws
        -> Float
    {
        let factor = try container.decode(Float.self, forKey: key)
        guard factor > 0, factor.isFinite else {
            throw DecodingError.dataCorruptedError(
                forKey: key, in: container, debugDescription: "expected a factor above 0, found \(factor)")
        }
        return factor
    }

    /// Writes the stored properties, and no derived values.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch localForm {
        case .unit: try container.encode(layout, forKey: .layout)
        case .norm(let factor): try container.encode(factor, forKey: .localFactor)
        }
        try container.encode(weights, forKey: .weights)
        try container.encode(origin, forKey: .origin)
        try container.encodeIfPresent(lambdaStandardError, forKey: .lambdaStandardError)
        try container.encodeIfPresent(fittedQueries, forKey: .fittedQueries)
    }
}
