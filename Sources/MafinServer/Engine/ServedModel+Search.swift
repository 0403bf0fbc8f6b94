import HTTPTypes
import MafinBlackBox
import MafinImages
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

extension ServedModel {
    /// A query, and how to search for it.
    struct SearchRequest: Sendable {
        var query: String
        /// The image of the query; `nil` for a text.
        var image: ItemImage?
        /// Whether results have small pictures.
        var wantsThumbnails = false
        /// Whether the search looks at all documents, although the index may have a graph for approximate searches.
        var isExact = false
        /// Results wanted.
        var count = 10
        /// λ of this search; `nil` for the artefact's.
        var lambda: Float?
        /// Weights that replace those of single sources.
        var weights: [String: Float] = [:]
        /// Whether the black box is asked; `nil`: as the service decides.
        var asksBlackBox: Bool?

        /// The largest weight. Scores of larger weights may be no finite numbers.
        static let maximumWeight = 1e6
    }

    /// One result.
    struct Hit: Sendable, Codable {
        /// Place in its list, from 1.
        var rank: Int
        var id: String
        var title: String
        var text: String
        /// The score that it is ranked by.
        var score: Float
        /// What each source says. A source whose vector of the query is missing says nothing.
        var parts: [Part]
        /// Place in the black box's own ranking, from 1; `nil` if there is none, or if the search is approximate and it is not among the first.
        var blackBoxRank: Int?
        /// The path of its image in the collection; `nil` for a text.
        var image: String?
        /// A small picture of it as a data URL, if that is wanted and the index has one.
        var thumbnail: String?

        /// What one source says.
        struct Part: Sendable, Codable {
            var source: SourceName
            /// Its own score of the document.
            var score: Float
            /// Its weighted score.
            var part: Float
        }

        enum CodingKeys: String, CodingKey {
            case rank, id, title, text, score, parts, image, thumbnail
            case blackBoxRank = "black_box_rank"
        }
    }

    /// An answer.
    struct SearchAnswer: Sendable {
        /// The weights that ranked.
        var weights: SourceWeights
        var hits: [Hit]
        /// What gave the vector of the query; `nil` if no source with a weight needs it.
        var answeredBy: AnsweredBy?
        /// How sure the stand-in's ranking is, if it decided whether the black box is asked (`MafinPipeline/Sureness`).
        var sureness: Double?
        /// The black box's own best, in its order; empty if it was not asked, or if no source ranks by its vectors of documents.
        var blackBoxRanking: [Hit]
        var degraded: String?
        /// Whether only candidates were scored, so that a good document may be missing.
        var isApproximate = false
        var tokens: Int
    }

    /// Searches the index. The ranking is that of ``MafinPipeline/SourceIndex`` with the same weights.
    /// - Throws: ``ServiceError``; `CancellationError`.
    func search(_ request: SearchRequest, maximumTokens: Int) async throws -> SearchAnswer {
        let answer: SearchAnswer
        if let shards {
            answer = try await measured(.search) { try await find(request, in: shards) }
        } else {
            answer = try await find(request, index: requireIndex(), maximumTokens: maximumTokens)
        }
        metrics.recordAnswer(answer.answeredBy)
        return answer
    }

