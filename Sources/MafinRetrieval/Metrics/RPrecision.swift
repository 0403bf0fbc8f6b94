extension JudgedRanking {
    /// R-precision: precision at rank R, where R is the number of relevant documents (trec_eval's `Rprec`). 0 if no
    /// document is relevant.
    public func rPrecision() -> Double {
        relevantCount > 0 ? precision(cutoff: relevantCount) : 0
    }
}
