/// A formula that computes one score from a document's places in several lists. A list that lacks a document adds
/// nothing to its score.
public enum Fusion: Sendable {
    /// Reciprocal rank fusion: `Σ_lists 1 / (offset + rank)`, ranks from 1 (Cormack, Clarke and Büttcher 2009, "Reciprocal Rank Fusion
    /// outperforms Condorcet and individual Rank Learning Methods").
    case reciprocalRank(offset: Double)
    /// Weighted sum of normalised scores: `Σ_lists weight · (s − least)`, with s normalised over its list, and one
    /// weight per list. The sum is convex if the weights add up to 1 (Bruch, Gai and Ingber 2023, "An Analysis of
    /// Fusion Functions for Hybrid Retrieval").
    case weightedSum(weights: [Double], ScoreNormalization)

    /// The contribution of each place of one list to the score of its document.
    /// - Parameters:
    ///   - scores: scores of the list's documents, best first.
    ///   - list: the number of the list.
    public func shares(of scores: [Float], list: Int) -> [Double] {
        switch self {
        case .reciprocalRank(let offset):
            return scores.indices.map { 1 / (offset + Double($0 + 1)) }
        case .weightedSum(let weights, let normalization):
            let normalized = normalization.normalized(scores)
            // The least score is subtracted, so that the last document of a list counts the same as a document that the
            // list lacks.
            let least = normalized.min() ?? 0
            return normalized.map { weights[list] * Double($0 - least) }
        }
    }

    /// The fused scores of all documents of some lists.
    /// - Parameter lists: the lists, each with the best document first.
    public func scores<Document: Hashable>(of lists: [[(document: Document, score: Float)]]) -> [Document: Double] {
        var sums: [Document: Double] = [:]
        for (number, list) in lists.enumerated() {
            for (entry, share) in zip(list, shares(of: list.map(\.score), list: number)) {
                sums[entry.document, default: 0] += share
            }
        }
        return sums
    }

    /// Fuses several rankings of the same rows, and returns the `count` best. Equal scores are ordered by index,
    /// ascending.
    public func ranking(of lists: [[ScoredIndex]], count: Int) -> [ScoredIndex] {
        let sums = scores(of: lists.map { $0.map { ($0.index, $0.score) } })
        return sums.map { ScoredIndex(index: $0.key, score: Float($0.value)) }
            .sorted { ($1.score, $0.index) < ($0.score, $1.index) }
            .prefix(count).map { $0 }
    }
}

extension Run {
    /// The constant of reciprocal rank fusion in its paper.
    public static let standardRankOffset = 60.0

    /// Fuses runs by reciprocal rank; see ``Fusion/reciprocalRank(offset:)``. It needs no scores and has nothing to
    /// tune, so it suits systems without labels.
    /// - Parameters:
    ///   - runs: runs of any tools. A query that only some runs answer is fused from these.
    ///   - count: number of documents that are kept per query.
    public init(reciprocalRankFusion runs: [Run], rankOffset: Double = standardRankOffset, count: Int = 1_000) {
        self.init(.reciprocalRank(offset: rankOffset), of: runs, count: count)
    }

    /// Fuses runs by a weighted sum of scores; see ``Fusion/weightedSum(weights:_:)``. Choose the weights on dev.
    /// - Parameters:
    ///   - runs: the systems.
    ///   - weights: one per run.
    ///   - count: number of documents that are kept per query.
    public init(
        weightedSum runs: [Run], weights: [Double], normalization: ScoreNormalization = .minMax, count: Int = 1_000
    ) {
        precondition(runs.count == weights.count, "\(weights.count) weights for \(runs.count) runs")
        self.init(.weightedSum(weights: weights, normalization), of: runs, count: count)
    }

    private init(_ fusion: Fusion, of runs: [Run], count: Int) {
        self.init()
        var seen = Set<String>()
        for query in runs.flatMap(\.queryIds) where seen.insert(query).inserted {
            let ranked = fusion.scores(of: runs.map { ($0[query] ?? []).map { ($0.id, $0.score) } })
                .map { ScoredDocument(id: $0.key, score: Float($0.value)) }
                .sorted(by: ScoredDocument.ranksBefore)
            setRanking(Array(ranked.prefix(count)), for: query)
        }
    }
}
