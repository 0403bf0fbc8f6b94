extension JudgedRanking {
    /// Success, or hit rate: 1 if a relevant document is within the first `cutoff` ranks, otherwise 0 (trec_eval's
    /// `success_k`).
    public func success(cutoff: Int) -> Double {
        grades.prefix(cutoff).contains { $0 > 0 } ? 1 : 0
    }
}
