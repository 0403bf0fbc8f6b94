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
        #expect(
            SystemTitles.summary(
                "composition", choices: ["weights": .record(["bm25": .number(0.25), "mafin": .number(0.75)])])?
                .hasSuffix("mafin .750, bm25 .250") == true)
    }
}
