import Foundation
import MafinNumerics

/// The weights a and b that make the labels most likely under `z = a · s_bb + b · s_θ`, `P = softmax(z)` over each
/// query's full candidate list.
///
/// The cosines of two encoders differ in spread. At equal weights, the source whose cosines vary more decides the
/// ranking, even if it is the worse one. This is ``WeightFit`` for two sources, in terms of λ and τ.
///
/// There are two constraints. The weights satisfy `a ≥ 0` and `b ≥ 0`, because a negative weight would rank by
/// *dis*similarity; a source that only adds noise gets weight 0, and λ is then 0 or 1. The temperature `τ = 1/(a+b)` is
/// at least ``minimumTemperature``, because the likelihood has no maximum where the scores separate the labels without
/// error.
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
    /// Whether τ is at ``minimumTemperature``, so that the fit without this bound would give a lower τ.
    public let isTemperatureAtMinimum: Bool
    /// The bound of τ.
    public let minimumTemperature: Float
    /// Standard error of λ from the inverse Hessian of the negative log-likelihood, by the delta method. Each query's
    /// label distribution counts as one observation. `nil` if a constraint holds λ at 0 or 1, or if the two sources are
    /// proportional to each other.
    public let lambdaStandardError: Double?
    /// Standard error of log τ, computed in the same way. `nil` if τ is at its bound, or if the two sources are
    /// proportional to each other.
    public let logTemperatureStandardError: Double?
    /// Number of passes that the fit made over the scores.
    public let passes: Int

    /// Which of the two weights are above 0.
    public enum Outcome: String, Sendable, Codable, Hashable {
        /// Both weights are above 0.
        case both
        /// b = 0, λ = 0: the local encoder does not help.
        case blackBoxOnly = "black-box-only"
        /// a = 0, λ = 1: the black box does not improve the local encoder's ranking.
        case localOnly = "local-only"
    }

    /// Fits the weights to labels.
    ///
    /// - Parameters:
    ///   - blocks: the scores of the queries by two sources, the black box first. They are read once per iteration,
    ///     about ten times in all.
    ///   - labels: one row per query. Masked columns are not candidates. Rows without a relevant column are left out.
    ///   - target: how grades become label distributions.
    ///   - minimumTemperature: lower bound of τ, above 0.
    ///   - start: where to begin, such as the weights of the last fit. It changes the time of the fit, not its result.
    /// - Throws: ``CalibrationError``, ``CombinationError/notFinite(source:row:column:id:)``, and whatever the closure
    ///   that computes the blocks throws.
    /// - Complexity: O(queries · documents) per pass, in double precision, on all threads. Memory: one block.
    public static func fit(
        _ blocks: ScoreBlocks, labels: BlockLabels, target: ListNet.Target = .exponentialGain,
        minimumTemperature: Float = 0.001, startingAt start: MixtureWeights? = nil
    ) throws -> Calibration {
        precondition(minimumTemperature > 0, "minimum temperature \(minimumTemperature)")
        precondition(blocks.sources.count == 2, "λ weighs two sources, not \(blocks.sources.count)")
        let fit = try WeightFit.fit(
            blocks, labels: labels, target: target, bound: .sum(1 / Double(minimumTemperature)),
            startingAt: start.map { [Double($0.blackBox), Double($0.local)] })
        guard fit.weights[0] + fit.weights[1] > 1e-6 else {
            throw CalibrationError.uninformative(labelledRows: fit.labelledRows)
        }
        return Calibration(fit, minimumTemperature: minimumTemperature)
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

    private init(_ fit: WeightFit, minimumTemperature: Float) {
        let (a, b) = (fit.weights[0], fit.weights[1])
        scale = MixtureWeights(blackBox: Float(a), local: Float(b))
        loss = fit.loss
        labelEntropy = fit.labelEntropy
        labelledRows = fit.labelledRows
        outcome = b <= 0 ? .blackBoxOnly : a <= 0 ? .localOnly : .both
        isTemperatureAtMinimum = fit.isAtBound
        self.minimumTemperature = minimumTemperature
        passes = fit.passes
        let bound = 1 / Double(minimumTemperature)
        let hessian = (fit.hessian[0], fit.hessian[1], fit.hessian[3])
        let count = Double(fit.labelledRows)
        /// `1 / √(count · curvature)`; `nil` if the curvature is not above 0.
        func error(_ curvature: Double) -> Double? { curvature > 0 ? 1 / (count * curvature).squareRoot() : nil }
        switch (outcome, fit.isAtBound) {
        case (.both, false):
            let determinant = hessian.0 * hessian.2 - hessian.1 * hessian.1
            guard determinant > 1e-12 * hessian.0 * hessian.2 else {
                // The two sources are proportional to each other, so only the sum of their weights can be estimated.
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
            logTemperatureStandardError = fit.isAtBound ? nil : error(curvature)
        }
    }
}

/// Why no weights could be fitted, or no λ chosen.
public enum CalibrationError: Error, Equatable, CustomStringConvertible {
    /// No query has a relevant document among the candidates.
    case noLabelledRow(rows: Int)
    /// The labels are at least as likely when both sources have weight 0, so λ is not defined.
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
