import Foundation
import MafinMethod
import MafinRetrieval

/// Whether a trained encoder should be used beside its black box, judged on held-out queries.
public struct Verdict: Sendable, Codable, Hashable {
    /// The answer.
    public enum Decision: String, Sendable, Codable {
        /// The 95 % interval of the difference to the black box lies above 0, and training shows a gain.
        case ship
        /// λ is 0, or the metric is not above the black box's, or training does not raise it.
        case doNotShip = "do-not-ship"
        /// The metric rises, but the difference to the black box or the gain of training may be chance, or the queries ask for too
        /// few new sets of documents; or nothing was measured.
        case cannotTell = "cannot-tell"
    }

    /// The answer.
    public let decision: Decision
    /// The reason, in one or two sentences with the figures.
    public let reason: String
    /// Whether the user overrode it (`--force`). The decision does not change.
    public private(set) var isForced = false

    /// Decides from the share of the local score, the difference to the black box on dev, and the gain of training.
    ///
    /// λ and the state were chosen on dev too, so the difference to the black box is slightly too high on average. Only
    /// a measurement on test is unbiased. The gain of training is measured on dev queries that did not choose the state
    /// (``TrainingGain``).
    /// - Parameters:
    ///   - lambda: λ as chosen on dev, in 0…1; `nil` if each text has its own weight.
    ///   - difference: mean over dev queries of joined embedding minus black box, with its 95 % interval; `nil` if
    ///     nothing was measured.
    ///   - gain: the gain of training over its untrained start; `nil` if nothing was trained.
    ///   - tooFewNewSets: ``QueryPartition/tooFewNewSets`` of the dev queries.
    public init(
        lambda: Float?, metric: String, difference: (mean: Double, low: Double, high: Double)?, queries: Int,
        gain: TrainingGain? = nil, tooFewNewSets: Int? = nil
    ) {
        if lambda == 0 {
            decision = .doNotShip
            reason =
                "The best share of the local score on dev is λ = 0: the black box alone is at least as good as any mixture with it."
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
            + "over the black box (95 % interval \(Self.signed(difference.low)) to \(Self.signed(difference.high)))"
        if difference.mean <= 0 {
            decision = .doNotShip
            reason = "\(figures): the joined embedding does not improve on the black box."
        } else if let gain, !gain.isShown {
            decision = gain.mean > 0 ? .cannotTell : .doNotShip
            reason =
                "\(figures), but training shows no gain over the untrained encoder: \(Self.signed(gain.mean)) on dev queries "
                + "that did not choose among its \(gain.evaluations) states (p = \(String(format: "%.3f", gain.p)))."
        } else if difference.low > 0, let sets = tooFewNewSets {
            decision = .cannotTell
            reason = "\(figures): the whole interval lies above 0. But \(Self.fewSets(sets))"
        } else if difference.low > 0 {
            decision = .ship
            let trained = gain.map {
                " Training gained \(Self.signed($0.mean)) on dev queries that did not choose the state "
                    + "(p = \(String(format: "%.4f", $0.p)))."
            }
            reason = "\(figures): the whole interval lies above 0.\(trained ?? "")"
        } else {
            decision = .cannotTell
            let advice = tooFewNewSets.map { ". Besides, \(Self.fewSets($0))" }
            reason =
                "\(figures): the gain is within what chance gives on so few queries"
                + (advice ?? "; more labelled dev queries would tell.")
        }
    }

    /// Nothing can be told, for the given reason.
    package init(cannotTell reason: String) { (decision, self.reason) = (.cannotTell, reason) }

    /// Decides from a comparison on dev.
    /// - Parameters:
    ///   - lambda: λ as chosen on dev; `nil` if each text has its own weight.
    ///   - development: the comparison, with the black box as its baseline.
    ///   - system: the joined embedding's name in the comparison.
    ///   - gain: the gain of training over its untrained start, in the same metric; `nil` if nothing was trained.
    ///   - tooFewNewSets: ``QueryPartition/tooFewNewSets`` of the dev queries.
    public init(
        lambda: Float?, development: EvaluationReport, system: String = "mafin", gain: TrainingGain? = nil,
        metric: Metric = .nDCG(cutoff: 10), tooFewNewSets: Int? = nil
    ) {
        let difference = development.systems.first { $0.name == system }?.difference?[metric]
        self.init(
            lambda: lambda, metric: metric.description, difference: difference.map { ($0.mean, $0.low, $0.high) },
            queries: development.queries, gain: gain, tooFewNewSets: tooFewNewSets)
    }

    /// Why a gain on queries about few new sets of documents is no evidence.
    /// - Parameter sets: ``QueryPartition/tooFewNewSets``.
    public static func fewSets(_ sets: Int) -> String {
        "most of the queries ask for documents that training did not name, and for only \(sets) \(sets == 1 ? "set" : "sets") of them (such as "
            + "classes). Queries of one set rise and fall together; queries about \(QueryPartition.fewestSets) sets or more could tell."
    }

    /// Whether the artefact may be used: the decision is not ``Decision/doNotShip``, or the user overrode it.
    public var allowsUse: Bool { decision != .doNotShip || isForced }

    /// The verdict after `--force`: ``Decision/doNotShip`` is overridden, any other decision stays the same.
    public func forced() -> Verdict {
        var result = self
        result.isForced = decision == .doNotShip
        return result
    }

    private static func signed(_ value: Double) -> String {
        // No minus sign before a figure that rounds to 0.
        let rounded = (abs(value) * 10_000).rounded() / 10_000
        return (value < 0 && rounded > 0 ? "−" : "+") + String(format: "%.4f", rounded)
    }
}

extension Verdict.Decision {
    /// The decision in words for the user. On dev it says whether a comparison on test queries is worth its time. The
    /// word "verdict" is used only for the result of that comparison.
    public var words: String {
        switch self {
        case .ship: "worth comparing"
        case .doNotShip: "no gain"
        case .cannotTell: "cannot tell"
        }
    }
}
