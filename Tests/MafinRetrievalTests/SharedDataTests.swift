import Foundation
import MafinRetrieval
import Testing

/// Real collections, against what bm25s, scikit-learn and pytrec_eval give for the same files.
@Suite(.enabled(if: SharedData.isThere, SharedData.absence)) struct SharedDataTests {
    struct Yardstick: Decodable {
        let bm25: [String: Double]
        let tfidf: [String: Double]
        let terms: Int
    }

    @Test(arguments: ["cranfield", "fae-10k", "fiqa-mini", "nfcorpus", "scifact"])
    func lexicalRankingsEqualTheirPeers(name: String) throws {
        let yardstick = try #require(Golden.decode("yardsticks.json", as: [String: Yardstick].self)[name])
        let collection = try SharedData.collection(name)
        let qrels = try collection.qrels(split: "test")
        let queries = collection.queries(judgedIn: qrels)
        let index = InvertedIndex(texts: collection.documents.map(\.textForEncoding))
        #expect(index.documentLengths.reduce(0) { $0 + Int($1) } == yardstick.terms)
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
