import Foundation
import MafinNumerics

/// The scale of both halves that makes the labels most likely: `z = a · s_bb + b · s_θ`, `P = softmax(z)` over each query's
/// full candidate list.
///
/// Black boxes differ in spread: at equal weights the half whose cosines vary more drowns the other, whichever is better. The
/// fit minimises the mean over labelled queries of `−Σ_d Q_d log P_d`, with Q as in ``ListNet/Target``. Two parameters and
/// convex, so the optimum is the only one.
///
/// Constraints: `a ≥ 0` and `b ≥ 0`, as a negative weight would rank by *dis*similarity, which no held-out query
/// bears out; a half that only adds noise gets 0, and then λ is 0 or 1. And `τ = 1/(a+b)` is at least
/// ``minimumTemperature``: where the labels can be told apart without error the likelihood has no maximum.
public struct Calibration: Sendable, Codable, Hashable {
    /// The fitted scale: ``MixtureWeights/lambda``, ``MixtureWeights/temperature``.
    public let scale: MixtureWeights
    /// Mean over the labelled queries of the cross entropy between labels and scores, in nats.
    public let loss: Double
    /// Mean entropy of the label distributions, in nats: the least that ``loss`` can be.
    public let labelEntropy: Double
    /// Queries that had a relevant document.
    public let labelledRows: Int
    /// Which weights are free, and which were held by a constraint.
    public let outcome: Outcome
    /// Whether τ lies at ``minimumTemperature``: the data ask for a sharper scale still.
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

    /// Which of the two weights the labels bear out.
    public enum Outcome: String, Sendable, Codable, Hashable {
        /// Both weights are above 0.
        case both
        /// b = 0, λ = 0: the local half does not help.
        case blackBoxOnly = "black-box-only"
        /// a = 0, λ = 1: the black box does not help beside the local half.
        case localOnly = "local-only"
    }

    /// The interval `λ ± 1.96` standard errors, cut to 0…1; `nil` where there is no standard error.
    public var lambdaInterval: ClosedRange<Double>? {
        lambdaStandardError.map { error in
            let lambda = Double(scale.lambda)
            return max(0, lambda - 1.96 * error)...min(1, lambda + 1.96 * error)
        }
    }

    /// Fits the scale to labels.
    ///
    /// - Parameters:
    ///   - blocks: both halves' scores of the queries against all candidates; gone over once per iteration, about ten times.
    ///   - labels: one row a query; masked columns are no candidates; rows without a relevant column are left out.
    ///   - target: how grades become label distributions.
    ///   - minimumTemperature: bound of τ from below.
    ///   - start: where to begin, such as the last fit; changes the time, not the result.
    /// - Throws: ``CalibrationError``, ``CombinationError/notFinite(half:row:column:id:)``, and what the source of the blocks throws.
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
            // All labels are explained: any sharper scale is as good, and the bound decides.
            let point = (best.point.0 / sum * bound, best.point.1 / sum * bound)
            best.value = try objective.evaluate(blackBox: point.0, local: point.1)
            best.point = point
            passes += 1
        }
        return Calibration(
            best.point, best.value, objective: objective, minimumTemperature: minimumTemperature, passes: passes)
    }

    /// Fits the scale to labels, from two cached score matrices `(queries, documents)`.
    ///
    /// See ``fit(_:labels:target:minimumTemperature:startingAt:)``.
    /// - Parameter blackBox: `nil` fits the temperature of the local half alone.
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
                // The halves are copies of each other up to a factor: only their sum is known.
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
        case (.blackBoxOnly, let isAtBound):
            lambdaStandardError = nil
            logTemperatureStandardError = isAtBound ? nil : error(a * a * hessian.0)
        case (.localOnly, let isAtBound):
            lambdaStandardError = nil
            logTemperatureStandardError = isAtBound ? nil : error(b * b * hessian.2)
        }
    }
}
