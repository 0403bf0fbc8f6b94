import Foundation
import MafinEncoder
import MafinRetrieval

/// Decides whether an encoder may embed in a lower precision. Rankings decide, not the similarity of vectors: a mean cosine of .999 can hide
/// the few documents that change places at the top.
///
/// A precision passes if, on dev, the mean of the metric over queries changes by less than ``largestChange`` in either direction, and if the
/// interval of the change (``MafinRetrieval/PairedBootstrap``) holds 0, so that the change is no more than chance. Both are asked of every
/// ranking of the artefact. If a precision does not pass, the next better one is tried.
public struct PrecisionGate: Sendable {
    /// The metric that decides.
    public static let metric = Metric.nDCG(cutoff: 10)

    /// The change of the metric from which on a precision does not pass.
    public var largestChange = 0.002
    /// The interval of a change.
    public var bootstrap = PairedBootstrap()

    /// The standard bounds.
    public init() {}

    /// One ranking, measured.
    public typealias Measured = (ranking: PrecisionRecord.Ranking, evaluation: RunEvaluation)

    /// Measures all rankings with documents in one precision and queries in another, always in the same order and on the same queries.
    public typealias Measure = (_ documents: Precision, _ queries: Precision) throws -> [Measured]

    /// Precisions to try for what was asked, the fastest first. float32 need not be tried.
    /// - Parameter fastest: the fastest precision of the processor that ranks like float32.
    static func candidates(asked: Precision, fastest: Precision) -> [Precision] {
        switch asked {
        case .float32: []
        case .bfloat16: [.bfloat16]
        // Without instructions for it, bfloat16 is slower than float32 and has nothing to offer in its place.
        case .int8: fastest == .bfloat16 ? [.int8, .bfloat16] : [.int8]
        }
    }

    /// Decides.
    /// - Parameter fastest: the fastest precision of the processor that ranks like float32.
    /// - Throws: what `measure` throws.
    public func decide(
        asked: Precision, fastest: Precision = .hardwareDefault, measure: Measure
    ) throws -> PrecisionRecord {
        guard asked != .float32 else { return PrecisionRecord(float32: "float32 was asked for") }
        let reference = try measure(.float32, .float32)
        guard reference.contains(where: { !$0.evaluation.queryIds.isEmpty }) else {
            return PrecisionRecord(
                float32: "no query of dev has a relevant document, so no other precision can be compared with float32",
                asked: asked)
        }
        var trials: [PrecisionRecord.Trial] = []
        for precision in Self.candidates(asked: asked, fastest: fastest) {
            let trial = try trial(of: precision, reference, measure)
            trials.append(trial)
            guard trial.passed else { continue }
            let failed = trials.dropLast().map(Self.failure)
            return PrecisionRecord(
                asked: asked, used: precision, reason: (failed + [Self.success(trial)]).joined(separator: "; "),
                trials: trials)
        }
        let untried = asked == .int8 && fastest != .bfloat16 ? ["this processor has no instructions for bf16"] : []
        return PrecisionRecord(
            asked: asked, used: .float32,
            reason: (trials.map(Self.failure) + untried).joined(separator: "; ") + "; so float32 is used",
            trials: trials)
    }

    /// Compares a precision with float32, on both sides and on each side alone.
    private func trial(
        of precision: Precision, _ reference: [Measured], _ measure: Measure
    ) throws -> PrecisionRecord.Trial {
        var figures: [PrecisionRecord.Figure] = []
        for (documents, queries) in [(precision, precision), (precision, .float32), (.float32, precision)] {
            let measured = try measure(documents, queries)
            precondition(measured.map(\.ranking) == reference.map(\.ranking), "other rankings than in float32")
            for (this, float32) in zip(measured, reference) {
                let change = bootstrap.interval(
                    of: this.evaluation.differences(from: float32.evaluation, in: Self.metric))
                figures.append(
                    PrecisionRecord.Figure(
                        ranking: this.ranking, documents: documents, queries: queries, metric: Self.metric,
                        queryCount: this.evaluation.queryIds.count, float32: float32.evaluation.means[Self.metric] ?? 0,
                        value: this.evaluation.means[Self.metric] ?? 0, change: change, passed: allows(change)))
            }
        }
        let own = figures.filter { $0.documents == precision && $0.queries == precision }
        return PrecisionRecord.Trial(precision: precision, passed: own.allSatisfy(\.passed), figures: figures)
    }

    /// Whether a change is below the largest one and no more than chance.
    func allows(_ change: PairedBootstrap.Interval) -> Bool {
        abs(change.mean) < largestChange && change.low <= 0 && change.high >= 0
    }

    // MARK: Words

    /// The figure with the precision on both sides that changes most, of those that failed if there are any.
    private static func decisive(_ trial: PrecisionRecord.Trial) -> PrecisionRecord.Figure? {
        let own = trial.figures.filter { $0.documents == trial.precision && $0.queries == trial.precision }
        let failed = own.filter { !$0.passed }
        return (failed.isEmpty ? own : failed).max { abs($0.change.mean) < abs($1.change.mean) }
    }

    private static func success(_ trial: PrecisionRecord.Trial) -> String {
        "\(trial.precision.rawValue) passed: \(decisive(trial).map(words) ?? "nothing changes")"
    }

    private static func failure(_ trial: PrecisionRecord.Trial) -> String {
        "\(trial.precision.rawValue) did not pass: \(decisive(trial).map(words) ?? "nothing was measured")"
    }

    private static func words(_ figure: PrecisionRecord.Figure) -> String {
        let change = figure.change
        let ranking: String =
            switch figure.ranking {
            case .all: "the whole ranking"
            case .withoutMemories: "the ranking without memories of queries"
            case .offline: "the ranking without asking the black box"
            case .offlineWithoutMemories: "the ranking without asking the black box and without memories of queries"
            }
        return String(
            format: "%@ of %@ on %ld dev queries changes by %+.5f (95 %% interval %+.5f to %+.5f)",
            figure.metric.description, ranking, figure.queryCount, change.mean, change.low, change.high)
    }
}
