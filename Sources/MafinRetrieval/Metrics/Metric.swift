/// A measure of a ranking, as trec_eval computes it. Relevant means grade ≥ 1.
///
/// Values equal those of trec_eval. Means are over the judged queries that have a relevant document; a query without a
/// result list counts as 0. `trec_eval -c` also counts queries without a relevant document, as 0.
public enum Metric: Hashable, Sendable {
    /// Normalised discounted cumulative gain of the first `cutoff` ranks; `nil`: all ranks.
    case nDCG(cutoff: Int?)
    /// Share of the relevant documents that are in the first `cutoff` ranks.
    case recall(cutoff: Int)
    /// Share of relevant documents in the first `cutoff` ranks. Missing ranks count as not relevant.
    case precision(cutoff: Int)
    /// 1 / rank of the first relevant document; 0 if there is none within `cutoff`. Its mean is MRR.
    case reciprocalRank(cutoff: Int?)
    /// Mean over all relevant documents of the precision at their rank, or 0 for documents beyond `cutoff`. Its mean is
    /// MAP.
    case averagePrecision(cutoff: Int?)
    /// 1 if a relevant document is in the first `cutoff` ranks, otherwise 0 (hit rate).
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
