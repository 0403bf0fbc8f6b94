import MafinRetrieval
import Testing

@testable import MafinCommandLine
@testable import MafinWorkflows

@Suite struct EvaluationOutputTests {
    private func report(_ queries: Int, _ values: [(String, Double)]) -> EvaluationReport {
        EvaluationReport(
            split: "test", baseline: "black-box", queries: queries, queriesWithoutRelevantDocument: 0,
            systems: values.map {
                SystemEvaluation(name: $0.0, metrics: [.nDCG(cutoff: 10): $0.1], difference: nil)
            })
    }

    @Test func knownAndNewDocumentsHaveALineEach() {
        let whole = report(30, [("black-box", 0.3), ("artefact", 0.4)])
        var result = EvaluationWorkflow.Result(report: whole, omitted: [], knownQueries: [])
        #expect(OutputOptions.byDocuments(result, .nDCG(cutoff: 10)).isEmpty)
        result.documents = (
            report(20, [("black-box", 0.31), ("bm25", 0.2), ("artefact", 0.45)]),
            report(10, [("black-box", 0.28), ("bm25", 0.2), ("artefact", 0.3)])
        )
        #expect(
            OutputOptions.byDocuments(result, .nDCG(cutoff: 10)) == [
                "", "Known documents (20 queries): nDCG@10 black-box 0.310, artefact 0.450",
                "New documents (10 queries): nDCG@10 black-box 0.280, artefact 0.300",
            ])
    }
}
