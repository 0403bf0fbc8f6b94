import HTTPTypes
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

extension ServedModel {
    /// A query, and how to search for it.
    struct SearchRequest: Sendable {
        var query: String
        /// Results wanted.
        var count = 10
        /// λ of this search; `nil` for the artefact's.
        var lambda: Float?
        /// Weights that replace those of single sources.
        var weights: [String: Float] = [:]

        /// The largest weight. Scores of larger weights may be no finite numbers.
        static let maximumWeight = 1e6
    }

    /// One result.
    struct Hit: Sendable, Encodable {
        /// Place in its list, from 1.
        var rank: Int
        var id: String
        var title: String
        var text: String
        /// The score that it is ranked by.
        var score: Float
        /// What each source says. A source whose vector of the query is missing says nothing.
        var parts: [Part]
        /// Place in the black box's own ranking, from 1; `nil` if there is none.
        var blackBoxRank: Int?

        /// What one source says.
        struct Part: Sendable, Encodable {
            var source: SourceName
            /// Its own score of the document.
            var score: Float
            /// Its weighted score.
            var part: Float
        }

        enum CodingKeys: String, CodingKey {
            case rank, id, title, text, score, parts
            case blackBoxRank = "black_box_rank"
        }
    }

    /// An answer.
    struct SearchAnswer: Sendable {
        /// The weights that ranked.
        var weights: SourceWeights
        var hits: [Hit]
        /// Whether the black box gave its vector of the query.
        var isBlackBoxAsked: Bool
        /// The black box's own best, in its order; empty if it was not asked, or if no source ranks by its vectors of documents.
        var blackBoxRanking: [Hit]
        var degraded: String?
        var tokens: Int
    }

    /// Searches the index. The ranking is that of ``MafinPipeline/SourceIndex`` with the same weights.
    /// - Throws: ``ServiceError``; `CancellationError`.
    func search(_ request: SearchRequest, maximumTokens: Int) async throws -> SearchAnswer {
        let index = try requireIndex()
        let wanted = try weights(of: request)
        let alone = wanted.withoutBlackBox(sources)
        let vectors = try await textVectors(
            of: [request.query], as: .query, asksBlackBox: wanted.needBlackBox(sources), goesOn: alone != nil,
            maximumTokens: maximumTokens)
        let weights = (vectors.degraded == nil ? nil : alone) ?? wanted
        let (documents, queries): (SourceIndex, SourceIndex.Queries)
        do {
            documents = index.documents
            queries = try documents.queries(
                SourceQueries(texts: [request.query], blackBox: vectors.blackBox, local: vectors.local, form: .unit))
        } catch let error as CombinationError {
            throw ServiceError(.unprocessableContent, .invalidRequest, "\(error)", parameter: "query")
        }
        let search = Searching(texts: index.search, documents: documents, queries: queries, weights: weights)
        return try await measured(.search) { [searching] in
            try await searching.run { check in
                let (hits, own) = try search.results(count: request.count, check)
                return SearchAnswer(
                    weights: weights, hits: hits, isBlackBoxAsked: vectors.blackBox != nil, blackBoxRanking: own,
                    degraded: vectors.degraded, tokens: vectors.tokens)
            }
        }
    }

    /// The artefact's weights, with those that the request replaces.
    /// - Throws: ``ServiceError``.
    func weights(of request: SearchRequest) throws -> SourceWeights {
        var weights = manifest.mixing.rankingWeights
        if let lambda = request.lambda {
            try requireShare(lambda)
            guard weights.lambda != nil else { throw noLambda() }
            // Scaled, so that with λ = 0 the black box's weight is exactly 1.
            weights = weights.with(lambda: lambda).scaled(toUnitSumOf: [.blackBox, .local])
        }
        for (name, weight) in request.weights.sorted(by: { $0.key < $1.key }) {
            guard weights.sources.contains(SourceName(rawValue: name)) else {
                throw ServiceError.invalid(
                    "weights names the source '\(name.clipped)'; there are \(sourceNames)", parameter: "weights")
            }
            guard (0...SearchRequest.maximumWeight).contains(Double(weight)) else {
                throw ServiceError.invalid(
                    "weights.\(name.clipped) must lie between 0 and \(Int(SearchRequest.maximumWeight)), found \(weight)",
                    parameter: "weights")
            }
        }
        let named = request.weights.map { (SourceName(rawValue: $0.key), $0.value) }
        guard let replaced = weights.replacing(Dictionary(uniqueKeysWithValues: named)) else {
            // Whether anything is left depends on the artefact's own weights.
            throw ServiceError(
                .conflict, .invalidRequest, "all weights are 0: one of \(sourceNames) needs a weight above 0",
                parameter: "weights", code: "no_weight_left")
        }
        return replaced
    }
}

/// One search over the documents of an index.
private struct Searching: Sendable {
    let texts: SearchIndex
    let documents: SourceIndex
    /// One query.
    let queries: SourceIndex.Queries
    let weights: SourceWeights

    /// - Parameter check: throws once the answer is no longer wanted.
    func results(
        count wanted: Int, _ check: @Sendable () throws -> Void
    ) throws -> (hits: [ServedModel.Hit], blackBox: [ServedModel.Hit]) {
        let count = min(wanted, documents.documentCount)
        let ranking = Array(try documents.rankings(of: queries, weights: weights, count: count, check: check)[0])
        let alone = blackBoxAlone
        let places = try alone.map {
            try $0.index.places(of: ranking.map(\.index), query: Array($0.query.row(0)), check: check)
        }
        let hits = try hits(ranking, blackBoxRanks: places)
        try check()
        guard let alone else { return (hits, []) }
        let own = Array(try alone.index.search(queries: alone.query, count: count, check: check)[0])
        return (hits, try self.hits(own, blackBoxRanks: Array(1...max(1, own.count))))
    }

    /// The black box's own vectors of documents, and its vector of the query; `nil` if one of them is missing.
    private var blackBoxAlone: (index: VectorIndex, query: Matrix)? {
        guard let vectors = documents.vectors, let query = queries.inputs.blackBox,
            let part = documents.parts.firstIndex(of: .blackBox)
        else { return nil }
        return (vectors.part(part), query)
    }

    private func hits(_ ranking: [ScoredIndex], blackBoxRanks: [Int]?) throws -> [ServedModel.Hit] {
        let usable = documents.sources.map { queries.inputs.has($0.queryInputs) }
        // With the weight 1 a source's part is its own score.
        let own = documents.parts(
            of: ranking.map(\.index), query: 0, of: queries,
            weights: SourceWeights(zip(documents.sources, usable).map { ($0.name, $1 ? 1 : 0) }))
        return try ranking.enumerated().map { place, entry in
            let document = try texts.document(entry.index)
            let parts = documents.sources.indices.filter { usable[$0] }.map { column in
                let name = documents.sources[column].name
                return ServedModel.Hit.Part(
                    source: name, score: own[place, column], part: weights[name] * own[place, column])
            }
            return ServedModel.Hit(
                rank: place + 1, id: document.id, title: document.title, text: document.text, score: entry.score,
                parts: parts, blackBoxRank: blackBoxRanks?[place])
        }
    }
}
