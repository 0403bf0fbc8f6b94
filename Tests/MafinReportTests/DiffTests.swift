import Foundation
import MafinPipeline
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinReport

@Suite struct DiffTests {
    private static func run(_ rankings: [(String, [String])]) -> Run {
        var run = Run()
        for (query, documents) in rankings {
            run.setRanking(
                documents.enumerated().map { ScoredDocument(id: $1, score: Float(100 - $0)) }, for: query)
        }
        return run
    }

    private let before = run([("q1", ["a", "b", "c"]), ("q2", ["a", "b", "c"]), ("q3", ["c", "a"]), ("old", ["a"])])
    private let after = run([
        ("q1", ["c", "b", "a"]), ("q2", ["a", "c", "b"]), ("q3", ["a", "d", "e", "c"]), ("new", ["a"]),
    ])
    private let labels = Qrels([
        ("q1", "c", 1), ("q2", "a", 1), ("q3", "c", 2), ("old", "a", 1), ("q3", "a", 0), ("none", "a", 0),
    ])

    @Test func withLabels() throws {
        let metric = Metric.reciprocalRank(cutoff: 10)
        let difference = try RunDifference(
            first: ("a.run", before), second: ("b.run", after), qrels: labels, metric: metric, depth: 2)
        #expect(difference.queries.map(\.queryId) == ["q1", "q2", "q3", "old"])
        #expect(difference.queries.map(\.change) == [1 - 1.0 / 3, 0, -0.75, -1])
        #expect(difference.onlyInFirst == ["old"] && difference.onlyInSecond == ["new"])
        #expect(difference.commonQueries == 3)
        #expect(difference.queries.map(\.isTopChanged) == [true, false, true, true])
        #expect(difference.changedTops == 3)
        #expect(difference.queries.map(\.overlap) == [1, 1, 1, 0])
        // Document c rose from rank 3 to 1 for q1, and left the first two for q3.
        #expect(difference.queries[0].gained.map { [$0.firstRank, $0.secondRank] } == [[3, 1]])
        #expect(difference.queries[2].lost.map { [$0.firstRank, $0.secondRank] } == [[1, 4]])
        #expect(difference.queries[3].lost.map { [$0.firstRank, $0.secondRank] } == [[1, nil]])
        // The statistical tests are those of an evaluation.
        let measured = try #require(difference.measured)
        let report = try EvaluationReport(
            split: "test", runs: [("a", before), ("b", after)], qrels: labels, baseline: "a", metrics: [metric])
        #expect(measured.difference == report.systems[1].difference?[metric])
        #expect(
            measured.first == report.systems[0].metrics[metric] && measured.second == report.systems[1].metrics[metric])
        #expect(measured.queriesWithoutRelevantDocument == 1)
        let text = difference.text()
        #expect(text.contains("4 judged queries: better 1, equal 1, worse 2 (1 without a relevant document left out)"))
        #expect(text.contains("1 query is in a.run only and counts 0 for b.run where judged: old"))
        #expect(text.contains("1 query is in b.run only and counts 0 for a.run where judged: new"))
        #expect(text.contains("first 2: 1 gained, 2 lost"))
    }

    @Test func withoutLabels() throws {
        let difference = try RunDifference(first: ("a", before), second: ("b", after))
        #expect(difference.queries.map(\.queryId) == ["q1", "q2", "q3"])
        #expect(difference.measured == nil && difference.changedTops == 2)
        #expect(difference.meanOverlap == 8.0 / 3)
        #expect(difference.text().contains("without labels only ranks are compared"))
    }

    @Test func runsWithoutCommonQueriesAreAnError() {
        let other = Self.run([("x", ["a"])])
        #expect(
            throws: ReportError.incomparable(
                first: "a", second: "b", reason: "no query is in both (q1 in one, x in the other)")
        ) { try RunDifference(first: ("a", before), second: ("b", other)) }
        #expect(throws: ReportError.self) {
            try RunDifference(first: ("a", before), second: ("b", after), qrels: Qrels([("z", "a", 1)]))
        }
    }

    @Test func aPageOfTwoRuns() throws {
        // Two runs with the same name, from two folders.
        let facts = try ComparisonFacts(
            first: ("mafin.run", before), second: ("mafin.run", after), qrels: labels, split: "test",
            metric: .reciprocalRank(cutoff: 10))
        #expect(facts.systems.map(\.name) == ["mafin.run", "mafin.run (second)"])
        #expect(facts.examples?.wins.map(\.queryId) == ["q1"])
        let page = try PageTree(facts.html()).root
        #expect(page.all("section").compactMap { $0.attributes["id"] } == ["systems", "queries", "examples"])
    }

    @Test func reportsAreComparedQueryByQuery() throws {
        let metric = SampleFacts.nDCG
        var (first, second) = (SampleFacts.whole(), SampleFacts.whole())
        first.perQuery?.queryIds[0] = "only-first"
        second.perQuery?.queryIds[0] = "only-second"
        second.systems[1].name = "bm26"
        second.perQuery?.systems[2].values[metric]?[5] -= 0.25
        second.perQuery?.systems[2].values[metric]?[7] += 0.125
        second.provenance?.inputs?[0].sha256 = "b"
        let difference = try ReportDifference(first: ("a", first), second: ("b", second))
        #expect(
            difference.systems.map(\.name) == ["black-box", "mafin", "mafin-bm25", "artefact", "artefact-offline"])
        #expect(difference.systemsOnlyInFirst == ["bm25"] && difference.systemsOnlyInSecond == ["bm26"])
        #expect(difference.onlyInFirst == ["only-first"] && difference.onlyInSecond == ["only-second"])
        #expect(
            difference.notes == [
                "The inputs differ: corpus.",
                "Values of single queries are means over seeds; the variance between seeds is not included.",
            ])
        let paired = try #require(difference.systems[1].paired)
        #expect(paired.changes.map(\.queryId) == ["q5", "q7"])
        #expect(abs(paired.difference.mean - (-0.125 / 59)) < 1e-12)
        #expect((paired.balance.wins, paired.balance.ties, paired.balance.losses) == (1, 57, 1))
        #expect(difference.systems[0].paired?.changes.isEmpty == true)
        #expect(difference.systems[0].paired?.difference.p == 1)
        #expect(difference.text().contains("Most changed, mafin:"))
        let page = try #require(ComparisonFacts(difference, system: "mafin", first: first, second: second))
        #expect(page.queries == 59 && page.systems.map(\.name) == ["a", "b"])
        _ = try PageTree(page.html())
    }

    @Test func reportsWithoutValuesOfQueriesHaveNoTest() throws {
        let first = SampleFacts.whole()
        var second = first
        second.perQuery = nil
        second.systems[2].metrics[SampleFacts.nDCG] = 0.75
        let difference = try ReportDifference(first: ("a", first), second: ("b", second))
        #expect(difference.systems.allSatisfy { $0.paired == nil })
        #expect(difference.text().contains("no paired test"))
        #expect(difference.text().contains(".750"))
        #expect(ComparisonFacts(difference, system: "mafin", first: first, second: second) == nil)
        (second.systems, second.chosen, second.offline) = ([SystemFacts(name: "other", metrics: [:])], nil, nil)
        #expect(throws: ReportError.self) { try ReportDifference(first: ("a", first), second: ("b", second)) }
    }

    @Test func knownAndNewDocumentsAreComparedWhereBothHaveThem() throws {
        let metric = SampleFacts.nDCG
        let first = SampleFacts.whole()
        var second = first
        second.systems[2].new?.metrics[metric] = 0.4444
        second.systems[2].new?.queries = 40
        second.systems[3].known = nil
        let difference = try ReportDifference(first: ("a", first), second: ("b", second))
        let mafin = try #require(difference.systems.first { $0.name == "mafin" })
        #expect(mafin.new?.first == first.systems[2].new && mafin.new?.second == second.systems[2].new)
        #expect(mafin.known?.first == mafin.known?.second)
        #expect(difference.systems.first { $0.name == "mafin-bm25" }?.known == nil)
        let text = difference.text()
        #expect(text.contains("by known and new documents, first → second"))
        #expect(text.contains("→ .444") && text.contains("known (21)"))
        for index in second.systems.indices { (second.systems[index].known, second.systems[index].new) = (nil, nil) }
        second.chosen = nil
        #expect(
            try !ReportDifference(first: ("a", first), second: ("b", second)).text().contains("by known and new"))
    }

    /// What a comparison ships is the system that an evaluation of the artefact measures.
    @Test func theArtefactIsComparedUnderItsName() throws {
        let metric = SampleFacts.nDCG
        let evaluation = EvaluationReport(
            split: "test", baseline: "black-box", queries: 60, queriesWithoutRelevantDocument: 2,
            systems: [
                SystemEvaluation(name: "black-box", metrics: [metric: 0.5], difference: nil),
                SystemEvaluation(name: "artefact", metrics: [metric: 0.5712], difference: nil),
                SystemEvaluation(name: "other", metrics: [metric: 0.4], difference: nil),
            ])
        let comparison = SampleFacts.whole()
        let evaluated = ComparisonFacts(title: "e", evaluation)
        let difference = try ReportDifference(first: ("a", comparison), second: ("b", evaluated))
        let artefact = try #require(difference.systems.first { $0.name == "artefact" })
        #expect(artefact.first == [metric: 0.5712] && artefact.second == artefact.first && artefact.paired == nil)
        #expect(difference.shown(verdict: evaluated.verdict) == "artefact")
        // Two comparisons: the system of the verdict.
        let same = try ReportDifference(first: ("a", comparison), second: ("b", comparison))
        #expect(same.systems.first { $0.name == "artefact" }?.known?.first.queries == 21)
        #expect(same.shown(verdict: comparison.verdict) == "mafin-bm25")
    }

    @Test func filesSayWhatTheyAre() async throws {
        try await TemporaryFolder.with { folder in
            let run = try folder.write("q1 Q0 d1 1 2.5 bm25\nq1 Q0 d2 2 1.5 bm25\n", to: "a.run")
            guard case .run(let read) = try ComparableFile(contentsOf: run) else { throw RunWasNotRead() }
            #expect(read["q1"]?.map(\.id) == ["d1", "d2"])
            let report = try folder.write("\u{FEFF} \n" + SampleFacts.whole().json(), to: "a.json")
            guard case .report(let marked) = try ComparableFile(contentsOf: report) else { throw RunWasNotRead() }
            #expect(marked == SampleFacts.whole())
            let plain = try folder.write(SampleFacts.whole().json(), to: "b.json")
            guard case .report(let facts) = try ComparableFile(contentsOf: plain) else { throw RunWasNotRead() }
            #expect(facts == SampleFacts.whole())
            let evaluation = try EvaluationReport(
                split: "dev", runs: [("black-box", before)], qrels: labels, baseline: "black-box")
            let evaluated = try folder.write(
                String(decoding: try JSONEncoder().encode(evaluation), as: UTF8.self), to: "run-1.json")
            guard case .report(let converted) = try ComparableFile(contentsOf: evaluated) else { throw RunWasNotRead() }
            #expect(converted.title == "run-1" && converted.split == "dev" && converted.perQuery == nil)
            // Evaluations have their figures for known and new documents beside those of all queries.
            let both = try folder.write(
                """
                {"split": "test", "baseline": "b", "queries": 5, "queriesWithoutRelevantDocument": 0,
                 "systems": [{"name": "artefact", "metrics": {"nDCG@10": 0.5}}], "omitted": [],
                 "known": {"split": "test", "baseline": "b", "queries": 2, "queriesWithoutRelevantDocument": 0,
                  "systems": [{"name": "artefact", "metrics": {"nDCG@10": 0.75}}]},
                 "new": {"split": "test", "baseline": "b", "queries": 3, "queriesWithoutRelevantDocument": 0,
                  "systems": [{"name": "artefact", "metrics": {"nDCG@10": 0.25}}]}}
                """, to: "run-2.json")
            guard case .report(let parts) = try ComparableFile(contentsOf: both) else { throw RunWasNotRead() }
            #expect(parts.systems[0].known == GroupResult(queries: 2, metrics: [SampleFacts.nDCG: 0.75]))
            #expect(parts.systems[0].new == GroupResult(queries: 3, metrics: [SampleFacts.nDCG: 0.25]))
            #expect(parts.newDocuments?.newQueries == 3)
            #expect(throws: RetrievalError.self) {
                try ComparableFile(contentsOf: folder.url.appendingPathComponent("none"))
            }
            let faulty = try folder.write("{\"a\": 1}", to: "c.json")
            #expect(throws: ReportError.self) { try ComparableFile(contentsOf: faulty) }
        }
    }

    private struct RunWasNotRead: Error {}

    /// What a comparison ships for queries that are not asked is what an evaluation of the artefact calls mafin-offline, and not the row of
    /// that name in the comparison.
    @Test func theArtefactIsComparedUnderItsNames() throws {
        let metric = SampleFacts.nDCG
        var comparison = SampleFacts.minimal
        comparison.chosen = SampleFacts.chosen
        comparison.systems.append(SystemFacts(name: "mafin-offline", metrics: [metric: 0.4]))
        comparison.offline = SampleFacts.whole().offline
        var evaluation = SampleFacts.minimal
        evaluation.systems += [("artefact", 0.5712), ("mafin-offline", 0.505)].map {
            SystemFacts(name: $0.0, metrics: [metric: $0.1])
        }
        let difference = try ReportDifference(first: ("a.json", comparison), second: ("b.json", evaluation))
        #expect(difference.systems.map(\.name) == ["black-box", "artefact", "artefact-offline"])
        for system in difference.systems { #expect(system.first[metric] == system.second[metric], "\(system.name)") }
        #expect(difference.systemsOnlyInFirst == ["mafin-offline"])
    }
}
