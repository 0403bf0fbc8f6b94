import Foundation
import MafinNumerics

/// The weights of both sources that make the labels most likely: `z = a · s_bb + b · s_θ`, `P = softmax(z)` over each query's
/// full candidate list.
///
/// The cosines of two encoders differ in spread: at equal weights the source whose cosines vary more decides the ranking, whichever is
/// better. The fit minimises the mean over labelled queries of `−Σ_d Q_d log P_d`, with Q as in ``ListNet/Target``. The function is convex
/// in its two parameters, so there is one optimum.
///
/// Constraints: `a ≥ 0` and `b ≥ 0`, because a negative weight would rank by *dis*similarity. A source that only adds noise gets
/// weight 0, and then λ is 0 or 1. And `τ = 1/(a+b)` is at least ``minimumTemperature``: where scores separate the labels without
/// error, the likelihood has no maximum.
public struct Calibration: Sendable, Codable, Hashable {
    /// The fitted weights.
    public let scale: MixtureWeights
    /// Mean over the labelled queries of the cross entropy between labels and scores, in nats.
    public let loss: Double
    /// Mean entropy of the label distributions, in nats: the least that ``loss`` can be.
    public let labelEntropy: Double
    /// Queries that had a relevant document.
    public let labelledRows: Int
    /// Which weights are free, and which were held by a constraint.
    public let outcome: Outcome
    /// Whether τ lies at ``minimumTemperature``: without that bound it would be lower.
    public let isTemperatureAtMinimum: Bool
    /// The bound of τ.
    public let minimumTemperature: Float
    /// Standard error of λ from the curvature of the likelihood (the inverse of its Hessian; delta method), each query's
    /// label distribution counted as one observation. `nil` where λ is 0 or 1 by a constraint.
    public let lambdaStandardError: Double?
    /// Standard error of log τ, in the same way. `nil` where τ is at its bound.
    public let logTemperatureStandardError: Double?
    /// Passes over the scores.
    public let passes: Int

    /// Which of the two weights are above 0.
    public enum Outcome: String, Sendable, Codable, Hashable {
        /// Both weights are above 0.
        case both
        /// b = 0, λ = 0: the local encoder does not help.
        case blackBoxOnly = "black-box-only"
        /// a = 0, λ = 1: the black box does not help beside the local encoder.
        case localOnly = "local-only"
    }

    /// Fits the weights to labels.
    ///
    /// - Parameters:
    ///   - blocks: both sources' scores of the queries against all candidates; read once per iteration, about ten times.
    ///   - labels: one row a query; masked columns are no candidates; rows without a relevant column are left out.
    ///   - target: how grades become label distributions.
    ///   - minimumTemperature: bound of τ from below.
    ///   - start: where to begin, such as the last fit; changes the time, not the result.
    /// - Throws: ``CalibrationError``, ``CombinationError/notFinite(source:row:column:id:)``, and what computes the blocks throws.
    /// - Complexity: O(queries · documents) a pass, double precision, on all threads; memory of one block and a row a thread.
    public static func fit(
        _ blocks: ScoreBlocks, labels: BlockLabels, target: ListNet.Target = .exponentialGain,
        minimumTemperature: Float = 0.001, startingAt start: MixtureWeights? = nil
    ) throws -> Calibration {
        precondition(minimumTemperature > 0, "minimum temperature \(minimumTemperature)")
        let objective = try CalibrationObjective(blocks: blocks, labels: labels, target: target)
        let bound = 1 / Double(minimumTemperature)
        var minimizer = ScaleMinimizer(bound: bound, isFixed: (!objective.blackBoxVaries, !objective.localVaries))
        if let start { minimizer.begin(at: (Double(start.blackBox), Double(start.local))) }
        var best = try minimizer.minimize { try objective.evaluate(blackBox: $0.0, local: $0.1) }
        let sum = best.point.0 + best.point.1
        guard sum > 1e-6 else { throw CalibrationError.uninformative(labelledRows: objective.labelledRows) }
        var passes = best.evaluations + 1
        if best.value.loss - objective.labelEntropy < 1e-9, sum < bound {
            // The scores explain all labels: any lower temperature is as good, and the bound decides.
            let point = (best.point.0 / sum * bound, best.point.1 / sum * bound)
            best.value = try objective.evaluate(blackBox: point.0, local: point.1)
            best.point = point
            passes += 1
        }
        return Calibration(
            best.point, best.value, objective: objective, minimumTemperature: minimumTemperature, passes: passes)
    }

