import MafinBlackBox
import MafinMethod
import MafinNumerics

/// How the scores of an artefact's sources are added, and how their vectors are joined.
///
/// The score is `s(q, d) = Σ_k w_k s_k(q, d)`. With a black box and a local encoder alone it is
/// `(1−λ) s_bb + λ s_θ`, a weighted sum of both cosines (arXiv 2402.12177, where λ = ½). It equals the inner product of
/// the joined query and the joined document, if all sources are dense. λ = 0 gives the black box's own ranking and λ = 1
/// the local encoder's, bit for bit. In the norm form (``MafinMethod/LocalForm/norm(factor:)``) each text has its own
/// weight instead of λ.
public struct Mixture: Sendable, Hashable {
    /// Whether the query vectors alone or the vectors of both sides contain the weights.
    public enum Layout: String, Sendable, Codable, CaseIterable {
        /// Documents are `[d_1 ; d_2 ; …]`, queries are `[w_1 q_1 ; w_2 q_2 ; …]`. All documents have the same length, so
        /// cosine and inner product give the same ranking. Weights may differ from query to query without a change of the
        /// index.
        case querySided = "query-sided"
        /// Documents and queries are `[√(1−λ) e_bb ; √λ e_θ]`. They have unit length, so documents can be compared with
        /// documents. A different λ needs a different index. The norm form uses this layout too.
        case symmetric
    }

    /// Where the weights come from.
    public enum Origin: String, Sendable, Codable {
        /// Given by the caller, for instance λ = ½ as in the paper.
        case fixed
        /// Fitted to labels by maximum likelihood (``MafinMethod/WeightFit``).
        case calibrated
    }

    /// The weights of the sources' scores in the logit.
    public var weights: SourceWeights
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
    /// The share of queries about documents without a label that the weights were fitted for; `nil` if no source
    /// remembers documents.
    public var newDocuments: Double?

    /// A mixture with the same weights for all texts.
    /// - Precondition: the symmetric layout is for a black box and a local encoder.
    public init(
        _ weights: SourceWeights, layout: Layout = .querySided, origin: Origin = .fixed,
        lambdaStandardError: Double? = nil, fittedQueries: Int? = nil, newDocuments: Double? = nil
    ) {
        precondition(
            layout == .querySided || Set(weights.sources) == [.blackBox, .local],
            "the symmetric layout joins a black box and a local encoder")
        self.weights = weights
        localForm = .unit
        self.layout = layout
        self.origin = origin
        self.lambdaStandardError = lambdaStandardError
        self.fittedQueries = fittedQueries
        self.newDocuments = newDocuments
    }

    /// A mixture of a black box and a local encoder with one λ for all texts.
    public init(
        _ weights: MixtureWeights, layout: Layout = .querySided, origin: Origin = .fixed,
        lambdaStandardError: Double? = nil, fittedQueries: Int? = nil
    ) {
        self.init(
            SourceWeights(weights), layout: layout, origin: origin, lambdaStandardError: lambdaStandardError,
            fittedQueries: fittedQueries)
    }

    /// A mixture of the norm form: `[e_bb ; c e_θ] / √(1 + c² ‖e_θ‖²)` on both sides.
    /// - Parameters:
    ///   - localFactor: c, above 0.
    ///   - weights: the weights of training. Their temperature was used for the logits. Rankings do not depend on them.
    public init(normForm localFactor: Float, trainedWith weights: MixtureWeights) {
        precondition(localFactor > 0 && localFactor.isFinite, "the local factor \(localFactor) is not above zero")
        self.weights = SourceWeights(weights)
        localForm = .norm(factor: localFactor)
        layout = .symmetric
        origin = .calibrated
    }

    /// λ, the share of the local encoder in the weights of the black box and the local encoder; `nil` in the norm form,
    /// and if one of the two is no source.
    public var lambda: Float? { localForm == .unit ? weights.lambda : nil }

    /// Whether weights can differ from query to query with the same document vectors.
    public var areWeightsFree: Bool { localForm == .unit && layout == .querySided }

    /// The same mixture with another λ. The weights of other sources stay the same.
    /// - Precondition: there is a ``lambda``.
    public func with(lambda: Float) -> Mixture {
        precondition(self.lambda != nil, "there is no λ to replace")
        var result = self
        result.weights = rankingWeights.with(lambda: lambda)
        result.origin = .fixed
        (result.lambdaStandardError, result.fittedQueries, result.newDocuments) = (nil, nil, nil)
        return result
    }

    /// A fitted logit divided by the score of ``rankingWeights``.
    package var logitPerScore: Float {
        let ranking = rankingWeights
        guard localForm == .unit, let source = ranking.sources.first(where: { ranking[$0] > 0 }) else { return 1 }
        return weights[source] / ranking[source]
    }

    /// The same mixture with a weight for each of `names`, 0 for those that it does not name.
    /// - Precondition: `names` has all names of the weights.
    package func padded(to names: [SourceName]) -> Mixture {
        precondition(weights.sources.allSatisfy(names.contains), "weights of other sources")
        var result = self
        result.weights = SourceWeights(names.map { ($0, weights[$0]) })
        return result
    }