    private func find(
        _ request: SearchRequest, index: ServedIndex, maximumTokens: Int
    ) async throws -> SearchAnswer {
        let wanted = try weights(of: request)
        try requireChoice(of: request, wanted)
        func estimated(_ weights: SourceWeights, by standIn: StandInAnswers) async throws -> SearchAnswer {
            let made = try await estimates(
                of: [Item(request.query, image: request.image)], by: standIn, maximumTokens: maximumTokens,
                parameter: "query")
            var answer = try await results(
                for: request, index, made.queries, weights, sureBy: askBelow == nil ? nil : standIn.mixing)
            (answer.answeredBy, answer.tokens) = (standIn.answers(sources, weights: weights), made.tokens)
            return answer
        }
        var unsure: SearchAnswer?
        if let standIn, let weights = wanted.standIn, standsInFirst(request, wanted.asking) {
            let answer = try await estimated(weights, by: standIn)
            guard asks(after: answer, request, wanted.asking) else {
                metrics.recordInputs(.query, texts: 1, tokens: answer.tokens)
                return answer
            }
            unsure = answer
        }
        guard let asking = wanted.asking else { preconditionFailure("a request without weights was let through") }
        let alone = asking.withoutBlackBox(sources)
        let vectors = try await textVectors(
            of: [Item(request.query, image: request.image)], as: .query,
            parameter: request.image == nil ? "query" : "image", readsLocal: asking.name(sources, reading: .local),
            asksBlackBox: asking.needBlackBox(sources), goesOn: wanted.standIn != nil || alone != nil,
            maximumTokens: maximumTokens)
        if let reason = vectors.degraded, let standIn, let weights = wanted.standIn {
            var answer = if let unsure { unsure } else { try await estimated(weights, by: standIn) }
            answer.degraded = reason
            return answer
        }
        let queries: SourceQueries
        do {
            queries = try SourceQueries(
                texts: [request.query], blackBox: vectors.blackBox, local: vectors.local, form: .unit)
        } catch let error as CombinationError {
            throw ServiceError(.unprocessableContent, .invalidRequest, "\(error)", parameter: "query")
        }
        var answer = try await results(for: request, index, queries, (vectors.degraded == nil ? nil : alone) ?? asking)
        (answer.degraded, answer.tokens, answer.sureness) = (vectors.degraded, vectors.tokens, unsure?.sureness)
        answer.answeredBy = vectors.blackBox == nil ? nil : .blackBox
        return answer
    }

    /// - Parameter mixture: of the stand-in, if the answer shall have its ``SearchAnswer/sureness``.
    private func results(
        for request: SearchRequest, _ index: ServedIndex, _ read: SourceQueries, _ weights: SourceWeights,
        sureBy mixture: Mixture? = nil
    ) async throws -> SearchAnswer {
        let documents = index.documents
        return try await measured(.search) { [searching] in
            try await searching.run { check in
                let queries: SourceIndex.Queries
                do {
                    queries = try documents.scored(documents.queries(read))
                } catch let error as CombinationError {
                    throw ServiceError(.unprocessableContent, .invalidRequest, "\(error)", parameter: "query")
                }
                return try Searching(
                    texts: index.search, documents: documents, queries: queries, weights: weights,
                    hasThumbnails: request.wantsThumbnails, isExact: request.isExact
                )
                .answer(count: request.count, sureBy: mixture, check)
            }
        }
    }

    /// The weights for a query that asks the black box and for one that does not, with those that the request replaces. `nil`: no source is left,
    /// or the service does not answer in this way. At least one is there. A name that only one of them has does not change the other.
    /// - Throws: ``ServiceError``.
    func weights(of request: SearchRequest) throws -> (asking: SourceWeights?, standIn: SourceWeights?) {
        var weights = manifest.rankingWeights(offline: isOffline)
        if let lambda = request.lambda {
            try requireShare(lambda)
            guard weights.lambda != nil else { throw noLambda() }
            // Scaled, so that with λ = 0 the black box's weight is exactly 1.
            weights = weights.with(lambda: lambda).scaled(toUnitSumOf: [.blackBox, .local])
        }
        let offered = Set(offered.sources)
        for (name, weight) in request.weights.sorted(by: { $0.key < $1.key }) {
            guard offered.contains(SourceName(rawValue: name)) else {
                throw ServiceError.invalid(
                    "weights names the source '\(name.clipped)'; there are \(sourceNames)", parameter: "weights")
            }
            guard (0...SearchRequest.maximumWeight).contains(Double(weight)) else {
                throw ServiceError.invalid(
                    "weights.\(name.clipped) must lie between 0 and \(Int(SearchRequest.maximumWeight)), found \(weight)",
                    parameter: "weights")
            }
        }
        func replaced(_ weights: SourceWeights) -> SourceWeights? {
            let named = request.weights.map { (SourceName(rawValue: $0.key), $0.value) }
                .filter { weights.sources.contains($0.0) }
            return weights.replacing(Dictionary(uniqueKeysWithValues: named))
        }
        let asking = isOffline ? nil : replaced(weights)
        let standIn = standIn == nil ? nil : replaced(isOffline ? weights : manifest.rankingWeights(offline: true))
        guard asking != nil || standIn != nil && (isOffline || askBelow != nil) else {
            // Whether anything is left depends on the artefact's own weights.
            throw ServiceError(
                .conflict, .invalidRequest, "all weights are 0: one of \(sourceNames) needs a weight above 0",
                parameter: "weights", code: "no_weight_left")
        }
        return (asking, standIn)
    }
}

