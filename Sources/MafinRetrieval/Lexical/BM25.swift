import Foundation

/// Okapi BM25 in Lucene's form, with the defaults and the arithmetic of bm25s (Lù 2024; Kamphuis et al. 2020).
///
/// `score(q, d) = Σ_t ln(1 + (N − df + ½) / (df + ½)) · tf / (tf + k1 · (1 − b + b · |d| / avg|d|))` over the terms `t` of the
/// query, repetitions included.
public struct BM25: Sendable {
    /// How slowly the weight of a term saturates with its frequency.
    public let k1: Double
    /// How far scores are normalised by document length, from 0 (not) to 1 (fully).
    public let b: Double
    let postings: WeightedPostings

    /// The index that is searched.
    public var index: InvertedIndex { postings.index }

    /// Weights an index. This is cheap compared with making the index, so several `k1` and `b` can be tried on the same
    /// index.
    public init(index: InvertedIndex, k1: Double = 1.5, b: Double = 0.75) {
        precondition(k1 >= 0 && (0...1).contains(b), "k1 \(k1) and b \(b) are outside 0... and 0...1")
        self.k1 = k1
        self.b = b
        let count = Double(index.documentCount)
        let meanLength = max(1, index.documentLengths.reduce(0.0) { $0 + Double($1) }) / max(1, count)
        // Values are rounded to Float where bm25s rounds them, so that scores are bit for bit the same.
        let penalties = index.documentLengths.map { k1 * ((1 - b) + b * Double($0) / meanLength) }
        var weights = [Float](repeating: 0, count: index.postingDocuments.count)
        for term in 0..<index.termCount {
            let documents = Double(index.documentFrequency(term))
            let idf = Double(Float(log(1 + (count - documents + 0.5) / (documents + 0.5))))
            for posting in index.offsets[term]..<index.offsets[term + 1] {
                let frequency = Double(index.frequencies[posting])
                weights[posting] = Float(
                    idf * (frequency / (penalties[Int(index.postingDocuments[posting])] + frequency)))
            }
        }
        postings = WeightedPostings(index: index, weights: weights)
    }

    /// Indexes texts and weights the index. Document `i` is `texts[i]`.
    public init(
        texts: some Sequence<String>, analyzer: TextAnalyzer = TextAnalyzer(), k1: Double = 1.5, b: Double = 0.75
    ) {
        self.init(index: InvertedIndex(texts: texts, analyzer: analyzer), k1: k1, b: b)
    }

    /// The best documents of a query, best first. There are fewer than `count` if fewer documents share a term with the
    /// query.
    public func ranking(of query: String, count: Int) -> [ScoredIndex] {
        var accumulator = postings.makeAccumulator()
        return postings.ranking(of: terms(of: query), count: count, with: &accumulator)
    }

    /// The best documents of each query. Row `i` belongs to `queries[i]`. Runs on all threads.
    public func rankings(of queries: [String], count: Int) -> Rankings {
        postings.rankings(of: queries, count: count) { terms(of: $0) }
    }

    /// The score of every document for a query; 0 if they share no term.
    public func scores(of query: String) -> [Float] { postings.scores(of: terms(of: query)) }

    func terms(of query: String) -> [(term: Int, factor: Float)] {
        index.terms(ofQuery: query).map { ($0, 1) }
    }
}
