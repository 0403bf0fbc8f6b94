import Foundation
import MafinMethod
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinComparison
@testable import MafinMethod
@testable import MafinPipeline
@testable import MafinRetrieval

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

    /// What the report says of an artefact is measured with the artefact on disk, and is what its row in the table says.
    @Test(arguments: [["black-box+bm25"], ["mafin"], ["mafin+bm25"]])
    func anArtefactIsMeasuredAsItsRowWas(systems: [String]) async throws {
        let toy = try await ToyComparison()
        defer { toy.remove() }
        let comparison = try toy.comparison(systems, seeds: 1)
        let outcome = try comparison.run()
        let name = try #require(ComparisonVerdict.candidate(of: outcome))
        let row = try #require(outcome.rows.first { $0.name == name })
        let model = try ArtefactModel(artefact: toy.store.artefact) { _ in
            toy.folder.url.appendingPathComponent("encoder")
        }
        let cache = LocalVectorCache(folder: toy.folder.url.appendingPathComponent("cache"))
        let artefact = try comparison.measured(model, cache: cache)

        let run = try comparison.rankings(of: artefact).chosen
        #expect(evaluate(run, against: toy.qrels, metrics: Metric.standard).means == row.evaluation.means)
        for query in run.queryIds {
            for document in (run[query] ?? []).prefix(5) {
                let parts = try #require(artefact.parts(query: query, document: document.id))
                #expect(parts.parts.map(\.source) == model.sources.map(\.name))
                #expect(abs(parts.total - Double(document.score)) < 1e-5)
            }
        }
        #expect(
            artefact.parts(query: "q0", document: "d0") == nil && artefact.parts(query: "q30", document: "x") == nil)

        // Every source has its scores. Each of the ten queries has one relevant document.
        let samples = comparison.scoreSamples(of: artefact)
        #expect(samples.map(\.source) == model.sources.map(\.name))
        for (source, sample) in samples where [.blackBox, .local].contains(source) {
            #expect(sample.relevant.count == 10 && sample.other.count == 10 * 39)
        }

        let encodes = row.sources?.contains(.local) == true
        let costs = try comparison.costs(of: artefact, training: 12, machine: "a machine")
        #expect(costs.query == ComparisonVerdict.QueryCost(row.sources ?? []))
        #expect(costs.query?.encodesLocally == encodes && (costs.encoderMilliseconds != nil) == encodes)
        let kinds = row.sources ?? []
        #expect(
            costs.dimensions
                == .init(before: 16, after: (kinds.contains(.blackBox) ? 16 : 0) + (encodes ? 32 : 0)))
        #expect(costs.searchMilliseconds != nil && costs.trainingSeconds == 12)
    }

    /// A comparison that is run again finds the artefact with the reduction that `--index-dimensions` made of it. The report
    /// stands beside rows that were measured without one.
    @Test func aReducedArtefactIsMeasuredAsItsRowWas() async throws {
        let toy = try await ToyComparison()
        defer { toy.remove() }
        let comparison = try toy.comparison(["mafin"], seeds: 1)
        let outcome = try comparison.run()
        let name = try #require(ComparisonVerdict.candidate(of: outcome))
        let row = try #require(outcome.rows.first { $0.name == name })
        func load() throws -> ArtefactModel {
            try ArtefactModel(artefact: toy.store.artefact) { _ in toy.folder.url.appendingPathComponent("encoder") }
        }
        let model = try load()
        var random = RandomGenerator(seed: 1)
        let columns = model.joinedDimension
        func map() -> Matrix {
            Matrix(rows: 5, columns: columns, values: (0..<5 * columns).map { _ in random.normal() })
        }
        let record = ReductionRecord(
            dimension: 5, kind: .closedForm, sources: model.manifest.denseRecords,
            weights: model.manifest.mixing.rankingWeights,
            development: EvaluationReport(
                split: "dev", baseline: ReductionRecord.fullName, queries: 0, queriesWithoutRelevantDocument: 0,
                systems: []))
        try model.artefact.write(
            DimensionReduction(documents: map(), queries: map()), record, fittedTo: KnownQueries([]),
            to: toy.store.artefact)
        let reduced = try load()
        #expect(reduced.joinedDimension == 5)
        let cache = LocalVectorCache(folder: toy.folder.url.appendingPathComponent("cache"))
        let artefact = try comparison.measured(reduced, cache: cache)
        let run = try comparison.rankings(of: artefact).chosen
        #expect(evaluate(run, against: toy.qrels, metrics: Metric.standard).means == row.evaluation.means)
        let costs = try comparison.costs(of: artefact, training: nil, machine: nil)
        #expect(columns > 16 && costs.dimensions == .init(before: 16, after: Double(columns)))
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
