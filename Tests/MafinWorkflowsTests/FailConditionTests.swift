import MafinRetrieval
import Testing

@testable import MafinReport
@testable import MafinWorkflows

@Suite struct FailConditionTests {
    private var facts: ComparisonFacts {
        var facts = ComparisonFacts(
            title: "t", split: "test", baseline: "black-box", queries: 2,
            systems: [
                SystemFacts(name: "black-box", metrics: [.nDCG(cutoff: 10): 0.3]),
                SystemFacts(name: "lambda-mafin", metrics: [.nDCG(cutoff: 10): 0.35]),
                SystemFacts(name: "lambda-mafin+bm25", metrics: [.nDCG(cutoff: 10): 0.4]),
            ])
        // The seed that is shipped differs from the mean over seeds.
        facts.chosen = ChosenFacts(
            name: "lambda-mafin", seed: 2, weights: nil,
            all: GroupResult(queries: 2, metrics: [.nDCG(cutoff: 10): 0.355]))
        return facts
    }

    @Test(arguments: [
        ("nDCG@10 < black-box", false), ("nDCG@10 > black-box", true), ("ndcg@10<.36", true), ("nDCG@10 <= .355", true),
        ("nDCG@10 < .355", false), ("nDCG@10>=0.355", true), ("nDCG@10 > lambda-mafin", true),
        ("lambda-mafin+bm25 nDCG@10 < lambda-mafin", false),
        ("black-box nDCG@10 < lambda-mafin", true), ("mafin+bm25 nDCG@10 < .41", true),
        ("mafin+bm25 nDCG@10 < lambda-mafin", false),
    ])
    func holds(_ text: String, _ expected: Bool) throws {
        let condition = try FailCondition(parsing: text)
        #expect(try condition.holds(in: facts) == expected)
    }

    @Test(arguments: [
        "", "nDCG@10", "nDCG@10 <", "< black-box", "quality < 1", "nDCG@10 < nobody", "a b nDCG@10 < 1",
        "nDCG@10 < nan",
    ])
    func isRefused(_ text: String) { #expect(throws: (any Error).self) { try FailCondition(parsing: text) } }

    @Test func aSystemThatWasNotMeasuredIsAnError() throws {
        let condition = try FailCondition(parsing: "nDCG@10 < nudge-n")
        #expect(
            throws: WorkflowError.undecidableCondition(condition: "nDCG@10 < nudge-n", system: "nudge-n")
        ) { try condition.holds(in: facts) }
    }

    @Test func aConditionOnTheArtefactNeedsOne() throws {
        var facts = facts
        facts.chosen = nil
        let condition = try FailCondition(parsing: "nDCG@10 < 1")
        #expect(throws: WorkflowError.undecidableCondition(condition: "nDCG@10 < 1", system: "artefact")) {
            try condition.holds(in: facts)
        }
        #expect(try FailCondition(parsing: "black-box nDCG@10 < 1").holds(in: facts))
    }

    @Test func misspeltNamesGetASuggestion() {
        func message(_ text: String) -> String {
            do {
                _ = try FailCondition(parsing: text)
                return ""
            } catch { return "\(error)" }
        }
        #expect(message("nDGC@10 < .3").contains("there is no metric 'nDGC@10'; did you mean 'nDCG@10'?"))
        #expect(message("nDCG@10 < blak-box").contains("there is no system 'blak-box'; did you mean 'black-box'?"))
        #expect(message("nDCG@10").contains("'[SYSTEM] METRIC < SYSTEM-OR-NUMBER'"))
    }
}
