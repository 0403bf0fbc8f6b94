import Foundation

/// Contrastive loss from positives only: `−log exp(z₊) / (exp(z₊) + Σ_negatives exp(z))`.
///
/// (van den Oord et al. 2018, arXiv 1807.03748, equation 4.) A row with several positives has the mean of this over its
/// positives, each with the *other positives masked out*: a positive is never the negative of another, so the loss of
/// every row can reach 0. Grades are not looked at. With one positive it equals ``ListNet``.
public struct InfoNCE: RowwiseLoss, Hashable {
    /// The loss has no hyper-parameter; the temperature is in the logits.
    public init() {}

    /// `InfoNCE`, no parameters.
    public var summary: LossSummary { LossSummary(name: "InfoNCE") }

    /// See ``RowwiseLoss/evaluate(row:gradient:)``.
    public func evaluate(row: LossRow, gradient: inout [Double]) -> RowTerms {
        guard row.negativeCount > 0 else { return RowTerms(value: 0, negativeWeight: 0) }
        let share = 1 / Double(row.logits.count)
        var terms = RowTerms(value: 0, negativeWeight: 0)
        for (index, logit) in row.logits.enumerated() {
            // −log P₊ = log(1 + exp m): computed from the margin, it keeps its digits also where P₊ is nearly 1.
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
