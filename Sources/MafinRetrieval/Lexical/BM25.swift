import Foundation

/// Okapi BM25 in Lucene's form, with the defaults and the arithmetic of bm25s (Lù 2024; Kamphuis et al. 2020).
///
/// `score(q, d) = Σ_t ln(1 + (N − df + ½) / (df + ½)) · tf / (tf + k1 · (1 − b + b · |d| / avg|d|))` over the terms `t` of the
/// query, repetitions included.
public struct BM25: Sendable {
    /// How slowly the weight of a term saturates with its frequency.
    public var k1: Double { weighting.k1 }
    /// How far scores are normalised by document length, from 0 (not) to 1 (fully).
    public var b: Double { weighting.b }
    let postings: WeightedPostings

    /// The index that is searched.
    public var index: InvertedIndex { postings.index }

    /// How terms are weighted.
    public let weighting: BM25Weighting

    /// Weights an index. This is cheap compared with making the index, so several `k1` and `b` can be tried on the same
    /// index.
    /// - Parameter statistics: of the corpus that decides how much a term counts; `nil`: those of the index itself.
    public init(index: InvertedIndex, k1: Double = 1.5, b: Double = 0.75, statistics: LexicalStatistics? = nil) {
        self.init(index: index, BM25Weighting(statistics ?? LexicalStatistics(of: index), k1: k1, b: b))
    }

    /// Weights an index.
    public init(index: InvertedIndex, _ weighting: BM25Weighting) {
        self.weighting = weighting
        let penalties = index.documentLengths.map { weighting.penalty(length: Int($0)) }
        var weights = [Float](repeating: 0, count: index.postingDocuments.count)
        for term in 0..<index.termCount {
            let idf = weighting.inverseDocumentFrequency(of: index.term(term))
            for posting in index.offsets[term]..<index.offsets[term + 1] {
                let penalty = penalties[Int(index.postingDocuments[posting])]
                weights[posting] = weighting.weight(
                    idf: idf, frequency: Int(index.frequencies[posting]), penalty: penalty)
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

    /// Calls `body` with the score of each document that shares a term with a query, `scale` times, in no order.
    package func forEachScore(of query: String, scale: Float, _ body: (_ document: Int, _ score: Float) -> Void) {
        var accumulator = postings.makeAccumulator()
        postings.forEachScore(of: index.terms(ofQuery: query).map { ($0, scale) }, with: &accumulator, body)
    }
}

/// The weights of BM25's terms by the statistics of a corpus.
public struct BM25Weighting: Sendable, Equatable {
    /// The corpus.
    public let statistics: LexicalStatistics
    /// How slowly the weight of a term saturates with its frequency.
    public let k1: Double
    /// How far scores are normalised by document length, from 0 (not) to 1 (fully).
    public let b: Double

    /// A weighting; see ``BM25``.
    public init(_ statistics: LexicalStatistics, k1: Double = 1.5, b: Double = 0.75) {
        precondition(k1 >= 0 && (0...1).contains(b), "k1 \(k1) and b \(b) are outside 0... and 0...1")
        (self.statistics, self.k1, self.b) = (statistics, k1, b)
    }

    /// `ln(1 + (N − df + ½) / (df + ½))`. A term that the corpus does not have counts as one that it has in no document.
    ///
    /// Values are rounded to Float where bm25s rounds them, so that scores are bit for bit the same.
    public func inverseDocumentFrequency(of term: String) -> Double {
        let (count, documents) = (Double(statistics.documentCount), Double(statistics.documentFrequency(of: term)))
        return Double(Float(log(1 + (count - documents + 0.5) / (documents + 0.5))))
    }

    /// The weights of a document's terms, each once, in the order of their first occurrence.
    public func weights(ofDocument terms: [String]) -> [(term: String, weight: Float)] {
        var frequencies: [String: Int] = [:]
        var order: [String] = []
        for term in terms {
            if frequencies[term] == nil { order.append(term) }
            frequencies[term, default: 0] += 1
        }
        let penalty = penalty(length: terms.count)
        return order.map { term in
            (
                term,
                weight(idf: inverseDocumentFrequency(of: term), frequency: frequencies[term] ?? 0, penalty: penalty)
            )
        }
    }

    func penalty(length: Int) -> Double { k1 * ((1 - b) + b * Double(length) / statistics.meanLength) }

    func weight(idf: Double, frequency: Int, penalty: Double) -> Float {
        Float(idf * (Double(frequency) / (penalty + Double(frequency))))
    }
}