/// One search over the documents of an index.
private struct Searching: Sendable {
    let texts: SearchIndex
    let documents: SourceIndex
    /// One query.
    let queries: SourceIndex.Queries
    let weights: SourceWeights
    let hasThumbnails: Bool
    let isExact: Bool

    /// What the index answers. The caller adds what it knows of the query's vector.
    /// - Parameters:
    ///   - mixture: of the stand-in, if the ``ServedModel/SearchAnswer/sureness`` is wanted.
    ///   - check: throws once the answer is no longer wanted.
    func answer(
        count wanted: Int, sureBy mixture: Mixture?, _ check: @Sendable () throws -> Void
    ) throws -> ServedModel.SearchAnswer {
        let count = min(wanted, documents.documentCount)
        let depth = min(max(wanted, mixture == nil ? 0 : Sureness.depth), documents.documentCount)
        let found = try documents.best(of: queries, weights: weights, count: depth, exactly: isExact, check: check)
        let best = found.ranking
        let isApproximate = found.isApproximate
        let sureness = mixture.map { Sureness.probability(ofFirst: best.map(\.score), $0) }
        var ranking = Array(best.prefix(count))
        let length = ranking.count
        var blackBoxRanks: [Int?]?
        if let (index, query) = blackBoxAlone {
            let own: (ranking: [ScoredIndex], places: [Int?])
            if isApproximate,
                let near = try documents.best(by: .blackBox, of: queries, count: 2 * count, check: check)
            {
                // A place among all documents would need a look at all of them.
                let places = Dictionary(uniqueKeysWithValues: near.enumerated().map { ($1.index, $0 + 1) })
                own = (Array(near.prefix(count)), ranking.map { places[$0.index] })
            } else {
                let places = try index.places(of: ranking.map(\.index), query: Array(query.row(0)), check: check)
                own = (Array(try index.search(queries: query, count: count, check: check)[0]), places)
            }
            ranking += own.ranking
            blackBoxRanks = own.places + own.ranking.indices.map { $0 + 1 }
        }
        try check()
        // Both lists at a time, because each source computes its scores once.
        let hits = try hits(ranking, firstOfSecondList: length, blackBoxRanks: blackBoxRanks)
        return ServedModel.SearchAnswer(
            weights: weights, hits: Array(hits[..<length]), sureness: sureness, blackBoxRanking: Array(hits[length...]),
            isApproximate: isApproximate, tokens: 0)
    }

    /// The black box's own vectors of documents, and its vector of the query; `nil` if one of them is missing.
    private var blackBoxAlone: (index: VectorIndex, query: Matrix)? {
        guard let vectors = documents.vectors, !queries.inputs.isEstimated, let query = queries.inputs.blackBox,
            let part = documents.parts.firstIndex(of: .blackBox)
        else { return nil }
        return (vectors.part(part), query)
    }

    /// The results of two rankings, one behind the other.
    private func hits(
        _ ranking: [ScoredIndex], firstOfSecondList second: Int, blackBoxRanks: [Int?]?
    ) throws -> [ServedModel.Hit] {
        // A source without one of the weights serves only queries of the other kind (asked or not).
        let usable = documents.sources.map {
            weights.sources.contains($0.name) && queries.inputs.has($0.queryInputs)
        }
        // With the weight 1 a source's part is its own score.
        let own = documents.parts(
            of: ranking.map(\.index), query: 0, of: queries,
            weights: SourceWeights(zip(documents.sources, usable).map { ($0.name, $1 ? 1 : 0) }))
        return try ranking.enumerated().map { place, entry in
            let stored = try texts.stored(entry.index)
            let document = stored.document
            let parts = documents.sources.indices.filter { usable[$0] }.map { column in
                let name = documents.sources[column].name
                return ServedModel.Hit.Part(
                    source: name, score: own[place, column], part: weights[name] * own[place, column])
            }
            return ServedModel.Hit(
                rank: place + 1 - (place < second ? 0 : second), id: document.id, title: document.title,
                text: document.text, score: entry.score, parts: parts, blackBoxRank: blackBoxRanks?[place] ?? nil,
                image: stored.image, thumbnail: hasThumbnails ? stored.thumbnail : nil)
        }
    }
}
