import Foundation

/// Listwise loss: cross entropy between a label distribution Q and `P = softmax(z)`, both over the row's candidates.
///
/// P is the top-one probability of the Plackett-Luce model (Cao et al. 2007, "Learning to Rank: From Pairwise Approach
/// to Listwise Approach", equation 3). The minimum of the loss is the entropy of Q, which is above 0 for a row with
/// several labels.
public struct ListNet: RowwiseLoss, Hashable {
    /// How grades become the label distribution Q.
    public enum Target: Sendable, Hashable {
        /// `Q = softmax(grade / temperature)` over all candidates of the row, as in the paper. A candidate without a
        /// label has grade 0. In a long list most of Q then falls on unlabelled documents unless the temperature is
        /// small compared with the grades: N unlabelled documents together weigh as much as one document of grade
        /// `temperature · ln N`.
        case softmax(temperature: Float)
        /// `Q = (2^grade − 1) / Σ (2^grade − 1)`, the exponential gain of nDCG in Burges et al. 2005. (The metric
        /// ``MafinRetrieval/Metric/nDCG(cutoff:)`` has the linear gain of trec_eval.) Unlabelled candidates have a
        /// share of 0.
        case exponentialGain
    }

    /// How grades become the label distribution.
    public var target: Target

    /// The loss with the given label distribution.
    public init(target: Target = .exponentialGain) {
        if case .softmax(let temperature) = target {
            precondition(temperature > 0, "temperature \(temperature) of the labels is not above zero")
        }
        self.target = target
    }

    /// `ListNet` with `target` and, for the softmax, `targetTemperature`.
    public var summary: LossSummary {
        switch target {
        case .softmax(let temperature):
            LossSummary(
                name: "ListNet", parameters: ["targetTemperature": Double(temperature)], options: ["target": "softmax"])
        case .exponentialGain: LossSummary(name: "ListNet", options: ["target": "exponentialGain"])
        }
    }

    /// `true` for a softmax target, the only one that gives unlabelled candidates a share.
    public var needsNegativeLogitSum: Bool { target != .exponentialGain }

    /// See ``RowwiseLoss/evaluate(row:gradient:)``.
    public func evaluate(row: LossRow, gradient: inout [Double]) -> RowTerms {
        let label = target.distribution(grades: row.grades, negatives: row.negativeCount)
        var logSum = row.negativeLogSumExp
        for logit in row.logits { logSum = logAddExp(logSum, logit) }
        var value: Double = 0
        for (index, logit) in row.logits.enumerated() {
            value += label.relevant[index] * (logSum - logit)
            gradient[index] = exp(logit - logSum) - label.relevant[index]
        }
        if label.negative > 0 {
            value += label.negative * (Double(row.negativeCount) * logSum - row.negativeLogitSum)
        }
        return RowTerms(
            value: value, negativeWeight: exp(row.negativeLogSumExp - logSum), negativeTarget: label.negative)
    }
}

extension ListNet.Target {
    /// The label distribution Q of one row: the share of each relevant candidate, and the share of each of the
    /// `negatives` others. All shares add up to 1.
    func distribution(grades: [Float], negatives: Int) -> (relevant: [Double], negative: Double) {
        var weights: [Double]
        var rest: Double
        switch self {
        case .softmax(let temperature):
            let best = Double(grades.max() ?? 0)
            weights = grades.map { exp((Double($0) - best) / Double(temperature)) }
            rest = negatives > 0 ? exp(-best / Double(temperature)) : 0
        case .exponentialGain:
            weights = grades.map { exp2(Double($0)) - 1 }
            rest = 0
        }
        let total = weights.reduce(0, +) + rest * Double(negatives)
        for index in weights.indices { weights[index] /= total }
        rest /= total
        return (weights, rest)
    }
}
