import Foundation
import MafinMethod
import MafinRetrieval
import Testing

@testable import MafinReport

@Suite struct FactsTests {
    @Test func jsonHoldsEverything() throws {
        let facts = SampleFacts.whole()
        let json = try facts.json()
        #expect(try ComparisonFacts(json: Data(json.utf8), path: "a.json") == facts)
        let minimal = try SampleFacts.minimal.json()
        #expect(try ComparisonFacts(json: Data(minimal.utf8), path: "a.json") == SampleFacts.minimal)
    }

    /// The field names that scripts rely on.
    @Test func jsonHasItsNames() throws {
        let object = try #require(
            JSONSerialization.jsonObject(with: Data(try SampleFacts.whole().json().utf8)) as? [String: Any])
        #expect(object["schema"] as? String == "mafin-comparison")
        #expect(object["schemaVersion"] as? Int == 3)
        #expect(
            Set(object.keys) == [
                "schema", "schemaVersion", "title", "created", "split", "baseline", "metric", "queries",
                "queriesWithoutRelevantDocument", "systems", "verdict", "statistics", "subsets", "perQuery",
                "trainingCurves", "lambdaSweeps", "learningCurve", "examples", "scoreHistograms", "data", "leaks",
                "suspectedFalseNegatives", "provenance", "omissions", "headToHead", "chosen", "newDocuments",
                "offline",
            ])
        let verdict = try #require(object["verdict"] as? [String: Any])
        #expect(verdict["decision"] as? String == "ship")
        #expect(
            Set(verdict.keys) == [
                "decision", "system", "reason", "notes", "againstBlackBox", "known", "new", "encoder", "costs",
                "command",
                "commandForOthers", "shippable",
            ])
        let gain = try #require(verdict["new"] as? [String: Any])
        #expect(gain["queries"] as? Int == 39 && (gain["difference"] as? [String: Any])?["mean"] as? Double == 0.0456)
        let costs = try #require((verdict["costs"] as? [String: Any])?["query"] as? [String: Bool])
        #expect(Set(costs.keys) == ["asksBlackBox", "encodesLocally", "searchesWords", "searchesMemory"])
        // What is lost without asking, with the figures that `mafin evaluate REPORT/artefact` calls mafin-offline.
        let offline = try #require(object["offline"] as? [String: Any])
        #expect(
            Set(offline.keys) == [
                "system", "reason", "againstBlackBox", "againstChosen", "known", "new", "query", "shipped",
                "milliseconds",
                "tokensPerQuery", "savedPerThousandQueries", "curve",
            ])
        let points = try #require((offline["curve"] as? [String: Any])?["points"] as? [[String: Any]])
        #expect(points.count == 3 && points[1]["asked"] as? Double == 0.46)
        // The chosen system, with the figures that `mafin evaluate REPORT/artefact` gives.
        let chosen = try #require(object["chosen"] as? [String: Any])
        #expect(Set(chosen.keys) == ["name", "seed", "weights", "all", "known", "new"])
        #expect(chosen["name"] as? String == "mafin-bm25")
        for (group, queries, value) in [("all", 60, 0.5712), ("known", 21, 0.6218), ("new", 39, 0.5439)] {
            let found = try #require(chosen[group] as? [String: Any])
            #expect(found["queries"] as? Int == queries)
            #expect((found["metrics"] as? [String: Double])?["nDCG@10"] == value)
        }
        let system = try #require((object["systems"] as? [[String: Any]])?.last)
        #expect(
            Set(system.keys) == [
                "name", "title", "summary", "metrics", "difference", "known", "new", "development", "seeds", "subsets",
                "seconds",
            ])
        let new = try #require(system["new"] as? [String: Any])
        #expect(Set(new.keys) == ["queries", "metrics", "difference"] && new["queries"] as? Int == 39)
        #expect(Set(try #require(system["development"] as? [String: Double]).keys) == ["mean", "known", "new"])
        let spread = try #require((system["seeds"] as? [String: [String: Any]])?["nDCG@10"])
        #expect(Set(spread.keys) == ["values", "mean", "standardDeviation", "standardError"])
    }

    /// Known and new documents were two of the subsets, parts of scores had two names, and verdicts had another second test.
    @Test func reportsOfVersion2CanBeRead() throws {
        let json = """
            {"schema": "mafin-comparison", "schemaVersion": 2, "title": "t", "split": "test", "baseline": "black-box",
             "metric": "nDCG@10", "queries": 60, "queriesWithoutRelevantDocument": 0,
             "verdict": {"decision": "ship", "system": "mafin", "reason": "r", "command": "mafin serve ART",
              "againstBestWithoutEncoder": {"system": "mafin", "other": "bm25", "difference":
               {"mean": 0.1, "low": 0, "high": 0.2, "p": 0.01, "includesSeeds": false}}},
             "subsets": [{"name": "seen-documents", "title": "Seen documents", "summary": "s", "queries": 21},
              {"name": "new-documents", "title": "New documents", "summary": "n", "queries": 39},
              {"name": "without-twins", "title": "Without twins", "summary": "w", "queries": 58}],
             "systems": [{"name": "black-box", "metrics": {"nDCG@10": 0.5}},
              {"name": "mafin", "metrics": {"nDCG@10": 0.6}, "subsets": [
               {"subset": "seen-documents", "metrics": {"nDCG@10": 0.7},
                "difference": {"nDCG@10": {"mean": 0.2, "low": 0.1, "high": 0.3, "p": 0.01, "pHolm": 0.02}}},
               {"subset": "new-documents", "metrics": {"nDCG@10": 0.55}},
               {"subset": "without-twins", "metrics": {"nDCG@10": 0.59}}]}],
             "examples": {"system": "mafin", "baseline": "black-box", "metric": "nDCG@10", "depth": 1,
              "balance": {"losses": 0, "ties": 0, "wins": 1}, "losses": [], "wins": [{"queryId": "q", "query": "q",
               "baselineValue": 0, "systemValue": 1, "relevantDocuments": 1, "documents": {}, "baselineRanking": [],
               "systemRanking": [{"id": "d", "rank": 1, "score": 0.5, "parts": {"blackBox": 0.3, "local": 0.2}}]}]}}
            """
        let facts = try ComparisonFacts(json: Data(json.utf8), path: "old.json")
        let mafin = try #require(facts.system(named: "mafin"))
        #expect(mafin.known?.queries == 21 && mafin.known?.metrics == [SampleFacts.nDCG: 0.7])
        #expect(mafin.known?.difference?[SampleFacts.nDCG]?.pHolm == 0.02)
        #expect(mafin.new?.queries == 39 && mafin.new?.metrics == [SampleFacts.nDCG: 0.55])
        #expect(mafin.subsets?.map(\.subset) == ["without-twins"] && facts.subsets?.map(\.name) == ["without-twins"])
        #expect(facts.newDocuments?.knownQueries == 21 && facts.newDocuments?.newQueries == 39)
        #expect(facts.examples?.wins[0].systemRanking[0].parts == ScoreParts(blackBox: 0.3, local: 0.2))
        #expect(facts.verdict?.command == "mafin serve ART" && facts.chosen == nil)
        #expect(facts.html().contains("Without twins"))
    }

    /// A script that reads `mafin evaluate --json` can read a comparison, too.
    @Test func aComparisonIsAnEvaluation() throws {
        let facts = SampleFacts.whole()
        let report = try JSONDecoder().decode(EvaluationReport.self, from: Data(try facts.json().utf8))
        #expect(report.systems.map(\.name) == facts.systems.map(\.name))
        #expect(report.systems.map(\.metrics) == facts.systems.map(\.metrics))
        #expect(report.systems.map(\.difference) == facts.systems.map(\.difference))
        let back = ComparisonFacts(title: "t", report)
        #expect(back.queries == facts.queries && back.baseline == facts.baseline && back.metrics == facts.metrics)
    }

    @Test(arguments: [
        ("[1, 2]", ReportError.notAReport(path: "r.json", found: "no JSON object")),
        ("{\"a\": 1}", .notAReport(path: "r.json", found: "JSON without \"schema\": \"mafin-comparison\"")),
        (
            "{\"schema\": \"mafin-comparison\", \"schemaVersion\": 4}",
            .unknownVersion(path: "r.json", found: 4, newest: 3)
        ),
        (
            "{\"schema\": \"mafin-comparison\", \"schemaVersion\": 1}",
            .field(path: "r.json", field: "title", reason: "is missing")
        ),
    ])
    func faultyReportsAreNamed(_ json: String, _ error: ReportError) {
        #expect(throws: error) { try ComparisonFacts(json: Data(json.utf8), path: "r.json") }
        #expect(error.description.hasPrefix("r.json: "))
    }

    @Test func nanCannotBeWrittenAsJSON() {
        var facts = SampleFacts.minimal
        facts.systems[0].metrics[SampleFacts.nDCG] = .nan
        #expect(throws: EncodingError.self) { try facts.json() }
    }

    /// A prediction from one subset of labels per size says which variance its interval does not include.
    @Test(arguments: [1, 2]) func learningCurvesSayWhatIsUnknown(repeats: Int) throws {
        let curve = LearningCurve(
            labelled: Array(0..<100), sizes: [50, 100], repeats: repeats, bootstrap: PairedBootstrap(resamples: 50)
        ) { learned, _ in [Double](repeating: 0.0001 * Double(learned.count), count: 5) }
        let text = try #require(LearningCurveFacts(curve, system: "mafin", metric: SampleFacts.nDCG)?.expectation)
        #expect(text.hasPrefix("With twice the labels (200 queries), the gain is expected to change by +.005"))
        #expect(text.contains("how much the choice of labels matters") == (repeats == 1))
    }

    /// Counts from numpy.histogram for these bin edges.
    @Test func histograms() throws {
        let scores = [0.11, 0.2, 0.25, 0.3, 0.35, 0.399, 0.4, 0.5, .nan]
        let histogram = try #require(ScoreHistogramFacts(title: "h", groups: [("a", scores), ("b", [0.6])], bins: 5))
        #expect(histogram.edges == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
        #expect(histogram.groups[0].counts == [1, 2, 3, 1, 1])
        #expect(histogram.groups[1].counts == [0, 0, 0, 0, 1])
        #expect(ScoreHistogramFacts(title: "h", groups: [("a", [.infinity])]) == nil)
        let single = try #require(ScoreHistogramFacts(title: "h", groups: [("a", [0.7, 0.7])]))
        #expect(single.groups[0].total == 2)
    }

    @Test func distributions() throws {
        let values = try #require(DataFacts.Distribution([5, 1, 2, 10]))
        #expect((values.minimum, values.median, values.mean, values.maximum) == (1, 3.5, 4.5, 10))
        #expect(DataFacts.Distribution([]) == nil)
    }

    @Test func dataFactsCountWhatIsThere() {
        let collection = RetrievalCollection(
            documents: [
                Document(id: "a", title: "one", text: "two  three\nfour"), Document(id: "b", text: "\u{3000}日本 語"),
            ],
            queries: [Query(id: "q", text: "a b"), Query(id: "r", text: "c")], qrels: [:])
        let labels = Qrels([("q", "a", 2), ("q", "b", 0), ("r", "a", 1)])
        let data = DataFacts(collection, name: "n", splits: [("test", labels)])
        #expect(data.documentWords?.maximum == 4 && data.documentWords?.minimum == 2)
        #expect(data.queryWords?.mean == 1.5)
        #expect(data.splits[0].grades == ["0": 1, "1": 1, "2": 1])
        #expect(
            data.splits[0].queries == 2 && data.splits[0].labels == 3 && data.splits[0].relevantDocuments?.mean == 1)
        #expect(data.warnings == nil)
    }

    @Test func numbersForPeople() {
        #expect(Number.count(-1_234_567) == "−1,234,567" && Number.count(999) == "999" && Number.count(1000) == "1,000")
        #expect(Number.percent(0.38) == "38 %" && Number.percent(0.004) == "0.4 %" && Number.percent(1) == "100 %")
        #expect(Number.threshold(0.5) == ".500" && Number.threshold(0.29) == ".290")
        // Rounded down, and never to 1, at which all queries are asked.
        #expect(Number.threshold(0.999_7) == ".99970" && Number.threshold(0.999_999_94) == ".999999940")
        #expect(Number.threshold(0.999_999_999_999) == ".999999999" && Number.threshold(1.000_001) == "1.000")
        #expect(Number.bytes(512) == "512 B" && Number.bytes(13_002_342) == "12.4 MiB")
        #expect(
            Number.milliseconds(0.61) == "0.61 ms" && Number.milliseconds(3.44) == "3.4 ms"
                && Number.milliseconds(12) == "12 ms")
        #expect(Number.duration(seconds: 0.02) == "20 ms" && Number.duration(seconds: 3725) == "1 h 2 min")
        #expect(Number.typographic("-.012…+.031 -4 a-b") == "−.012…+.031 −4 a-b")
    }
}
