import CMafinKernels
import Foundation
import MafinNumerics

/// The negative log-likelihood of the label distributions as a function of the two weights, with its gradient and
/// Hessian.
///
/// For one query, x are the black box's scores, y the local ones, and P = softmax(a x + b y). The value is
/// `log Σ exp(a x + b y) − a E_Q[x] − b E_Q[y]`, the gradient is `E_P − E_Q`, and the Hessian is the covariance of (x,
/// y) under P. Everything is computed in double precision.
struct CalibrationObjective {
    /// Means over the labelled rows.
    struct Value {
        var loss: Double
        var gradient: (Double, Double)
        /// (aa, ab, bb).
        var hessian: (Double, Double, Double)
    }

    private let blocks: ScoreBlocks
    private let labels: BlockLabels
    /// Means over the labelled rows of E_Q[x] and E_Q[y].
    private var expected: (Double, Double) = (0, 0)
    /// Mean entropy of Q.
    private(set) var labelEntropy: Double = 0
    let labelledRows: Int
    /// Whether the scores of a source differ within any labelled row. A constant source cancels in a softmax.
    private(set) var blackBoxVaries = false
    private(set) var localVaries = false

    /// Makes one pass over the scores, for the terms that do not depend on the weights.
    init(blocks: ScoreBlocks, labels: BlockLabels, target: ListNet.Target) throws {
        precondition(labels.rows == blocks.rows, "labels of \(labels.rows) rows for \(blocks.rows) rows of scores")
        self.blocks = blocks
        self.labels = labels
        labelledRows = labels.labelledRows
        guard labelledRows > 0 else { throw CalibrationError.noLabelledRow(rows: labels.rows) }
        var sums = LabelMoments()
        try blocks.forEach { range, blackBox, local in
            try ScoreBlocks.requireFinite(range, blackBox, local)
            let rows = ScoreBlocks.mapLabelledRows(range, blackBox, local, labels) {
                LabelMoments($0, $1, relevant: $2, masked: $3, target: target)
            }
            for moments in rows { sums.add(moments) }
        }
        let count = Double(labelledRows)
        expected = (sums.blackBox / count, sums.local / count)
        labelEntropy = sums.entropy / count
        blackBoxVaries = sums.blackBoxVaries
        localVaries = sums.localVaries
    }

    /// Value and derivatives at the weights a and b.
    func evaluate(blackBox a: Double, local b: Double) throws -> Value {
        var sum = mafin_moments()
        try blocks.forEach { range, blackBox, local in
            let rows = ScoreBlocks.mapLabelledRows(range, blackBox, local, labels) { x, y, _, masked in
                mafin_moments(x, y, masked: masked, a: a, b: b)
            }
            for moments in rows { sum.add(moments) }
        }
        let count = Double(labelledRows)
        return Value(
            loss: sum.log_sum / count - a * expected.0 - b * expected.1,
            gradient: (sum.mean_x / count - expected.0, sum.mean_y / count - expected.1),
            hessian: (sum.variance_x / count, sum.covariance / count, sum.variance_y / count))
    }
}

/// The moments of one row's scores under its label distribution Q.
private struct LabelMoments: Sendable {
    var blackBox: Double = 0
    var local: Double = 0
    var entropy: Double = 0
    var blackBoxVaries = false
    var localVaries = false

    init() {}

    init(
        _ x: UnsafeBufferPointer<Float>, _ y: UnsafeBufferPointer<Float>, relevant: [Judgement], masked: [Int],
        target: ListNet.Target
    ) {
        var isOut = [Bool](repeating: false, count: x.count)
        for column in masked { isOut[column] = true }
        for judgement in relevant {
            precondition(!isOut[judgement.column], "relevant column \(judgement.column) is masked or named twice")
            isOut[judgement.column] = true
        }
        var negatives = 0
        var sums = (0.0, 0.0)
        let first = relevant[0].column
        for column in x.indices where !isOut[column] {
            negatives += 1
            sums.0 += Double(x[column])
            sums.1 += Double(y[column])
            if x[column] != x[first] { blackBoxVaries = true }
            if y[column] != y[first] { localVaries = true }
        }
        let label = target.distribution(grades: relevant.map(\.grade), negatives: negatives)
        blackBox = label.negative * sums.0
        local = label.negative * sums.1
        if label.negative > 0 { entropy -= Double(negatives) * label.negative * log(label.negative) }
        for (judgement, share) in zip(relevant, label.relevant) {
            blackBox += share * Double(x[judgement.column])
            local += share * Double(y[judgement.column])
            if share > 0 { entropy -= share * log(share) }
            if x[judgement.column] != x[first] { blackBoxVaries = true }
            if y[judgement.column] != y[first] { localVaries = true }
        }
    }

    mutating func add(_ other: LabelMoments) {
        blackBox += other.blackBox
        local += other.local
        entropy += other.entropy
        blackBoxVaries = blackBoxVaries || other.blackBoxVaries
        localVaries = localVaries || other.localVaries
    }
}

extension mafin_moments {
    /// The moments of one row's scores under P = softmax(a x + b y).
    fileprivate init(
        _ x: UnsafeBufferPointer<Float>, _ y: UnsafeBufferPointer<Float>, masked: [Int], a: Double, b: Double
    ) {
        self = withUnsafeTemporaryAllocation(of: Double.self, capacity: x.count) { logits in
            for column in x.indices { logits[column] = a * Double(x[column]) + b * Double(y[column]) }
            for column in masked { logits[column] = -.infinity }
            return mafin_softmax_moments(x.count, logits.baseAddress, x.baseAddress, y.baseAddress)
        }
    }

    fileprivate mutating func add(_ other: mafin_moments) {
        log_sum += other.log_sum
        mean_x += other.mean_x
        mean_y += other.mean_y
        variance_x += other.variance_x
        covariance += other.covariance
        variance_y += other.variance_y
    }
}
