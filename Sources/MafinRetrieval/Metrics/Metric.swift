/// A measure of a ranking, as trec_eval computes it. Relevant means grade ≥ 1.
///
/// Values equal those of trec_eval. Means are over the judged queries that have a relevant document, one without a result list
/// counting 0; `trec_eval -c` also counts the queries for which nothing is relevant, as 0.
public enum Metric: Hashable, Sendable {
    /// Normalised discounted cumulative gain of the first `cutoff` ranks (all, where `nil`).
    case nDCG(cutoff: Int?)
    /// Share of the relevant documents that are in the first `cutoff` ranks.
    case recall(cutoff: Int)
    /// Share of the first `cutoff` ranks that hold relevant documents; missing ranks count as not relevant.
    case precision(cutoff: Int)
    /// 1 / rank of the first relevant document, 0 where it is beyond `cutoff`; its mean is MRR.
    case reciprocalRank(cutoff: Int?)
    /// Mean over the relevant documents of the precision at their rank, over the first `cutoff` ranks; its mean is MAP.
    case averagePrecision(cutoff: Int?)
    /// 1 where a relevant document is in the first `cutoff` ranks, else 0 (hit rate).
    case success(cutoff: Int)
    /// Precision at rank R, where R is the number of relevant documents.
    case rPrecision

    /// The metrics of the comparison table: nDCG@10, Recall@10, Recall@100, MRR@10, MAP.
    public static let standard: [Metric] = [
        .nDCG(cutoff: 10), .recall(cutoff: 10), .recall(cutoff: 100), .reciprocalRank(cutoff: 10),
        .averagePrecision(cutoff: nil),
    ]

    /// The value for one query, between 0 and 1.
    public func value(of ranking: JudgedRanking) -> Double {
        switch self {
        case .nDCG(let cutoff): ranking.nDCG(cutoff: cutoff)
        case .recall(let cutoff): ranking.recall(cutoff: cutoff)
        case .precision(let cutoff): ranking.precision(cutoff: cutoff)
        case .reciprocalRank(let cutoff): ranking.reciprocalRank(cutoff: cutoff)
        case .averagePrecision(let cutoff): ranking.averagePrecision(cutoff: cutoff)
        case .success(let cutoff): ranking.success(cutoff: cutoff)
        case .rPrecision: ranking.rPrecision()
        }
    }
}
