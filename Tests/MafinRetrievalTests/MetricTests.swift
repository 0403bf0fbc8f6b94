import Foundation
import MafinRetrieval
import Testing

@Suite struct MetricTests {
    struct Goldens: Decodable {
        let qrels: [String: [String: Int]]
        let run: [String: [String: Double]]
        let values: [String: [String: Double]]
    }

    /// 240 random queries: ties, single-precision ties, graded and negative grades, unjudged documents, short and missing lists.
    @Test func equalTrecEval() throws {
        let goldens = try Golden.decode("metrics.json", as: Goldens.self)
        var qrels = Qrels()
        for (query, grades) in goldens.qrels {
            for (document, grade) in grades { qrels.insert(query: query, document: document, grade: grade) }
        }
        var run = Run()
        for (query, scores) in goldens.run {
            run.setRanking(scores.map { ScoredDocument(id: $0.key, score: Float($0.value)) }, for: query)
        }
        let names = try #require(goldens.values.values.first).keys.sorted()
        let metrics = try names.map { try Metric(parsing: $0) }
        #expect(metrics.count == 16)
        let evaluation = evaluate(run, against: qrels, metrics: metrics)

        var compared = 0
        for (name, metric) in zip(names, metrics) {
            let values = try #require(evaluation.values[metric])
            var sum = 0.0
            for (query, value) in zip(evaluation.queryIds, values) {
                // trec_eval leaves out queries that the run does not answer; with -c such a query counts 0.
                let expected = goldens.values[query]?[name] ?? 0
                #expect(abs(value - expected) < 1e-6, "\(metric) of \(query): \(value), trec_eval \(expected)")
                sum += expected
                compared += 1
            }
            let mean = try #require(evaluation.means[metric])
            #expect(abs(mean - sum / Double(values.count)) < 1e-6)
        }
        #expect(compared >= 16 * 200)
        #expect(evaluation.queriesWithoutResult >= 10)
        #expect(evaluation.queriesWithoutRelevantDocument >= 10)
        #expect(evaluation.queryIds.count + evaluation.queriesWithoutRelevantDocument == 240)
    }

    @Test func namesAreUnderstoodAndCanonical() throws {
        let names = [
            "nDCG@10": "nDCG@10", "ndcg@5": "nDCG@5", "nDCG": "nDCG", "R@100": "Recall@100", "Recall@10": "Recall@10",
            "RR@10": "MRR@10", "MRR": "MRR", "AP": "MAP", "MAP@100": "MAP@100", "P@5": "P@5", "Precision@5": "P@5",
            "Success@1": "Success@1", "Hit@3": "Success@3", "Rprec": "Rprec",
            "ndcg_cut_10": "nDCG@10", "recall_100": "Recall@100", "P_5": "P@5", "map_cut_10": "MAP@10",
            "success_1": "Success@1", "recip_rank": "MRR", "map": "MAP", "ndcg": "nDCG",
        ]
        for (name, canonical) in names {
            let metric = try Metric(parsing: name)
            #expect(metric.description == canonical)
            #expect(Metric(metric.description) == metric)
        }
        for name in [
            "", "nDCG@", "nDCG@0", "nDCG@-1", "nDCG@+5", "nDCG@1@2", "Recall", "P", "Rprec@5", "BLEU", "nDCG@ten",
            "ndcg_cut_0", "ndcg_cut",
            "recall_", "map_10",
        ] {
            #expect(Metric(name) == nil, "\(name)")
            #expect(throws: RetrievalError.unknownMetric(name: name)) { try Metric(parsing: name) }
        }
        #expect(Metric.standard.map(\.description) == ["nDCG@10", "Recall@10", "Recall@100", "MRR@10", "MAP"])
    }

    @Test func aReportIsTheJSONOfTheIssue() throws {
        let qrels = Qrels((0..<40).map { (query: "q\($0)", document: "d\($0)", grade: 1) })
        func run(_ rank: (Int) -> Int) -> Run {
            var run = Run()
            for query in 0..<40 {
                let documents = (0..<10).map { place in
                    ScoredDocument(
                        id: place == rank(query) ? "d\(query)" : "other\(place)", score: Float(10 - place))
                }
                run.setRanking(documents, for: "q\(query)")
            }
            return run
        }
        let report = try EvaluationReport(
            split: "test", runs: [("bm25", run { $0 % 5 }), ("black-box", run { $0 % 4 }), ("mafin", run { $0 % 2 })],
            qrels: qrels, baseline: "black-box")
        #expect(report.queries == 40)
        #expect(report.systems.map(\.name) == ["bm25", "black-box", "mafin"])
        #expect(report.systems[1].difference == nil)
        let gain = try #require(report.systems[2].difference?[.nDCG(cutoff: 10)])
        #expect(gain.low > 0 && gain.low < gain.mean && gain.mean < gain.high && gain.p < 0.01)
        #expect(gain.pHolm >= gain.p)

        let encoded = try JSONEncoder().encode(report)
        let object = try #require(try JSONSerialization.jsonObject(with: encoded) as? [String: Any])
        let systems = try #require(object["systems"] as? [[String: Any]])
        let metrics = try #require(systems[2]["metrics"] as? [String: Double])
        #expect(Set(metrics.keys) == ["nDCG@10", "Recall@10", "Recall@100", "MRR@10", "MAP"])
        let difference = try #require(systems[2]["difference"] as? [String: [String: Double]])
        #expect(abs(try #require(difference["nDCG@10"]?["low"]) - gain.low) < 1e-12)
        #expect(try #require(difference["nDCG@10"]).keys.sorted() == ["high", "low", "mean", "p", "pHolm"])
        #expect(systems[1]["difference"] == nil)
        #expect(try JSONDecoder().decode(EvaluationReport.self, from: encoded) == report)

        #expect(throws: RetrievalError.noJudgedQueries(path: "test")) {
            try EvaluationReport(
                split: "test", runs: [("black-box", Run())], qrels: Qrels([("q", "d", 0)]), baseline: "black-box")
        }
    }
}
