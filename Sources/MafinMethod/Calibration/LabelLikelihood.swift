import CMafinKernels
import Foundation
import MafinNumerics

/// The negative log-likelihood of the label distributions as a function of the sources' weights, with its gradient and
/// Hessian.
///
/// For one query let s_k be the scores of source k and P = softmax(Σ_k w_k s_k). The value is
/// `−Σ_d Q_d log P_d = log Σ_d exp Σ_k w_k (s_k − E_Q[s_k])`, the gradient is `E_P[s_k] − E_Q[s_k]`, and the Hessian is
/// the covariance of the scores under P. All are weighted means over queries, in double precision. Rows are added in
/// their order, so the number of threads does not change a bit of the result.
final class LabelLikelihood {
    private let blocks: ScoreBlocks
    private let labels: BlockLabels
    /// For each row and source E_Q[s_k].
    private var expected: [Double]
    /// For each row the entropy of Q.
    private var entropies: [Double]
    /// The weight of each row in the means.
    let rowWeights: [Double]
    /// Rows with a relevant candidate and a weight above 0, ascending.
    let rows: [Int]
    /// The function at weights of 0, where P is uniform.
    private(set) var uniform: Expansion
    /// Rows that were read, from all sources or some, over all evaluations.
    private var rowsRead = 0

    /// Makes one pass over the scores.
    /// - Parameter rowWeights: one finite weight of at least 0 per row; `nil`: all count the same.
    init(blocks: ScoreBlocks, labels: BlockLabels, target: ListNet.Target, rowWeights: [Double]? = nil) throws {
        precondition(labels.rows == blocks.rows, "labels of \(labels.rows) rows for \(blocks.rows) rows of scores")
        self.blocks = blocks
        self.labels = BlockLabels(relevant: labels.relevant, masked: labels.masked.map { $0.sorted() })
        let rowWeights = rowWeights ?? [Double](repeating: 1, count: labels.rows)
        precondition(
            rowWeights.count == labels.rows && rowWeights.allSatisfy { $0 >= 0 && $0.isFinite },
            "\(labels.rows) rows need as many finite weights of at least 0")
        self.rowWeights = rowWeights
        rows = labels.rowsWithLabels.filter { rowWeights[$0] > 0 }
        guard !rows.isEmpty else { throw CalibrationError.noLabelledRow(rows: labels.rows) }
        let sources = blocks.sources.count
        expected = [Double](repeating: 0, count: labels.rows * sources)
        entropies = [Double](repeating: 0, count: labels.rows)
        uniform = Expansion.zero(variables: sources)
        let zeros = [Double](repeating: 0, count: sources)
        var position = 0
        let sorted = self.labels
        try blocks.forEachRow(rows, checkingFinite: true) { row, scores in
            let (relevant, masked) = (sorted.relevant[row], sorted.masked[row])
            let (means, entropy) = scores.moments(ofLabels: relevant, masked: masked, target: target)
            return (means, entropy, scores.expansion(at: zeros, origins: means, masked: masked))
        } then: { means, entropy, terms in
            let row = rows[position]
            position += 1
            expected.replaceSubrange(row * sources..<(row + 1) * sources, with: means)
            entropies[row] = entropy
            uniform.add(terms, weight: rowWeights[row])
        }
        uniform.scale(by: 1 / weight(of: rows))
        rowsRead = rows.count
    }

    /// Passes over the scores that were made, the one of the initialiser included. Parts of passes are added up.
    var passes: Int { (rowsRead + rows.count - 1) / rows.count }

    /// Mean entropy of Q over `rows`: the least that the function can be.
    func labelEntropy(of rows: [Int]) -> Double {
        rows.reduce(0) { $0 + rowWeights[$1] * entropies[$1] } / weight(of: rows)
    }

    /// The sum of the weights of `rows`.
    func weight(of rows: [Int]) -> Double { rows.reduce(0) { $0 + rowWeights[$1] } }

    /// The mean over `rows` at the given weights of `sources`. The other sources have weight 0.
    func evaluate(at weights: [Double], of sources: [Int], rows: [Int]) throws -> Expansion {
        var mean = Expansion.zero(variables: sources.count)
        var position = 0
        try forEachTerm(at: weights, of: sources, rows: rows) {
            mean.add($0, weight: rowWeights[rows[position]])
            position += 1
        }
        mean.scale(by: 1 / weight(of: rows))
        return mean
    }

