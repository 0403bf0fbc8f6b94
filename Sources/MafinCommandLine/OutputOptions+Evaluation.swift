import MafinReport
import MafinWorkflows

extension OutputOptions {
    /// Prints the table. Systems that could not be measured are named in notes.
    package func print(
        _ evaluation: EvaluationWorkflow.Result, asMarkdown: Bool = false, _ shared: SharedOptions
    ) throws {
        for omission in evaluation.omitted { shared.note("no row \(omission.name): \(omission.reason)") }
        let summary = EvaluationSummary(evaluation.report)
        try print(evaluation, or: (asMarkdown ? summary.markdown() : summary.text()) + "\n")
    }
}
