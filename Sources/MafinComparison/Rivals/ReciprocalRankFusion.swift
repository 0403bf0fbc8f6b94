import MafinMethod
import MafinNumerics
import MafinRetrieval

/// Reciprocal rank fusion of several systems over all documents; see ``MafinRetrieval/Run/init(reciprocalRankFusion:rankOffset:count:)``.
///
/// Documents with a system's least score are not in its list: BM25 gives it where no term is shared.
public struct ReciprocalRankFusion: RankingSystem {
    /// What is fused.
    public let systems: [any RankingSystem]
    /// k.
    public let rankOffset: Double
    /// Length of each system's list.
    public let depth: Int

    /// - Precondition: at least one system, all over the same documents.
    public init(_ systems: [any RankingSystem], rankOffset: Double = Run.standardRankOffset, depth: Int = 1_000) {
        precondition(!systems.isEmpty, "a fusion of nothing")
        self.systems = systems
        self.rankOffset = rankOffset
        self.depth = depth
    }

    /// Number of documents.
    public var documentCount: Int { systems[0].documentCount }

    /// See ``RankingSystem/scores(queries:)``.
    public func scores(queries: [Int]) throws -> Matrix {
        let fusion = Fusion.reciprocalRank(offset: rankOffset)
        var sum = Matrix(rows: queries.count, columns: documentCount)
        for system in systems {
            let scores = try system.scores(queries: queries)
            let ranked = rank(scores: scores, count: depth)
            for row in 0..<ranked.count {
                let least = scores.row(row).min() ?? 0
                let list = ranked[row].prefix { $0.score > least }
                for (entry, share) in zip(list, fusion.shares(of: list.map(\.score), list: 0)) {
                    sum[row, entry.index] += Float(share)
                }
            }
        }
        return sum
    }
}
