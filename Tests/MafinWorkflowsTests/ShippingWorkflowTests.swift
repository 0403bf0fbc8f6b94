import Foundation
import MafinComparison
import MafinMethod
import MafinPipeline
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinReport
@testable import MafinWorkflows

@Suite struct ShippingWorkflowTests {
    /// A comparison whose sums of sources are all the same artefact.
    private struct MadeUpComparison: ShippableComparison {
        var toy: ToySources
        var candidate: String? = "toy-sum"
        var measured = ["black-box", "black-box+bm25-rrf", "black-box+bm25", "toy-sum"]
        var shippable = ["toy-sum", "black-box+bm25"]

        func refusal(of system: String) -> String { "it adds ranks" }

        func ship(_ system: String, to folder: URL) throws -> Artefact {
            try FileManager.default.copyItem(at: URL(fileURLWithPath: toy.artefact), to: folder)
            return try Artefact(readingFrom: folder)
        }
    }

    private func ship(
        _ toy: ToySources, _ system: String? = nil, to output: String = "OUT", isReport: Bool = true,
        candidate: String? = "toy-sum"
    ) throws -> ShippingWorkflow.Result {
        var workflow = ShippingWorkflow(
            report: "REPORT", output: toy.folder.url.appendingPathComponent(output).path
        ) { _ in isReport ? MadeUpComparison(toy: toy, candidate: candidate) : nil }
        workflow.system = system
        return try workflow.run()
    }

    @Test func theSystemOfTheVerdictIsShippedUnlessAnotherIsNamed() throws {
        let toy = try ToySources()
        defer { toy.remove() }
        let shipped = try ship(toy)
        #expect(shipped.system == "toy-sum" && shipped.weights.values == [1, 0.25, 0.375, 1.5])
        #expect(shipped.leftOutOfVectors.map(\.rawValue) == ["bm25", "query-memory-wide"])
        #expect(try ship(toy, "black-box+bm25", to: "B").system == "black-box+bm25")
        // Without a verdict, the best on dev.
        #expect(try ship(toy, to: "C", candidate: nil).system == "toy-sum")
    }

    @Test func faultsNameWhatCanBeDone() throws {
        let toy = try ToySources()
        defer { toy.remove() }
        #expect(throws: WorkflowError.notAReport(path: "REPORT")) { try ship(toy, isReport: false) }
        let unknown = #expect(throws: NameError.self) { try ship(toy, "toy-sun") }
        #expect(unknown?.description.contains("did you mean 'toy-sum'? known: toy-sum, black-box+bm25") == true)
        let ranks = #expect(throws: WorkflowError.self) { try ship(toy, "black-box+bm25-rrf") }
        #expect(
            ranks?.description
                == "no artefact can be made of black-box+bm25-rrf: it adds ranks; it can be made of toy-sum, black-box+bm25"
        )
        try toy.folder.write("mine", to: "OUT/notes.txt")
        #expect(throws: ArtefactError.self) { try ship(toy) }
        #expect(
            try String(contentsOf: toy.folder.url.appendingPathComponent("OUT/notes.txt"), encoding: .utf8) == "mine")
    }

    /// The folder of a comparison is known by the report that is written at its end.
    @Test func aReportTellsWhatWasMeasured() throws {
        let folder = try TemporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder.url) }
        let missing = try FinishedComparison.open(folder.url)
        #expect(missing == nil)
        var facts = ComparisonFacts(
            title: "t", split: "test", baseline: "black-box", queries: 2,
            systems: ["black-box", "black-box+bm25-rrf", "black-box+bm25"].map {
                SystemFacts(name: $0, metrics: [.nDCG(cutoff: 10): 0.3])
            })
        facts.verdict = VerdictFacts(decision: .ship, system: "black-box+bm25", reason: "because")
        try folder.write(facts.json(), to: "report.json")
        let old = try #require(try FinishedComparison.open(folder.url))
        #expect(old.candidate == "black-box+bm25" && old.shippable.isEmpty)
        #expect(old.measured == ["black-box", "black-box+bm25-rrf", "black-box+bm25"])
        let error = #expect(throws: WorkflowError.self) {
            try ShippingWorkflow(
                report: folder.url.path, output: folder.url.appendingPathComponent("OUT").path,
                open: FinishedComparison.open
            ).run()
        }
        #expect(error?.description.contains("of an earlier version") == true)
    }
}