    /// The weights for ranking: 1−λ and λ, and those of other sources in the same unit. Where the black box is not asked, the
    /// stand-in has its place. All are 1 in the norm form, whose vectors contain the weights.
    public var rankingWeights: SourceWeights {
        localForm == .unit
            ? weights.scaled(toUnitSumOf: [.blackBox, .local, .standIn])
            : SourceWeights(weights.sources.map { ($0, 1) })
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
        let sources: [any ScoreSource] = [
            BlackBoxVectorSource(dimension: blackBox.columns, form: localForm),
            LocalVectorSource(dimension: local.columns),
        ]
        return switch role {
        case .query:
            try join(
                SourceQueries(ids: ids, blackBox: blackBox, local: local, form: localForm), of: sources)
        case .document:
            try join(
                SourceDocuments(ids: ids, blackBox: blackBox, local: local, form: localForm), of: sources)
        }
    }

    /// Joined vectors of queries: for each part of ``denseParts(of:)`` the weighted sum of the vectors of its sources. A
    /// source whose vectors are missing adds zeros.
    /// - Throws: `CombinationError` for vectors that cannot be used.
    package func join(_ queries: SourceQueries, of sources: [any ScoreSource]) throws -> Matrix {
        var vectors: [SourceName: Matrix] = [:]
        for source in sources.compactMap({ $0 as? any DenseSource })
        where queries.has(source.queryInputs) { vectors[source.name] = try source.vectors(of: queries) }
        let parts = Self.denseParts(of: sources)
        return SourceIndex.weighted(
            sources, vectors, parts.map(\.source), widths: parts.map(\.dimension), 0..<queries.count
        ) { factor(of: $0.name, as: .query) }
    }

    /// Joined vectors of documents: the vectors of each part of ``denseParts(of:)``.
    /// - Throws: `CombinationError` for vectors that cannot be used.
    package func join(_ documents: SourceDocuments, of sources: [any ScoreSource]) throws -> Matrix {
        var vectors: [SourceName: Matrix] = [:]
        let parts = Self.denseParts(of: sources)
        for part in parts { vectors[part.first.name] = try part.first.vectors(of: documents) }
        return SourceIndex.weighted(
            parts.map(\.first), vectors, parts.map(\.source), widths: parts.map(\.dimension), 0..<documents.count
        ) { factor(of: $0.name, as: .document) }
    }

    /// The parts of a joined vector, one for each set of document vectors: its name, its columns, and the first source
    /// that uses it.
    package static func denseParts(
        of sources: [any ScoreSource]
    ) -> [(source: SourceName, dimension: Int, first: any DenseSource)] {
        var parts: [(source: SourceName, dimension: Int, first: any DenseSource)] = []
        for case let source as any DenseSource in sources
        where !parts.contains(where: { $0.source == source.documentVectors }) {
            parts.append((source.documentVectors, source.dimension, source))
        }
        return parts
    }

    /// The factor of a source's part of joined vectors of one side.
    private func factor(of source: SourceName, as role: TextRole) -> Float {
        guard localForm == .unit else { return 1 }
        return switch (layout, role) {
        case (.symmetric, _): rankingWeights[source].squareRoot()
        case (.querySided, .query): rankingWeights[source]
        case (.querySided, .document): 1
        }
    }
}

// MARK: Storage

/// Stored as `{"layout": "query-sided", "weights": [{"source": …, "weight": …}, …], "origin": "calibrated", …}`. The norm
/// form has `"localFactor"` instead of `"layout"`. Formats 1 and 2 can be read too: format 2 had
/// `"weights": {"blackBox": …, "local": …}`, and format 1 also stored λ.
extension Mixture: Codable {
    private enum CodingKeys: String, CodingKey {
        case layout, localFactor, weights, origin, lambdaStandardError, fittedQueries, newDocuments
    }

    private enum Format1Keys: String, CodingKey { case combination, lambdaForm, scale, lambdaStandardError }

    private enum CombinationKeys: String, CodingKey { case form, lambda, localFactor }

    /// Reads a mixture of any format and checks its numbers.
    public init(from decoder: any Decoder) throws {
        let old = try decoder.container(keyedBy: Format1Keys.self)
        if old.contains(.combination) {
            try self.init(format1: old)
            return
        }
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let weights = try container.decode(SourceWeights.self, forKey: .weights)
        if container.contains(.localFactor) {
            guard weights.sources.count == 2, let pair = weights.pair else {
                throw DecodingError.dataCorruptedError(
                    forKey: .weights, in: container,
                    debugDescription: "expected weights of black-box and local, as the norm form has")
            }
            self.init(normForm: try Self.localFactor(in: container, forKey: .localFactor), trainedWith: pair)
        } else {
            let layout = try container.decode(Layout.self, forKey: .layout)
            guard layout == .querySided || Set(weights.sources) == [.blackBox, .local] else {
                throw DecodingError.dataCorruptedError(
                    forKey: .layout, in: container,
                    debugDescription: "expected query-sided for other sources than black-box and local")
            }
            self.init(weights, layout: layout)
        }
        origin = try container.decode(Origin.self, forKey: .origin)
        lambdaStandardError = try container.decodeIfPresent(Double.self, forKey: .lambdaStandardError)
        fittedQueries = try container.decodeIfPresent(Int.self, forKey: .fittedQueries)
        newDocuments = try container.decodeIfPresent(Double.self, forKey: .newDocuments)
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
        try container.encodeIfPresent(newDocuments, forKey: .newDocuments)
    }
}
