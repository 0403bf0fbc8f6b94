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
        /// Weight of BM25, 0…1, beside the joined ranking; `nil` for a search without BM25.
        var lexicalWeight: Float?
        /// Whether the answer has all documents that some λ ranks among the best.
        var withCandidates = false
        /// Whether candidates have their whole texts. If not, only those without a title have the beginning of their text.
        var withCandidateTexts = true
    }

    /// One result.
    struct Hit: Sendable, Encodable {
        var rank: Int
        var id: String
        var title: String
        var text: String
        /// The score that it is ranked by.
        var score: Float
        /// The cosines of both sources. The black box's is `nil` if it was not asked.
        var blackBoxScore: Float?
        var localScore: Float
        /// Each source's part of the joined score.
        var blackBoxPart: Float?
        var localPart: Float
        /// Places in the black box's own ranking and in this one, from 1.
        var blackBoxRank: Int?
        var joinedRank: Int?
        /// BM25's score, if it was asked for.
        var lexicalScore: Float?

        /// Removes the text. Of a document without a title, the beginning stays, so that a page can show it.
        mutating func leaveOutText() { text = title.isEmpty ? text.clipped(to: 200) : "" }

        enum CodingKeys: String, CodingKey {
            case rank, id, title, text, score
            case blackBoxScore = "black_box_score"
            case localScore = "local_score"
            case blackBoxPart = "black_box_part"
            case localPart = "local_part"
            case blackBoxRank = "black_box_rank"
            case joinedRank = "joined_rank"
            case lexicalScore = "bm25_score"
        }
    }

    /// An answer.
    struct SearchAnswer: Sendable {
        var lambda: Float
        var hits: [Hit]
        /// The black box's own best, in its order; empty if it was not asked.
        var blackBoxRanking: [Hit]
        /// All documents that some λ ranks among the best, with both cosines.
        var candidates: [Hit]?
        var degraded: String?
        var tokens: Int
    }

    /// Searches the index.
    /// - Throws: ``ServiceError``; `CancellationError`.
    func search(_ request: SearchRequest, maximumTokens: Int) async throws -> SearchAnswer {
        let index = try requireIndex()
        if request.lexicalWeight != nil, index.lexical == nil {
            throw ServiceError.invalid("BM25 is not loaded: start the service with --bm25", parameter: "bm25")
        }
        let own = manifest.mixing.lambda ?? 0.5
        let wanted = request.lambda ?? own
        guard (0...1).contains(wanted) else {
            throw ServiceError.invalid("lambda must lie between 0 and 1, found \(wanted)", parameter: "lambda")
        }
        let sources = try await sourceVectors(
            of: [request.query], as: .query, asksBlackBox: wanted < 1 || request.withCandidates,
            maximumTokens: maximumTokens)
        let lambda = sources.blackBox == nil ? 1 : wanted
        let unit: (blackBox: [Float]?, local: [Float])
        do {
            unit = (
                try sources.blackBox.map { try UnitRows.make($0, source: .blackBox).values },
                try UnitRows.make(sources.local, source: .local).values
            )
        } catch let error as CombinationError {
            throw ServiceError(.unprocessableContent, .invalidRequest, "\(error)", parameter: "query")
        }
        let search = Searching(
            index: index.search, blackBox: unit.blackBox, local: unit.local, lambda: lambda, lexical: index.lexical)
        return try await measured(.search) { [searching] in
            try await searching.run { check in
                try search.answer(request, degraded: sources.degraded, tokens: sources.tokens, check)
            }
        }
    }
}

/// One search over the mapped vectors.
private struct Searching: Sendable {
    let index: SearchIndex
    let blackBox: [Float]?
    let local: [Float]
    let lambda: Float
    let lexical: BM25?

    /// Depth of the lists that are fused.
    private static let fusionDepth = 1000

    /// The query's vector for the index: both parts, unweighted.
    private var unweighted: [Float] {
        (blackBox ?? [Float](repeating: 0, count: index.manifest.blackBoxDimension)) + local
    }

    private var weights: MixtureWeights { MixtureWeights(lambda: lambda) }

    private var weighted: [Float] { weights.weighting(unweighted, split: index.manifest.blackBoxDimension) }

    /// - Parameter check: throws once the answer is no longer wanted.
    func answer(
        _ request: ServedModel.SearchRequest, degraded: String?, tokens: Int,
        _ check: @Sendable () throws -> Void
    ) throws -> ServedModel.SearchAnswer {
        let count = min(request.count, index.count)
        let depth = request.lexicalWeight == nil ? count : max(count, min(Self.fusionDepth, index.count))
        let query = Matrix(rows: 1, columns: unweighted.count, values: weighted)
        var ranking = Array(try index.joined.search(queries: query, count: depth, check: check)[0])
        var lexicalScores: [Int: Float] = [:]
        try check()
        if let weight = request.lexicalWeight, let lexical {
            let words = lexical.ranking(of: request.query, count: depth)
            lexicalScores = Dictionary(uniqueKeysWithValues: words.map { ($0.index, $0.score) })
            // A convex combination: the weights add up to 1.
            ranking = Fusion.weightedSum(weights: [1 - Double(weight), Double(weight)], .minMax)
                .ranking(of: [ranking, Array(words)], count: count)
        }
        let rows = ranking.map(\.index)
        let places = try blackBox.map { try index.blackBox.places(of: rows, query: $0, check: check) }
        var hits = try self.hits(rows, scores: ranking.map(\.score))
        for place in hits.indices {
            hits[place].rank = place + 1
            hits[place].joinedRank = place + 1
            hits[place].blackBoxRank = places?[place]
            hits[place].lexicalScore = lexicalScores[rows[place]]
        }
        try check()
        var own: [ServedModel.Hit] = []
        if let blackBox {
            let query = Matrix(rows: 1, columns: blackBox.count, values: blackBox)
            let best = try index.blackBox.search(queries: query, count: count, check: check)[0]
            let joinedPlaces = try index.joined.places(of: best.map(\.index), query: weighted, check: check)
            own = try self.hits(best.map(\.index), scores: best.map(\.score))
            for place in own.indices {
                own[place].rank = place + 1
                own[place].blackBoxRank = place + 1
                own[place].joinedRank = request.lexicalWeight == nil ? joinedPlaces[place] : nil
            }
        }
        var candidates: [ServedModel.Hit]?
        if request.withCandidates, blackBox != nil {
            let found = try LambdaCandidates(
                index: index.joined, query: unweighted, split: index.manifest.blackBoxDimension, count: count,
                lambda: lambda, check: check)
            try check()
            var hits = try self.hits(found.rows, scores: found.rows.map { _ in 0 })
            if !request.withCandidateTexts {
                for place in hits.indices { hits[place].leaveOutText() }
            }
            candidates = hits
        }
        return .init(
            lambda: lambda, hits: hits, blackBoxRanking: own, candidates: candidates, degraded: degraded, tokens: tokens
        )
    }

    /// Results without ranks.
    private func hits(_ rows: [Int], scores: [Float]) throws -> [ServedModel.Hit] {
        let parts = index.joined.partScores(of: rows, query: unweighted)
        return try rows.enumerated().map { place, row in
            let document = try index.document(row)
            let (remote, local) = (parts[place, 0], parts[place, 1])
            return ServedModel.Hit(
                rank: 0, id: document.id, title: document.title, text: document.text, score: scores[place],
                blackBoxScore: blackBox == nil ? nil : remote, localScore: local,
                blackBoxPart: blackBox == nil ? nil : weights.blackBox * remote, localPart: weights.local * local)
        }
    }
}
