import Foundation

/// Contrastive loss of positives against negatives: `−log exp(z₊) / (exp(z₊) + Σ_negatives exp(z))`.
///
/// Source: van den Oord et al. 2018, arXiv 1807.03748, equation 4. For a row with several positives it is the mean over
/// the positives, each computed with the *other positives masked*. A positive is therefore never the negative of
/// another, and the loss of every row can reach 0. Grades are ignored. For a row with one positive it equals
/// ``ListNet`` with ``ListNet/Target/exponentialGain``.
public struct InfoNCE: RowwiseLoss, Hashable {
    /// The loss has no hyper-parameter. The temperature is part of the logits.
    public init() {}

    /// `InfoNCE`, no parameters.
    public var summary: LossSummary { LossSummary(name: "InfoNCE") }

    /// See ``RowwiseLoss/evaluate(row:gradient:)``.
    public func evaluate(row: LossRow, gradient: inout [Double]) -> RowTerms {
        guard row.negativeCount > 0 else { return RowTerms(value: 0, negativeWeight: 0) }
        let share = 1 / Double(row.logits.count)
        var terms = RowTerms(value: 0, negativeWeight: 0)
        for (index, logit) in row.logits.enumerated() {
            // −log P₊ = log(1 + exp m). Computed from the margin m, it stays accurate even if P₊ is nearly 1.
            let margin = row.negativeLogSumExp - logit
            terms.value += share * (max(margin, 0) + log1p(exp(-abs(margin))))
            // 1 − P₊ = sigmoid(m).
            let missing = margin > 0 ? 1 / (1 + exp(-margin)) : exp(margin) / (1 + exp(margin))
            gradient[index] = -share * missing
            terms.negativeWeight += share * missing
        }
        return terms
    }
}
