extension JudgedRanking {
    /// Recall: relevant documents within the first `cutoff` ranks / relevant documents (trec_eval's `recall_k`). 0 if
    /// no document is relevant.
    public func recall(cutoff: Int) -> Double {
        relevantCount > 0 ? Double(relevantRetrieved(cutoff: cutoff)) / Double(relevantCount) : 0
    }
}
