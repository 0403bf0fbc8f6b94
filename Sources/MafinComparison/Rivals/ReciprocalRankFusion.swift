import MafinMethod
import MafinNumerics
import MafinRetrieval

/// Reciprocal rank fusion of several systems over all documents; see ``MafinRetrieval/Run/init(reciprocalRankFusion:rankOffset:count:)``.
///
/// Documents that a system gives its least score, as BM25 does where no term is shared, are not in its list.
public struct ReciprocalRankFusion: RankingSystem {
    /// What is fused.
    public let systems: [any RankingSystem]
    /// k.
    public let rankOffset: Double
    /// Ranks of each system that count; a document behind them adds nothing.
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
        var sum = Matrix(rows: queries.count, columns: documentCount)
        for system in systems {
            let scores = try system.scores(queries: queries)
            let ranked = rank(scores: scores, count: depth)
            for row in 0..<ranked.count {
                let least = scores.row(row).min() ?? 0
                for (position, entry) in ranked[row].enumerated() where entry.score > least {
                    sum[row, entry.index] += Float(1 / (rankOffset + Double(position + 1)))
                }
            }
        }
        return sum
    }
}
