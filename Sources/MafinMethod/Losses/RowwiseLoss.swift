import CMafinKernels
import Foundation
import MafinNumerics

/// A ``Loss`` that is a mean over queries, and that depends on a query's unlabelled documents only through the
/// log-sum-exp and the sum of their logits.
///
/// All losses of this module are of this kind. They are cheap even if the candidates are the whole corpus: a row takes
/// one pass of exponentials, and the two parts of a hybrid share that pass.
public protocol RowwiseLoss: Loss {
    /// Whether ``LossRow/negativeLogitSum`` is read. Computing it costs one more pass over the row.
    var needsNegativeLogitSum: Bool { get }

    /// The loss of one row and its gradient, not yet divided by the number of rows.
    /// - Parameters:
    ///   - row: a row with at least one relevant column.
    ///   - gradient: receives `∂value/∂z` of the relevant columns, in the order of `row.logits`; zeros on entry.
    func evaluate(row: LossRow, gradient: inout [Double]) -> RowTerms
}

/// One query of a score block, as a ``RowwiseLoss`` reads it.
public struct LossRow: Sendable {
    /// Logits of the relevant columns.
    public var logits: [Double]
    /// Grades of the relevant columns, above zero.
    public var grades: [Float]
    /// Number of columns that are neither relevant nor masked: the negatives.
    public var negativeCount: Int
    /// `log Σ exp z` over the negatives; −∞ where there are none.
    public var negativeLogSumExp: Double
    /// `Σ z` over the negatives; 0 unless ``RowwiseLoss/needsNegativeLogitSum``.
    public var negativeLogitSum: Double
}

/// The loss of one row, and the two numbers that give the gradient of its negatives.
public struct RowTerms: Sendable {
    /// The loss of the row.
    public var value: Double
    /// `∂value/∂z` of a negative is `negativeWeight · softmax_negatives(z) − negativeTarget`.
    public var negativeWeight: Double
    /// See ``negativeWeight``.
    public var negativeTarget: Double

    /// The terms of one row.
    public init(value: Double, negativeWeight: Double, negativeTarget: Double = 0) {
        self.value = value
        self.negativeWeight = negativeWeight
        self.negativeTarget = negativeTarget
    }
}

extension RowwiseLoss {
    /// See ``RowwiseLoss/needsNegativeLogitSum``.
    public var needsNegativeLogitSum: Bool { false }

    /// See ``Loss/evaluate(logits:labels:)``.
    public func evaluate(logits: Matrix, labels: BlockLabels) -> LossValue {
        let (values, gradient) = evaluateRows(logits: logits, labels: labels)
        // The sum is taken in row order, so that the result does not depend on the number of threads.
        let sum = values.reduce(0, +)
        return LossValue(value: Float(sum / Double(max(1, labels.labelledRows))), gradient: gradient)
    }

    /// The loss of each row, 0 for rows without a relevant column, and the gradient of their mean over the labelled rows.
    func evaluateRows(logits: Matrix, labels: BlockLabels) -> (values: [Double], gradient: Matrix) {
        precondition(labels.rows == logits.rows, "labels of \(labels.rows) rows for \(logits.rows) rows of logits")
        let (rows, columns) = (logits.rows, logits.columns)
        let labelled = labels.labelledRows
        let share = labelled > 0 ? 1 / Double(labelled) : 0
        var values = [Double](repeating: 0, count: rows)
        let gradient = [Float](unsafeUninitializedCapacity: rows * columns) { buffer, initialized in
            initialized = rows * columns
            guard let target = buffer.baseAddress else { return }
            logits.values.withUnsafeBufferPointer { source in
                guard let source = source.baseAddress else { return }
                let pointers = UnsafeTransfer((source: source, target: target))
                values = parallelMap(rows) { row in
                    let (source, target) = pointers.value
                    return evaluateRow(
                        source + row * columns, into: target + row * columns, columns: columns,
                        relevant: labels.relevant[row], masked: labels.masked[row], share: share)
                }
            }
        }
        return (values, Matrix(rows: rows, columns: columns, values: gradient))
    }

    /// Writes one row of the gradient, times `share`; returns the row's loss.
    private func evaluateRow(
        _ logits: UnsafePointer<Float>, into gradient: UnsafeMutablePointer<Float>, columns: Int,
        relevant: [Judgement], masked: [Int], share: Double
    ) -> Double {
        guard !relevant.isEmpty else {
            gradient.initialize(repeating: 0, count: columns)
            return 0
        }
        gradient.initialize(from: logits, count: columns)
        var row = LossRow(
            logits: [], grades: [], negativeCount: columns, negativeLogSumExp: -.infinity, negativeLogitSum: 0)
        row.logits.reserveCapacity(relevant.count)
        row.grades.reserveCapacity(relevant.count)
        var excludedSum: Double = 0
        for column in masked {
            precondition(column >= 0 && column < columns, "masked column \(column) of \(columns)")
            guard gradient[column] != -.infinity else { continue }
            excludedSum += Double(gradient[column])
            gradient[column] = -.infinity
            row.negativeCount -= 1
        }
        for judgement in relevant {
            let column = judgement.column
            precondition(column >= 0 && column < columns, "relevant column \(column) of \(columns)")
            precondition(judgement.grade > 0, "grade \(judgement.grade) of relevant column \(column)")
            precondition(gradient[column] != -.infinity, "relevant column \(column) is masked, named twice, or −∞")
            row.logits.append(Double(gradient[column]))
            row.grades.append(judgement.grade)
            excludedSum += Double(gradient[column])
            gradient[column] = -.infinity
            row.negativeCount -= 1
        }
        var sum: Double = 0
        if row.negativeCount > 0 {
            let largest = mafin_maximum(columns, gradient)
            sum = mafin_exponentials(columns, gradient, largest)
            row.negativeLogSumExp = Double(largest) + log(sum)
            if needsNegativeLogitSum {
                row.negativeLogitSum = mafin_sum(columns, logits) - excludedSum
            }
        }
        var relevantGradient = [Double](repeating: 0, count: relevant.count)
        let terms = evaluate(row: row, gradient: &relevantGradient)
        if row.negativeCount > 0 {
            let (weight, target) = (Float(terms.negativeWeight * share / sum), Float(terms.negativeTarget * share))
            for column in 0..<columns { gradient[column] = gradient[column] * weight - target }
        }
        for column in masked { gradient[column] = 0 }
        for (judgement, value) in zip(relevant, relevantGradient) { gradient[judgement.column] = Float(value * share) }
        return terms.value
    }
}

/// `log(exp a + exp b)` without overflow; −∞ stands for an empty sum.
func logAddExp(_ a: Double, _ b: Double) -> Double {
    let (low, high) = a < b ? (a, b) : (b, a)
    return low == -.infinity ? high : high + log1p(exp(low - high))
}
