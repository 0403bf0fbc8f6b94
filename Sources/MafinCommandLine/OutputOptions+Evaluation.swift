import Foundation
import MafinPipeline
import MafinReport
import MafinRetrieval
import MafinWorkflows

extension OutputOptions {
    /// Prints the table. Systems that could not be measured are named in notes.
    package func print(
        _ evaluation: EvaluationWorkflow.Result, asMarkdown: Bool = false, _ shared: SharedOptions
    ) throws {
        for omission in evaluation.omitted { shared.note("no row \(omission.name): \(omission.reason)") }
        let summary = EvaluationSummary(evaluation.report)
        try print(
            evaluation,
            or: ([asMarkdown ? summary.markdown() : summary.text()]
                + Self.byDocuments(evaluation, summary.metrics.first))
                .joined(separator: "\n") + "\n")
    }

    /// A line for the queries about documents that training knew, and one for those about new documents.
    static func byDocuments(_ evaluation: EvaluationWorkflow.Result, _ metric: Metric?) -> [String] {
        guard let documents = evaluation.documents, let metric else { return [] }
        let names = [
            ArtefactEvaluation.baseline, ArtefactEvaluation.denseName, ArtefactEvaluation.artefactName,
            ArtefactEvaluation.indexName,
        ]
        func line(_ title: String, _ report: EvaluationReport) -> String {
            let figures = names.compactMap { name in
                report.systems.first { $0.name == name }.map {
                    "\(name) " + String(format: "%.3f", $0.metrics[metric] ?? 0)
                }
            }
            return "\(title) (\(report.queries) queries): \(metric) \(figures.joined(separator: ", "))"
        }
        return ["", line("Known documents", documents.known), line("New documents", documents.new)]
    }
}
