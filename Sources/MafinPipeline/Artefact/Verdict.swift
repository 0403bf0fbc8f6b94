import Foundation
import MafinRetrieval

/// Whether a trained encoder should be used beside its black box, from held-out queries.
public struct Verdict: Sendable, Codable, Hashable {
    /// The answer.
    public enum Decision: String, Sendable, Codable {
        /// The whole interval of the difference lies above 0.
        case ship
        /// λ = 0, or the metric does not rise: over the black box, or by training.
        case doNotShip = "do-not-ship"
        /// The metric rises, but its interval holds 0; or nothing was measured.
        case cannotTell = "cannot-tell"
    }

    /// The answer.
    public let decision: Decision
    /// Why, in one or two sentences with the figures.
    public let reason: String
    /// Whether somebody chose to use it all the same (`--force`); the decision stays what it was.
    public private(set) var isForced = false

    /// Decides from the share of the local half and the difference to the black box on dev.
    ///
    /// Dev is also what λ and the training state were chosen on, so its figure flatters a little; test has the last word.
    /// - Parameters:
    ///   - lambda: λ* as chosen on dev, in 0…1; `nil` where each text has a weight of its own.
    ///   - metric: the metric's name.
    ///   - difference: mean over dev queries of joined minus black box, with its interval; `nil` where none was measured.
    ///   - queries: number of dev queries.
    ///   - gain: the metric on dev of the state that training ended with, minus that of the untrained start; `nil` where nothing was trained.
    ///   - level: confidence of the interval.
    public init(
        lambda: Float?, metric: String, difference: (mean: Double, low: Double, high: Double)?, queries: Int,
        gain: Double? = nil, level: Double = 0.95
    ) {
        let share = Int((level * 100).rounded())
        if lambda == 0 {
            decision = .doNotShip
            reason =
                "The best share of the local half on dev is λ = 0: the black box alone is at least as good as any mixture with it."
            return
        }
        guard let difference, queries > 0, difference.mean.isFinite, difference.low.isFinite, difference.high.isFinite
        else {
            decision = .cannotTell
            reason =
                "There are no dev queries with a relevant document, so the difference to the black box is not known."
            return
        }
        let figures =
            "\(metric) of \(queries) dev \(queries == 1 ? "query" : "queries") changes by \(Self.signed(difference.mean)) "
            + "over the black box (\(share) % interval \(Self.signed(difference.low)) to \(Self.signed(difference.high)))"
        if difference.mean <= 0 {
            decision = .doNotShip
            reason = "\(figures): the joined embedding does not improve on the black box."
        } else if let gain, !(gain > 0) {
            decision = .doNotShip
            reason =
                "\(figures), but training gained nothing: on dev no state of it did better than its start, the encoder as released."
        } else if difference.low > 0 {
            decision = .ship
            reason = "\(figures): the whole interval lies above 0."
        } else {
            decision = .cannotTell
            reason =
                "\(figures): the gain is within what chance gives on so few queries; more labelled dev queries would tell."
        }
    }

    /// Decides from a comparison on dev.
    /// - Parameters:
    ///   - lambda: λ* as chosen on dev; `nil` where each text has a weight of its own.
    ///   - development: the comparison, with the black box as its baseline.
    ///   - system: the joined embedding's name there.
    ///   - gain: what training brought over the untrained start, in the same metric; `nil` where nothing was trained.
    ///   - metric: the metric that decides.
    public init(
        lambda: Float?, development: EvaluationReport, system: String = "mafin", gain: Double? = nil,
        metric: Metric = .nDCG(cutoff: 10)
    ) {
        let difference = development.systems.first { $0.name == system }?.difference?[metric]
        self.init(
            lambda: lambda, metric: metric.description, difference: difference.map { ($0.mean, $0.low, $0.high) },
            queries: development.queries, gain: gain)
    }

    /// Whether the artefact may be used: nothing speaks against it, or somebody insisted.
    public var allowsUse: Bool { decision != .doNotShip || isForced }

    /// The same verdict, overridden (`--force`) where it is against use; any other stays as it is.
    public func forced() -> Verdict {
        var result = self
        result.isForced = decision == .doNotShip
        return result
    }

    private static func signed(_ value: Double) -> String {
        // A minus sign before zeros would say something that the figure does not.
        let rounded = (abs(value) * 10_000).rounded() / 10_000
        return (value < 0 && rounded > 0 ? "−" : "+") + String(format: "%.4f", rounded)
    }
}
