import MafinRetrieval
import Testing

@testable import MafinReport

@Suite struct LeakFactsTests {
    private let collection = RetrievalCollection(
        documents: [
            Document(id: "a", text: "the quick brown fox jumps over the lazy dog again and again"),
            Document(id: "a2", text: "The quick brown fox jumps over the lazy dog again and again!"),
            Document(id: "b", text: "something else altogether, about the price of bread in the old town"),
        ],
        queries: [
            Query(id: "q1", text: "who jumps over the dog"), Query(id: "q2", text: "Who jumps over the dog?"),
            Query(id: "q3", text: "what does bread cost"),
        ],
        qrels: [
            "train": Qrels([("q1", "a", 1)]), "dev": Qrels([("q3", "b", 1)]),
            "test": Qrels([("q2", "a2", 1)]), "clean": Qrels([("q3", "b", 1)]),
        ])

    @Test func bothKindsAreFound() throws {
        let report = try LeakReport(
            collection, learned: [try collection.qrels(split: "train")], measured: try collection.qrels(split: "test"))
        let facts = LeakFacts(report, leftOut: 0, isAllowed: true)
        #expect(facts.found == 2 && facts.isAllowed)
        #expect(facts.findings.map(\.kind) == [.query, .document])
        #expect(facts.findings.map(\.trainingId) == ["q1", "a"] && facts.findings.map(\.testId) == ["q2", "a2"])
        #expect(facts.findings.allSatisfy { $0.similarity == 1 })
        #expect(LeakFacts(report, leftOut: 3, isAllowed: false).method.contains("3 queries were left out"))
    }

    @Test func splitsWithoutCommonTextsHaveNoLeak() throws {
        let report = try LeakReport(
            collection, learned: [try collection.qrels(split: "train")], measured: try collection.qrels(split: "clean"))
        let facts = LeakFacts(report, leftOut: 0, isAllowed: true)
        #expect(facts.found == 0 && !facts.isAllowed)
    }
}
