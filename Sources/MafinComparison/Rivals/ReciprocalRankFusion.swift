import MafinMethod
import MafinNumerics
import MafinRetrieval

/// Reciprocal rank fusion of several systems over all documents; see ``MafinRetrieval/Run/init(reciprocalRankFusion:rankOffset:count:)``.
///
/// A system's list leaves out documents with its least score, because BM25 gives that score to documents that share no
/// term with the query.
public struct ReciprocalRankFusion: RankingSystem {
    /// The systems that are fused.
    public let systems: [any RankingSystem]
    /// The constant that is added to ranks (k in the paper).
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
