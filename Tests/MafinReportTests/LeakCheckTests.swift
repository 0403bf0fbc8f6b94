import MafinRetrieval
import Testing

@testable import MafinReport

@Suite struct LeakCheckTests {
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
        let check = LeakCheck(
            collection, learned: [try collection.qrels(split: "train")], measured: try collection.qrels(split: "test"))
        let facts = check.facts(isAllowed: true)
        #expect(facts.found == 2 && facts.isAllowed)
        #expect(facts.findings.map(\.kind) == [.query, .document])
        #expect(facts.findings.map(\.trainingId) == ["q1", "a"] && facts.findings.map(\.testId) == ["q2", "a2"])
        #expect(facts.findings.allSatisfy { $0.similarity == 1 })
    }

    @Test func whatIsApartIsClean() throws {
        let check = LeakCheck(
            collection, learned: [try collection.qrels(split: "train")], measured: try collection.qrels(split: "clean"))
        let facts = check.facts(isAllowed: true)
        #expect(facts.found == 0 && !facts.isAllowed)
    }
}
