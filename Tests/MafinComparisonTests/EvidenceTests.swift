import MafinMethod
import MafinNumerics
import Testing

@testable import MafinComparison
@testable import MafinMethod
@testable import MafinPipeline

@Suite struct EvidenceTests {
    private func system(_ scores: [[Float]]) -> ScoreFunction {
        let matrix = Matrix(rows: scores.count, columns: scores[0].count, values: scores.flatMap { $0 })
        return ScoreFunction(documentCount: matrix.columns) { matrix.selecting(rows: $0) }
    }

    @Test func suspectsAreUnlabelledDocumentsThatBothRankFirst() throws {
        // Query 0: both systems rank the unlabelled document 2 first. 1: both rank the labelled document first. 2: they
        // disagree. 3: as 0, with a larger margin. 4: document 2 is judged irrelevant. 5: there is no label. 6:
        // document 3 has the text of the labelled document 2.
        let blackBox = system([
            [0.1, 0.5, 0.9, 0], [0.9, 0.1, 0.2, 0], [0.9, 0.1, 0.2, 0], [0, 0, 0.1, 9], [0, 0, 1, 0], [0, 1, 0, 0],
            [0, 0, 0.5, 0.6],
        ])
        let local = system([
            [0.2, 0.6, 0.7, 0], [0.8, 0.1, 0.2, 0], [0, 0.7, 0.2, 0], [0, 0.2, 0, 5], [0, 0, 1, 0], [0, 1, 0, 0],
            [0, 0, 0.4, 0.9],
        ])
        let relevant = [[1], [0], [3], [0], [0], [], [2]].map { $0.map { Judgement(column: $0) } }
        let judged: [[Int]] = [[], [], [], [], [2], [], []]
        func find(_ queries: [Int], _ count: Int = 10, identities: [Int]? = [0, 1, 2, 2]) throws -> [SuspectedNegative]
        {
            try SuspectedNegatives.find(
                queries: queries, blackBox: blackBox, local: local, relevant: relevant, judged: judged,
                documentIdentities: identities, count: count)
        }
        let found = try find(Array(0..<7))
        #expect(found.map(\.query) == [3, 0] && found.map(\.document) == [3, 2])
        // scipy.stats.zscore([.2, .6, .7, 0]) at 2 minus at 1.
        #expect(abs(found[1].margin - 0.3494816226644152) < 1e-5)
        #expect(try find(Array(0..<7), 1).map(\.query) == [3])
        #expect(try find([6, 0]).map(\.query) == [0])
        #expect(try find([6], identities: nil).map(\.document) == [3])
    }

    @Test func theHybridContenderIsAboutItsLoss() {
        #expect(Contender.hybridMafin.objective(from: ListNet()).summary.name == "hybrid")
        #expect(Contender.hybridMafin.objective(from: ListMLE()).summary.parts["listwise"]?.name == "ListMLE")
        let given = HybridLoss(weight: 0.2)
        #expect(Contender.hybridMafin.objective(from: given).summary == given.summary)
        for contender in Contender.allCases where contender != .hybridMafin {
            #expect(contender.objective(from: InfoNCE()).summary.name == "InfoNCE")
        }
    }
}
