import Foundation
import MafinMethod
import MafinPipeline
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinWorkflows

@Suite struct EvaluationWorkflowTests {
    private let metric = Metric.reciprocalRank(cutoff: 10)

    private func evaluation(_ toy: ToySources) -> EvaluationWorkflow {
        var evaluation = EvaluationWorkflow(
            artefact: toy.artefact, data: toy.data, context: WorkflowContext(),
            openBlackBox: { _ in toy.blackBox })
        evaluation.metrics = [metric]
        return evaluation
    }

    /// Half of the queries of test ask for documents that train and dev name.
    @Test func knownAndNewDocumentsAreMeasuredApart() async throws {
        let toy = try ToySources()
        defer { toy.remove() }
        var evaluation = evaluation(toy)
        evaluation.runs = toy.folder.url.appendingPathComponent("runs").path
        let result = try await evaluation.run()
        let names = result.report.systems.map(\.name)
        #expect(names.contains("artefact") && names.contains("artefact-dense") && names.contains("black-box"))
        let documents = try #require(result.documents)
        #expect(documents.known.queries == 10 && documents.new.queries == 10 && result.report.queries == 20)
        for (place, name) in names.enumerated() {
            // The reciprocal ranks, from the run that was written.
            let run = try Run(contentsOf: toy.folder.url.appendingPathComponent("runs/\(name).test.run"))
            func mean(_ rows: Range<Int>) -> Double {
                rows.map { row in
                    let ids = (run["q\(row)"] ?? []).prefix(10).map(\.id)
                    return ids.firstIndex(of: "d\(row % 20)").map { 1 / Double($0 + 1) } ?? 0
                }.reduce(0, +) / Double(rows.count)
            }
            let known = try #require(documents.known.systems[place].metrics[metric])
            let new = try #require(documents.new.systems[place].metrics[metric])
            #expect(documents.known.systems[place].name == name)
            #expect(abs(known - mean(20..<30)) < 1e-9 && abs(new - mean(30..<40)) < 1e-9, "\(name)")
        }
        let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(result)) as? [String: Any]
        let json = try #require(object)
        #expect((json["known"] as? [String: Any])?["queries"] as? Int == 10)
        #expect((json["new"] as? [String: Any])?["systems"] is [Any])
    }

    @Test func withoutNewDocumentsThereIsNoDivision() async throws {
        let toy = try ToySources()
        defer { toy.remove() }
        let labels = (20..<30).map { "q\($0)\td\($0 % 20)\t1\n" }.joined()
        try toy.folder.write("query-id\tcorpus-id\tscore\n" + labels, to: "data/qrels/test.tsv")
        let result = try await evaluation(toy).run()
        #expect(result.documents == nil && result.report.queries == 10)
        let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(result)) as? [String: Any]
        #expect(object?["known"] == nil && object?["new"] == nil)
    }
}
