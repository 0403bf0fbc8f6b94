import Foundation
import MafinNumerics
import MafinRetrieval
import MafinTestSupport
import Testing

/// Real collections: compares with bm25s, scikit-learn and pytrec_eval on the same files.
@Suite(.enabled(if: SharedData.isThere, SharedData.absence)) struct SharedDataTests {
    struct Yardstick: Decodable {
        let bm25: [String: Double]
        let tfidf: [String: Double]
        let terms: Int
    }

    @Test(arguments: [
        ("cranfield", Language.english), ("fae-10k", .english), ("fiqa-mini", .english), ("nfcorpus", .english),
        ("scifact", .english), ("xquad-de", .german),
    ])
    func lexicalRankingsEqualTheirPeers(name: String, language: Language) throws {
        let yardstick = try #require(Golden.decode("yardsticks.json", as: [String: Yardstick].self)[name])
        let collection = try SharedData.collection(name)
        let qrels = try collection.qrels(split: "test")
        let queries = collection.queries(judgedIn: qrels)
        let index = InvertedIndex(
            texts: collection.documents.map(\.textForEncoding), analyzer: TextAnalyzer(language: language))
        // Two Chinese names in German texts are two words for bm25s, and five pairs of characters for us.
        let pairs = language == .german ? 3 : 0
        #expect(index.documentLengths.reduce(0) { $0 + Int($1) } == yardstick.terms + pairs)
        let systems = [
            (BM25(index: index).rankings(of: queries.map(\.text), count: 1_000), yardstick.bm25),
            (TFIDF(index: index).rankings(of: queries.map(\.text), count: 1_000), yardstick.tfidf),
        ]
        for (rankings, expected) in systems {
            let run = Run(rankings, queryIds: queries.map(\.id), documentIds: collection.documentIds)
            for (metric, mean) in evaluate(
                run, against: qrels, metrics: try expected.keys.map { try Metric(parsing: $0) }
            ).means {
                let difference = try abs(mean - #require(expected[metric.description]))
                #expect(difference < 1e-4, "\(name) \(metric): \(mean), off by \(difference)")
            }
        }
    }

    /// The guess is the language of the collection, also where stop words were removed and numbers are `num` (NFCorpus).
    @Test(arguments: [
        ("cranfield", Language.english), ("fae-10k", .english), ("fiqa-mini", .english), ("nfcorpus", .english),
        ("scifact", .english), ("xquad-de", .german),
    ])
    func languagesAreGuessed(name: String, language: Language) throws {
        let guess = LanguageGuess(of: try SharedData.collection(name).documents.map(\.textForEncoding))
        #expect(guess.language == language && guess.texts == 200)
    }

    /// On German texts: .938 and .911 on dev.
    @Test func germanAnalysisRanksBetterThanEnglish() throws {
        let collection = try SharedData.collection("xquad-de")
        let qrels = try collection.qrels(split: "dev")
        let queries = collection.queries(judgedIn: qrels)
        let metric = try Metric(parsing: "nDCG@10")
        func value(_ language: Language) -> Double {
            let bm25 = BM25(
                texts: collection.documents.map(\.textForEncoding), analyzer: TextAnalyzer(language: language))
            let run = Run(
                bm25.rankings(of: queries.map(\.text), count: 100), queryIds: queries.map(\.id),
                documentIds: collection.documentIds)
            return evaluate(run, against: qrels, metrics: [metric]).means[metric] ?? .nan
        }
        let (english, german) = (value(.english), value(.german))
        #expect(german > english + 0.02, "\(german), English analysis \(english)")
    }

    /// The ranking of stored black-box vectors has the quality that their description gives; float16 does not lower it.
    @Test(arguments: [("nfcorpus", 0.329, 0.334), ("fae-10k", 0.676, 0.976)])
    func halfPrecisionRanksAsWell(name: String, gain: Double, recall: Double) async throws {
        let folder = try SharedData.vectors(name)
        let collection = try SharedData.collection(name)
        let qrels = try collection.qrels(split: "test")
        func ids(_ name: String) throws -> [String] {
            try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8).split(separator: "\n").map(
                String.init)
        }
        let documents = try VectorRows(contentsOf: folder.appendingPathComponent("corpus.npy"))
        let queries = try NumPyFile.read(folder.appendingPathComponent("queries.npy"))
        let documentIds = try ids("corpus.ids")
        let queryIds = try ids("queries.ids")
        let judged = Set(qrels.queryIds)
        let rows = queryIds.indices.filter { judged.contains(queryIds[$0]) }
        let metrics = [try Metric(parsing: "nDCG@10"), try Metric(parsing: "R@100")]
        func means(_ index: VectorIndex) throws -> [Double] {
            let rankings = try index.search(queries: queries.selecting(rows: rows), count: 100)
            let run = Run(rankings, queryIds: rows.map { queryIds[$0] }, documentIds: documentIds)
            let means = evaluate(run, against: qrels, metrics: metrics).means
            return metrics.map { means[$0] ?? .nan }
        }
        let single = try means(VectorIndex(documents))
        #expect(abs(single[0] - gain) < 5e-4 && abs(single[1] - recall) < 5e-4, "\(single)")
        try await TemporaryFolder.with { temporary in
            let file = temporary.url.appendingPathComponent("half.npy")
            try documents.write(to: file, as: .float16)
            let half = try means(VectorIndex(VectorRows(contentsOf: file)))
            #expect(largestDifference(half, single) < 1e-3, "\(half), float32 \(single)")
        }
    }

    @Test func countsAreThoseOfTheDescription() throws {
        let collection = try SharedData.collection("nfcorpus")
        #expect(collection.documents.count == 3_395 && collection.queries.count == 3_237)
        #expect(collection.splits == ["train", "dev", "test"])
        for (split, queries, pairs) in [("train", 2_563, 110_075), ("dev", 324, 11_385), ("test", 323, 12_334)] {
            let qrels = try collection.qrels(split: split)
            #expect(qrels.queryIds.count == queries && qrels.pairCount == pairs)
        }
        let cranfield = try SharedData.collection("cranfield")
        #expect(cranfield.warnings.map(\.identifier) == ["471", "995"])
        #expect(cranfield.warnings.allSatisfy { $0.kind == .emptyDocument })
    }
}
