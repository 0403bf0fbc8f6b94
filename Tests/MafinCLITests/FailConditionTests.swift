import MafinReport
import MafinRetrieval
import Testing

@testable import MafinCLI

@Suite struct FailConditionTests {
    private var facts: ComparisonFacts {
        var facts = ComparisonFacts(
            title: "t", split: "test", baseline: "black-box", queries: 2,
            systems: [
                SystemFacts(name: "black-box", metrics: [.nDCG(cutoff: 10): 0.3]),
                SystemFacts(name: "lambda-mafin", metrics: [.nDCG(cutoff: 10): 0.35]),
                SystemFacts(name: "lambda-mafin+bm25", metrics: [.nDCG(cutoff: 10): 0.4]),
            ])
        facts.examples = ExampleFacts(
            system: "lambda-mafin", baseline: "black-box", metric: .nDCG(cutoff: 10), depth: 10,
            balance: Balance(differences: []), wins: [], losses: [])
        return facts
    }

    @Test(arguments: [
        ("nDCG@10 < black-box", false), ("nDCG@10 > black-box", true), ("ndcg@10<.36", true), ("nDCG@10 <= .35", true),
        ("nDCG@10 < .35", false), ("nDCG@10>=0.35", true), ("lambda-mafin+bm25 nDCG@10 < lambda-mafin", false),
        ("black-box nDCG@10 < lambda-mafin", true), ("mafin+bm25 nDCG@10 < .41", true),
        ("mafin+bm25 nDCG@10 < lambda-mafin", false),
    ])
    func holds(_ text: String, _ expected: Bool) throws {
        let condition = try #require(FailCondition(argument: text))
        #expect(try condition.holds(in: facts) == expected)
    }

    @Test(arguments: [
        "", "nDCG@10", "nDCG@10 <", "< black-box", "quality < 1", "nDCG@10 < nobody", "a b nDCG@10 < 1",
        "nDCG@10 < nan",
    ])
    func isRefused(_ text: String) { #expect(FailCondition(argument: text) == nil) }

    @Test func whatWasNotMeasuredIsNoPass() throws {
        let condition = try #require(FailCondition(argument: "nDCG@10 < nudge-n"))
        #expect(throws: FailConditionError.self) { try condition.holds(in: facts) }
    }

    @Test func commandsAreQuoted() {
        #expect(CommandLineText.quoted("--data") == "--data")
        #expect(CommandLineText.quoted("it's here") == "'it'\\''s here'")
        #expect(CommandLineText.withoutPassword("https://me:secret@host/v1") == "https://…@host/v1")
    }
}