    /// The value for each of `rows`.
    func losses(at weights: [Double], of sources: [Int], rows: [Int]) throws -> [Double] {
        var losses: [Double] = []
        try forEachTerm(at: weights, of: sources, rows: rows) { losses.append($0.value) }
        return losses
    }

    private func forEachTerm(
        at weights: [Double], of sources: [Int], rows: [Int], _ next: (Expansion) -> Void
    ) throws {
        rowsRead += rows.count
        let (expected, labels, stride) = (expected, labels, blocks.sources.count)
        try blocks.forEachRow(rows, sources: sources) { row, scores in
            scores.expansion(
                at: weights, origins: sources.map { expected[row * stride + $0] }, masked: labels.masked[row])
        } then: {
            next($0)
        }
    }
}

/// Value, gradient and Hessian of a function at a point.
struct Expansion: Sendable {
    var value: Double
    var gradient: [Double]
    /// `(variables, variables)`, row-major.
    var hessian: [Double]

    static func zero(variables: Int) -> Expansion {
        Expansion(
            value: 0, gradient: [Double](repeating: 0, count: variables),
            hessian: [Double](repeating: 0, count: variables * variables))
    }

    mutating func add(_ other: Expansion, weight: Double) {
        value += weight * other.value
        for index in gradient.indices { gradient[index] += weight * other.gradient[index] }
        for index in hessian.indices { hessian[index] += weight * other.hessian[index] }
    }

    mutating func scale(by factor: Double) {
        value *= factor
        for index in gradient.indices { gradient[index] *= factor }
        for index in hessian.indices { hessian[index] *= factor }
    }

    /// The function of some of the variables, in the order of `selected`.
    func selecting(_ selected: [Int]) -> Expansion {
        Expansion(
            value: value, gradient: selected.map { gradient[$0] },
            hessian: selected.flatMap { row in selected.map { hessian[row * gradient.count + $0] } })
    }

    /// The function of `x_k · scales[k]` instead of the variables x_k.
    func dividing(by scales: [Double]) -> Expansion {
        var result = self
        for (row, scale) in scales.enumerated() {
            result.gradient[row] /= scale
            for column in scales.indices { result.hessian[row * scales.count + column] /= scale * scales[column] }
        }
        return result
    }
}

extension ScoreRow {
    /// The mean of each source's scores under the label distribution Q, and the entropy of Q.
    fileprivate func moments(
        ofLabels relevant: [Judgement], masked: [Int], target: ListNet.Target
    ) -> (means: [Double], entropy: Double) {
        var isOut = [Bool](repeating: false, count: count)
        for column in masked { isOut[column] = true }
        for judgement in relevant {
            precondition(!isOut[judgement.column], "relevant column \(judgement.column) is masked or named twice")
            isOut[judgement.column] = true
        }
        let negatives = isOut.count { !$0 }
        let label = target.distribution(grades: relevant.map(\.grade), negatives: negatives)
        var entropy = 0.0
        for share in label.relevant where share > 0 { entropy -= share * log(share) }
        if label.negative > 0 { entropy -= Double(negatives) * label.negative * log(label.negative) }
        let means = sources.indices.map { source in
            let scores = self[source]
            // Differences to one of the scores: if all are equal, the mean is that score without rounding.
            let first = Double(scores[relevant[0].column])
            var mean = 0.0
            for (judgement, share) in zip(relevant, label.relevant) {
                mean += share * (Double(scores[judgement.column]) - first)
            }
            if label.negative > 0 {
                for column in 0..<count where !isOut[column] {
                    mean += label.negative * (Double(scores[column]) - first)
                }
            }
            return first + mean
        }
        return (means, entropy)
    }

    /// One row's term of the likelihood. `origins`: E_Q of each source.
    fileprivate func expansion(at weights: [Double], origins: [Double], masked: [Int]) -> Expansion {
        var (gradient, hessian) = (weights, [Double](repeating: 0, count: weights.count * weights.count))
        let value = mafin_softmax_moments(
            count, sources.count, sources, origins, weights, masked.count, masked, &gradient, &hessian)
        return Expansion(value: value, gradient: gradient, hessian: hessian)
    }
}
