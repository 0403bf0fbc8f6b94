import MafinComparison
import MafinPipeline
import Testing

@testable import MafinReport

@Suite struct SystemTitlesTests {
    @Test func everySystemHasATitle() {
        for system in ComparedSystem.all {
            #expect(SystemTitles.title(system.name) != system.name)
            #expect(ComparedSystem.named(system.name) == system)
        }
        #expect(SystemTitles.title("lambda-mafin+bm25") == "λ-Mafin + BM25")
        #expect(ComparedSystem.named("lambda-mafin+bm25")?.kind == .derived)
        #expect(ComparedSystem.named("bm25+bm25") == nil)
        let weights: [String: ManifestValue] = [
            "query-memory-medium": .number(140), "bm25": .number(0.4375), "black-box": .number(20.125),
        ]
        #expect(
            SystemTitles.summary("composition", choices: ["weights": .record(weights)])?
                .hasSuffix("; black box × 20.1, BM25 × .438, memory of queries, medium × 140") == true)
    }
}
