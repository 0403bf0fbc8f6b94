extension Run {
    /// The constant of reciprocal rank fusion in its paper.
    public static let standardRankOffset = 60.0

    /// Reciprocal rank fusion: `score(d) = Σ_runs 1 / (k + rank(d))`, ranks from 1; a run without the document adds nothing.
    ///
    /// (Cormack, Clarke and Büttcher 2009, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods", k = 60.) It needs no
    /// scores and has nothing to choose, so it is the fusion for systems without labels.
    /// - Parameters:
    ///   - runs: of any tools; a query that only some of them answer is fused from those.
    ///   - rankOffset: k.
    ///   - count: documents kept for each query.
    public init(reciprocalRankFusion runs: [Run], rankOffset: Double = standardRankOffset, count: Int = 1_000) {
        self.init()
        fuse(runs, count: count) { run, ranking, sums in
            for (rank, document) in ranking.enumerated() {
                sums[document.id, default: 0] += 1 / (rankOffset + Double(rank + 1))
            }
        }
    }

    /// Weighted sum of scores, normalised for each run and query over its list; a document that is not in a list has the least
    /// normalised score there.
    ///
    /// Convex where the weights add up to 1 (Bruch, Gai and Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval"). Choose weights on dev.
    /// - Parameters:
    ///   - runs: the systems.
    ///   - weights: one a run.
    ///   - count: documents kept for each query.
    public init(
        weightedSum runs: [Run], weights: [Double], normalization: ScoreNormalization = .minMax, count: Int = 1_000
    ) {
        precondition(runs.count == weights.count, "\(weights.count) weights for \(runs.count) runs")
        self.init()
        fuse(runs, count: count) { run, ranking, sums in
            let scores = normalization.normalized(ranking.map(\.score))
            // A document adds its distance to the lowest score of the list; a document that the list lacks adds 0.
            let least = scores.min() ?? 0
            for (document, score) in zip(ranking, scores) {
                sums[document.id, default: 0] += weights[run] * Double(score - least)
            }
        }
    }

    private mutating func fuse(
        _ runs: [Run], count: Int,
        add: (_ run: Int, _ ranking: [ScoredDocument], _ sums: inout [String: Double]) -> Void
    ) {
        var seen = Set<String>()
        for query in runs.flatMap(\.queryIds) where seen.insert(query).inserted {
            var sums: [String: Double] = [:]
            for (index, run) in runs.enumerated() {
                if let ranking = run[query] { add(index, ranking, &sums) }
            }
            let ranked = sums.map { ScoredDocument(id: $0.key, score: Float($0.value)) }
                .sorted(by: ScoredDocument.ranksBefore)
            setRanking(Array(ranked.prefix(count)), for: query)
        }
    }
}
