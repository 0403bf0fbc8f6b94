import MafinMethod
import MafinRetrieval
import Testing

@testable import MafinReport

@Suite struct ExampleFactsTests {
    private static func run(_ rankings: [String: [String]]) -> Run {
        var run = Run()
        for (query, documents) in rankings.sorted(by: { $0.key < $1.key }) {
            run.setRanking(
                documents.enumerated().map { ScoredDocument(id: $1, score: Float(100 - $0)) }, for: query)
        }
        return run
    }

    private let before = run(["q1": ["a", "b", "c"], "q2": ["a", "b", "c"], "q3": ["c", "a"], "q4": ["a"]])
    private let after = run(["q1": ["c", "b", "a"], "q2": ["a", "b", "c"], "q3": ["a", "d", "e", "c"]])
    private let labels = Qrels([("q1", "c", 1), ("q2", "a", 1), ("q3", "c", 2), ("q4", "a", 1), ("q3", "a", 0)])

    private func examples(_ limits: ExampleFacts.Limits = .init()) -> ExampleFacts {
        ExampleFacts(
            system: ("mafin", after), baseline: ("black-box", before), qrels: labels,
            metric: .reciprocalRank(cutoff: 10),
            limits: limits, query: { "text of \($0)" }, document: { Document(id: $0, text: "document \($0)") },
            parts: { _, document in document == "e" ? nil : ScoreParts(blackBox: 0.25, local: 0.125) })
    }

    @Test func winsAndLossesByTheirSize() {
        let facts = examples()
        #expect(facts.wins.map(\.queryId) == ["q1"])
        // q4 loses its answer: from 1 to 0. q3 falls from 1 to ¼.
        #expect(facts.losses.map(\.queryId) == ["q4", "q3"])
        #expect(facts.losses.map(\.change) == [-1, -0.75])
        #expect((facts.balance.wins, facts.balance.ties, facts.balance.losses) == (1, 1, 2))
    }

    @Test func rankingsHaveTheRanksOfTheOtherSystem() {
        let win = examples().wins[0]
        #expect(win.query == "text of q1" && win.relevantDocuments == 1)
        #expect(win.systemRanking.map(\.id) == ["c", "b", "a"])
        #expect(win.systemRanking.map(\.otherRank) == [3, 2, 1])
        #expect(win.systemRanking.map(\.grade) == [1, nil, nil])
        #expect(win.systemRanking[0].parts?.total == 0.375)
        #expect(win.documents["b"]?.text == "document b")
        let loss = examples().losses[1]
        #expect(loss.systemRanking.map(\.otherRank) == [2, nil, nil, 1])
        #expect(loss.systemRanking.map(\.parts?.total) == [0.375, 0.375, nil, 0.375])
        #expect(loss.baselineRanking.map(\.grade) == [2, 0])
    }

    @Test func limits() {
        var limits = ExampleFacts.Limits()
        (limits.count, limits.depth, limits.textLength) = (1, 2, 4)
        let facts = examples(limits)
        #expect(facts.losses.map(\.queryId) == ["q4"])
        // Ranks beyond the displayed documents are known, too.
        #expect(facts.wins[0].systemRanking.map(\.id) == ["c", "b"])
        #expect(facts.wins[0].systemRanking[0].otherRank == 3)
        #expect(facts.wins[0].documents["b"] == DocumentText(title: "", text: "docu", omittedCharacters: 6))
    }

    @Test func balanceIgnoresRoundingErrors() {
        #expect(
            Balance(differences: [1e-12, -1e-12, 0.1, -0.2, -0.3])
                == {
                    var balance = Balance(differences: [])
                    (balance.wins, balance.ties, balance.losses) = (1, 2, 2)
                    return balance
                }())
    }
}
