import MafinRetrieval
import Testing

/// Compares metrics, randomization tests and fusions with another evaluation package on the same runs.
@Suite struct ComparisonWithRanxTests {
    private static func run(_ rankings: [String: [String: Float]]) -> Run {
        var run = Run()
        for (query, ranking) in rankings.sorted(by: { $0.key < $1.key }) {
            run.setRanking(ranking.map { ScoredDocument(id: $0.key, score: $0.value) }, for: query)
        }
        return run
    }

    @Test func metricsAndTest() throws {
        let golden = try EvidenceGoldens.read().comparison
        var qrels = Qrels()
        for (query, grades) in golden.qrels.sorted(by: { $0.key < $1.key }) {
            for (document, grade) in grades { qrels.insert(query: query, document: document, grade: grade) }
        }
        let metrics = try golden.p.keys.sorted().map { try Metric(parsing: $0) }
        let first = evaluate(Self.run(golden.first), against: qrels, metrics: metrics)
        let second = evaluate(Self.run(golden.second), against: qrels, metrics: metrics)
        for (name, evaluation) in [("first", first), ("second", second)] {
            for metric in metrics {
                let theirs = try #require(golden.values[name]?[metric.description])
                for (query, value) in zip(evaluation.queryIds, evaluation.values[metric] ?? []) {
                    #expect(abs(value - (theirs[query] ?? -1)) < 1e-6, "\(name) \(metric) \(query)")
                }
            }
        }
        for metric in metrics {
            let differences = second.differences(from: first, in: metric)
            let p = PairedRandomizationTest(permutations: 100_000, seed: 3).pValue(of: differences)
            for (package, theirs) in try #require(golden.p[metric.description]) {
                // Five standard errors of the difference of the two p.
                let tolerance = 5 * (theirs * (1 - theirs) * (1 / 100_000 + 1 / 200_000)).squareRoot() + 2e-5
                #expect(abs(p - theirs) < tolerance, "\(metric): \(p), \(package) \(theirs)")
            }
        }
    }

    @Test func fusions() throws {
        let golden = try EvidenceGoldens.read().fusion
        // ranx fuses only queries that all runs answer.
        let shared = golden.runs.map { run in run.filter { query in golden.runs.allSatisfy { $0[query.key] != nil } } }
        let runs = shared.map(Self.run)
        for (fused, expected) in [
            (Run(reciprocalRankFusion: runs), golden.reciprocalRank),
            (Run(weightedSum: runs, weights: golden.weights, normalization: .minMax), golden.weightedSum),
        ] {
            #expect(Set(fused.queryIds) == Set(expected.keys) && !expected.isEmpty)
            for query in fused.queryIds {
                let mine = try #require(fused[query])
                #expect(mine.count == expected[query]?.count)
                for document in mine {
                    #expect(abs(Double(document.score) - (expected[query]?[document.id] ?? -1)) < 1e-6)
                }
            }
        }
    }

    @Test func aQueryThatOneRunAnswers() {
        let a = Self.run(["q": ["x": 2, "y": 1]])
        let b = Self.run(["q": ["y": 5], "r": ["z": 1]])
        let fused = Run(reciprocalRankFusion: [a, b])
        #expect(fused["q"]?.map(\.id) == ["y", "x"] && fused["r"]?.map(\.id) == ["z"])
        #expect(Run(reciprocalRankFusion: [a, b], count: 1)["q"]?.map(\.id) == ["y"])
        // Each score is normalized within its own list: y has the least score of a, and x no score in b.
        let weighted = Run(weightedSum: [a, b], weights: [0.4, 0.6])
        #expect(weighted["q"]?.map(\.id) == ["x", "y"])
    }

    @Test func normalization() {
        let scores: [Float] = [1, 3, 2, 6]
        #expect(ScoreNormalization.minMax.normalized(scores) == [0, 0.4, 0.2, 1])
        // scipy.stats.zscore([1, 3, 2, 6])
        for (mine, theirs) in zip(
            ScoreNormalization.zScore.normalized(scores), [-1.06904497, 0, -0.53452248, 1.60356745] as [Float])
        {
            #expect(abs(mine - theirs) < 1e-6)
        }
        for normalization in ScoreNormalization.allCases {
            #expect(normalization.normalized([0.1, 0.1, 0.1]) == [0, 0, 0])
            #expect(normalization.normalized([]) == [])
        }
    }
}
