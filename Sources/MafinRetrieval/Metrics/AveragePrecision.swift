extension JudgedRanking {
    /// Average precision: the sum of the precisions at the ranks of relevant documents within `cutoff`, divided by the
    /// number of all relevant documents (trec_eval's `map`, and `map_cut_k`). Its mean over queries is MAP. 0 if no
    /// document is relevant.
    public func averagePrecision(cutoff: Int? = nil) -> Double {
        guard relevantCount > 0 else { return 0 }
        var found = 0
        var sum = 0.0
        for rank in 0..<min(cutoff ?? .max, grades.count) where grades[rank] > 0 {
            found += 1
            sum += Double(found) / Double(rank + 1)
        }
        return sum / Double(relevantCount)
    }
}
