extension JudgedRanking {
    /// Precision: relevant documents within the first `cutoff` ranks / `cutoff` (trec_eval's `P_k`). The divisor is the
    /// cutoff even if fewer documents were retrieved.
    public func precision(cutoff: Int) -> Double {
        Double(relevantRetrieved(cutoff: cutoff)) / Double(cutoff)
    }
}
