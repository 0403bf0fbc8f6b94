import Foundation
import MafinNumerics
import Testing

@testable import MafinRetrieval

@Suite struct LexicalTests {
    struct Goldens: Decodable {
        let texts: [String]
        let queries: [String]
        let terms: [[String]]
        let queryTerms: [[String]]
        let bm25: [[Float]]
        let tuned: [[Float]]
        let tfidf: [[Float]]
    }

    @Test func stemsEqualPyStemmer() throws {
        let stemmer = SnowballEnglishStemmer()
        var count = 0
        for line in String(decoding: try Golden.data("stems.tsv"), as: UTF8.self).split(separator: "\n") {
            let columns = line.split(separator: "\t", omittingEmptySubsequences: false)
            let stem = stemmer.stem(String(columns[0]))
            #expect(stem == columns[1], "\(columns[0])")
            count += 1
        }
        #expect(count >= 5_000)
        #expect(stemmer.stem("") == "")
    }

    @Test func termsEqualBM25S() throws {
        let goldens = try Golden.decode("lexical.json", as: Goldens.self)
        for (text, terms) in zip(goldens.texts + goldens.queries, goldens.terms + goldens.queryTerms) {
            #expect(TextAnalyzer().terms(in: text) == terms, "\(text)")
        }
        #expect(
            TextAnalyzer(stopWords: [], stems: false).terms(in: "The Pumps of a pump") == [
                "the", "pumps", "of", "pump",
            ])
        // As Python's str.lower: a capital sigma at the end of a word becomes a final sigma, but only after another
        // letter.
        let analyzer = TextAnalyzer(stopWords: [], stems: false)
        #expect(analyzer.terms(in: "ΟΔΟΣ, ΣΟΦΟΣ 1Σ ΣΣ") == ["οδος", "σοφος", "1σ", "σς"])
        #expect(StopWords.english.count == 33)
    }

    /// Statistics of one corpus weigh the documents of another. They are the products of both sides' weighted terms.
    @Test func statisticsOfAnotherCorpusWeighDocuments() {
        let corpus = ["red pump", "blue pump valve", "a valve of steel", "steel steel"]
        let weighting = BM25Weighting(LexicalStatistics(of: InvertedIndex(texts: corpus)), k1: 1.2, b: 0.5)
        let later = ["pump pump zeppelin", "valve", "steel pump"]
        let bm25 = BM25(index: InvertedIndex(texts: later), weighting)
        for (row, text) in later.enumerated() {
            let weights = Dictionary(
                uniqueKeysWithValues: weighting.weights(ofDocument: TextAnalyzer().terms(in: text)).map {
                    ($0.term, $0.weight)
                })
            for term in ["pump", "valv", "steel", "zeppelin", "red"] {
                #expect(bm25.scores(of: term)[row] == weights[term] ?? 0, "\(term) in \(text)")
            }
        }
        // ln(1 + (4 − 2 + ½) / (2 + ½)) for a term of two documents, ln(1 + (4 + ½) / ½) for one of none.
        #expect(abs(weighting.inverseDocumentFrequency(of: "pump") - 0.693147) < 1e-6)
        #expect(abs(weighting.inverseDocumentFrequency(of: "zeppelin") - 2.302585) < 1e-6)
        // Of its own corpus the statistics are those that an index uses by itself.
        let own = BM25(index: InvertedIndex(texts: corpus), weighting)
        #expect(own.scores(of: "blue valve") == BM25(texts: corpus, k1: 1.2, b: 0.5).scores(of: "blue valve"))
    }

    @Test func scoresEqualBM25SAndScikitLearn() throws {
        let goldens = try Golden.decode("lexical.json", as: Goldens.self)
        let index = InvertedIndex(texts: goldens.texts)
        #expect(index.documentLengths.map(Int.init) == goldens.terms.map(\.count))
        let bm25 = BM25(index: index)
        let tuned = BM25(index: index, k1: 0.9, b: 0.4)
        let tfidf = TFIDF(index: index)
        for (row, query) in goldens.queries.enumerated() {
            #expect(bm25.scores(of: query) == goldens.bm25[row], "\(query)")
            #expect(tuned.scores(of: query) == goldens.tuned[row], "\(query)")
            for (score, expected) in zip(tfidf.scores(of: query), goldens.tfidf[row]) {
                #expect(abs(score - expected) < 1e-6, "\(query)")
            }
        }
        let rankings = bm25.rankings(of: goldens.queries, count: 5)
        for (row, query) in goldens.queries.enumerated() {
            let scores = goldens.bm25[row]
            let expected = scores.indices.filter { scores[$0] > 0 }
                .sorted { (-scores[$0], $0) < (-scores[$1], $1) }.prefix(5)
            #expect(rankings[row].map(\.index) == Array(expected), "\(query)")
            #expect(bm25.ranking(of: query, count: 5) == Array(rankings[row]))
        }
    }

    @Test func settingsChosenOnLabels() throws {
        let goldens = try Golden.decode("lexical.json", as: Goldens.self)
        let index = InvertedIndex(texts: goldens.texts)
        let ids = goldens.texts.indices.map { "d\($0)" }
        let queries = goldens.queries.enumerated().map { Query(id: "q\($0)", text: $1) }
        // The relevant document of each query is the first one under the setting (.9, .4), so this setting is the best.
        var qrels = Qrels()
        for (row, scores) in goldens.tuned.enumerated() where (scores.max() ?? 0) > 0 {
            let best = scores.indices.max { (scores[$0], -$0) < (scores[$1], -$1) } ?? 0
            qrels.insert(query: "q\(row)", document: ids[best], grade: 1)
        }
        let metric = Metric.success(cutoff: 1)
        let found = try BM25.tuned(
            index: index, queries: queries, qrels: qrels, documentIds: ids, metric: metric,
            settings: [(3, 1), (0.9, 0.4), (1.5, 0.75)])
        #expect(found.value == 1)
        // The first of equal settings is chosen; every earlier setting is worse.
        for (k1, b) in [(3.0, 1.0), (0.9, 0.4), (1.5, 0.75)] {
            let run = Run(
                BM25(index: index, k1: k1, b: b).rankings(of: goldens.queries, count: 10),
                queryIds: queries.map(\.id), documentIds: ids)
            let value = evaluate(run, against: qrels, metrics: [metric]).means[metric] ?? 0
            if k1 == found.system.k1, b == found.system.b { break }
            #expect(value < 1)
        }
        #expect(throws: RetrievalError.self) {
            try BM25.tuned(index: index, queries: queries, qrels: Qrels(), documentIds: ids)
        }
        let matrix = found.system.scores(of: goldens.queries)
        let cosines = TFIDF(index: index).scores(of: goldens.queries)
        for (row, query) in goldens.queries.enumerated() {
            #expect(Array(matrix.row(row)) == found.system.scores(of: query))
            #expect(Array(cosines.row(row)) == TFIDF(index: index).scores(of: query))
        }
    }

    @Test func emptyCorporaAndTextsAreNoTrouble() {
        #expect(BM25(texts: []).ranking(of: "pump", count: 3).isEmpty)
        #expect(TFIDF(texts: ["", "the"]).ranking(of: "pump the", count: 3).isEmpty)
        #expect(BM25(texts: ["", "pump"]).ranking(of: "pumps", count: 3).map(\.index) == [1])
        #expect(BM25(texts: ["pump"]).ranking(of: "pumps", count: 0).isEmpty)
    }

    @Test func aTermTableReturnsTheInsertedTerms() {
        var table = TermTable()
        let words = (0..<5_000).map { Array("term\($0 * 7919 % 5_000)".utf8) }
        for word in words + words {
            let number = word.withUnsafeBufferPointer { table.insert($0) }
            #expect(Array(table[number]) == word)
        }
        #expect(table.count == 5_000)
        #expect(Array("absent".utf8).withUnsafeBufferPointer { table.find($0) } == nil)
    }
}
