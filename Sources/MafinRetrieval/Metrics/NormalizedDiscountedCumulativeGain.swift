import Foundation

extension JudgedRanking {
    /// nDCG: `Σ_i g_i / log2(i + 1)` over the ranks `i ≤ cutoff`, divided by the same sum of the ideal ranking.
    ///
    /// The gain `g` is the grade itself, or 0 for a negative grade, as in trec_eval's `ndcg_cut_k`, and `ndcg` without
    /// a cutoff (Järvelin and Kekäläinen 2002, with the discount of Burges et al. 2005). 0 if no document is relevant.
    public func nDCG(cutoff: Int? = nil) -> Double {
        let ideal = Self.discountedGain(idealGrades, cutoff: cutoff)
        return ideal > 0 ? Self.discountedGain(grades, cutoff: cutoff) / ideal : 0
    }

    private static func discountedGain(_ grades: [Int], cutoff: Int?) -> Double {
        var sum = 0.0
        for rank in 0..<min(cutoff ?? .max, grades.count) where grades[rank] > 0 {
            sum += Double(grades[rank]) / log2(Double(rank + 2))
        }
        return sum
    }
}
