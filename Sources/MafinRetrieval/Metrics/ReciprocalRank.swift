extension JudgedRanking {
    /// Reciprocal rank: 1 / rank of the first relevant document; 0 if there is none within `cutoff` ranks (trec_eval's
    /// `recip_rank`, which has no cutoff). Its mean over queries is MRR.
    public func reciprocalRank(cutoff: Int? = nil) -> Double {
        guard let first = grades.prefix(cutoff ?? .max).firstIndex(where: { $0 > 0 }) else { return 0 }
        return 1 / Double(first + 1)
    }
}
