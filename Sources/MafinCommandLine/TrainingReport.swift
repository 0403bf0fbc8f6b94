import Foundation
import MafinBlackBox
import MafinMethod
import MafinPipeline
import MafinReport
import MafinRetrieval
import MafinWorkflows

/// A training that a command ran with progress on the terminal, and its output.
package struct TrainingReport {
    /// The output of `--json`.
    package struct Summary: Encodable {
        var artefact: String
        var mode: ModeChoice.Mode
        var modeReason: String
        /// Seconds from the start of the command until the first step began, and the duration of that step. Nil if a resumed run had no step left.
        var secondsToFirstStep: Double?
        var secondsOfFirstStep: Double?
        var verdict: Verdict
        var contenders: [TrainingWorkflow.TrainedMethod]
        var development: EvaluationReport
        /// Nil without `--compose`.
        var composition: TrainedComposition?
        /// Nil without `--stand-in`.
        var standIn: TrainedOffline?
        /// Nil without `--index-dimensions` and `--index-target`, and if the vectors fit as they are.
        var reduction: ReductionWorkflow.Result?
        /// Nil if nothing but float32 came into question.
        var precision: PrecisionRecord?
    }

    package let summary: Summary
    private let workflow: TrainingWorkflow
    private let development: [EvaluationReport]

    /// Trains.
    package static func of(_ workflow: TrainingWorkflow, _ shared: SharedOptions) async throws -> TrainingReport {
        let progress = TrainingProgress(shared)
        defer { progress.finish() }
        let result = try await workflow.run(
            onEvent: { progress.report($0, $1) }, onStandIn: { progress.report("stand-in", $0) })
        return TrainingReport(
            summary: Summary(
                artefact: result.methods[0].artefact, mode: result.mode, modeReason: result.modeReason,
                secondsToFirstStep: progress.firstStep.began, secondsOfFirstStep: progress.firstStep.took,
                verdict: result.verdict, contenders: result.methods, development: result.development[0],
                composition: result.composition, standIn: result.standIn, reduction: result.reduction,
                precision: result.precision),
            workflow: workflow, development: result.development)
    }

    /// The output for people: the figures on dev and the judgement.
    package var text: String {
        var combined = development[0]
        for report in development.dropFirst() { combined.systems += report.systems.suffix(1) }
        let verdict = summary.verdict
        // For the method itself, the last line says it.
        let idle = summary.contenders.dropFirst().filter { $0.bestStep == 0 }.map(\.name)
        let note =
            idle.isEmpty
            ? ""
            : "\nNo state of training was better on dev than the released encoder: \(idle.joined(separator: ", ")).\n"
        return """
            On dev, where every choice was made:
            \(EvaluationSummary(combined).text())
            \(note)
            \(summary.composition.map { Self.text(of: $0) } ?? "")\(summary.standIn.map { Self.text(of: $0) } ?? "")On dev: \(verdict.decision.words)\(verdict.isForced ? " (overridden by --force)" : ""). \(verdict.reason)
            \(summary.reduction.map { "\($0.text)\n" } ?? "")\(summary.precision.map { "\($0.text)\n" } ?? "")Written to \(workflow.output).
            """
    }

    /// What `--compose` added, and what it is worth.
    static func text(of composition: TrainedComposition) -> String {
        let weights = composition.weights
        let parts = weights.sources.map { "\($0) \(String(format: "%.3g", weights[$0]))" }.joined(separator: ", ")
        let development = composition.development
        let figures = String(
            format: "%@ on dev is %.4f, and %.4f if no label named the answers. "
                + "Each query is measured with weights that were fitted to others.", development.metric.description,
            development.known, development.new)
        let omission = composition.omission.map { " Memories of labelled queries are \($0)." } ?? ""
        return """
            Composed of \(parts). \(figures)\(omission)
            The table and the judgement are of the encoder beside the black box alone.

            """
    }

    /// What `--stand-in` added, and what it is worth.
    package static func text(of standIn: TrainedOffline, baseline: String = "The black box") -> String {
        let weights = standIn.weights
        let parts = weights.sources.map { "\($0) \(String(format: "%.3g", weights[$0]))" }.joined(separator: ", ")
        let sums = standIn.sums.map { sum in
            let (known, new) = (sum.development.known, sum.development.new)
            return "\(sum.name) \(String(format: "%.4f", known))"
                + (known == new ? "" : String(format: " (%.4f if no label named the answers)", new))
        }
        let metric = standIn.sums.first?.development.metric.description ?? "The metric"
        return """
            Without asking the black box, \(metric) on dev is: \(sums.joined(separator: ", ")). \(baseline): \(String(format: "%.4f", standIn.blackBox)).
            Kept: \(standIn.system), of \(parts).

            """
    }

    /// The proposed next step, for people.
    package var next: String {
        let line = ShellText.line(
            "mafin", "evaluate", ShellText.path(workflow.output), "--data", ShellText.path(workflow.data), "--split",
            "test")
        return "To measure it on held-out queries:\n  \(line)"
    }
}