    /// Fits the weights to labels, from two cached score matrices `(queries, documents)`.
    ///
    /// See ``fit(_:labels:target:minimumTemperature:startingAt:)``.
    /// - Parameter blackBox: `nil` fits the temperature of the local score alone.
    public static func fit(
        blackBox: Matrix?, local: Matrix, labels: BlockLabels, target: ListNet.Target = .exponentialGain,
        minimumTemperature: Float = 0.001, startingAt start: MixtureWeights? = nil
    ) throws -> Calibration {
        try fit(
            ScoreBlocks(blackBox: blackBox ?? Matrix(rows: local.rows, columns: local.columns), local: local),
            labels: labels, target: target,
            minimumTemperature: minimumTemperature, startingAt: start)
    }

    private init(
        _ point: (Double, Double), _ value: CalibrationObjective.Value, objective: CalibrationObjective,
        minimumTemperature: Float, passes: Int
    ) {
        let (a, b) = point
        let bound = 1 / Double(minimumTemperature)
        let isAtBound = a + b >= bound * (1 - 1e-9)
        scale = MixtureWeights(blackBox: Float(a), local: Float(b))
        loss = value.loss
        labelEntropy = objective.labelEntropy
        labelledRows = objective.labelledRows
        outcome = b <= 0 ? .blackBoxOnly : a <= 0 ? .localOnly : .both
        isTemperatureAtMinimum = isAtBound
        self.minimumTemperature = minimumTemperature
        self.passes = passes
        let hessian = value.hessian
        let count = Double(objective.labelledRows)
        /// One over the square root of a curvature summed over the queries; `nil` where there is none.
        func error(_ curvature: Double) -> Double? { curvature > 0 ? 1 / (count * curvature).squareRoot() : nil }
        switch (outcome, isAtBound) {
        case (.both, false):
            let determinant = hessian.0 * hessian.2 - hessian.1 * hessian.1
            guard determinant > 1e-12 * hessian.0 * hessian.2 else {
                // The sources are copies of each other up to a factor: only the sum of their weights is known.
                (lambdaStandardError, logTemperatureStandardError) = (nil, nil)
                return
            }
            let covariance = (
                hessian.2 / (determinant * count), -hessian.1 / (determinant * count), hessian.0 / (determinant * count)
            )
            let sum = a + b
            let byLambda = (-b / (sum * sum), a / (sum * sum))
            let variance =
                byLambda.0 * byLambda.0 * covariance.0 + 2 * byLambda.0 * byLambda.1 * covariance.1
                + byLambda.1 * byLambda.1 * covariance.2
            lambdaStandardError = variance.squareRoot()
            logTemperatureStandardError = (covariance.0 + 2 * covariance.1 + covariance.2).squareRoot() / sum
        case (.both, true):
            // Along the bound: (a, b) = bound · (1 − λ, λ).
            lambdaStandardError = error(bound * bound * (hessian.0 - 2 * hessian.1 + hessian.2))
            logTemperatureStandardError = nil
        case (.blackBoxOnly, _), (.localOnly, _):
            lambdaStandardError = nil
            let curvature = outcome == .blackBoxOnly ? a * a * hessian.0 : b * b * hessian.2
            logTemperatureStandardError = isAtBound ? nil : error(curvature)
        }
    }
}

/// Why no weights could be fitted, or no λ chosen.
public enum CalibrationError: Error, Equatable, CustomStringConvertible {
    /// No query has a relevant document among the candidates.
    case noLabelledRow(rows: Int)
    /// The labels are as likely, or likelier, when both sources are ignored: λ is not defined.
    case uninformative(labelledRows: Int)

    /// One sentence.
    public var description: String {
        switch self {
        case .noLabelledRow(let rows):
            "none of the \(rows) queries has a relevant document among the candidates: there is nothing to fit the weights to"
        case .uninformative(let labelledRows):
            "neither source scores the relevant documents of the \(labelledRows) labelled queries above the others: no mixture of them is better than chance"
        }
    }
}
