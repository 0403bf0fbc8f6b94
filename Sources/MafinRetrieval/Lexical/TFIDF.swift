import Foundation
import MafinNumerics

/// Cosine of TF-IDF vectors with the default weights of scikit-learn's `TfidfVectorizer`.
///
/// Component `t` of a text is `tf · (ln((1 + N) / (1 + df)) + 1)`. Vectors have unit length. The norm of a query
/// includes only terms that occur in the corpus.
public struct TFIDF: Sendable {
    let postings: WeightedPostings
    private let inverseDocumentFrequencies: [Double]

    /// The index that is searched.
    public var index: InvertedIndex { postings.index }

    /// Weights an index.
    public init(index: InvertedIndex) {
        let count = Double(index.documentCount)
        let idf = (0..<index.termCount).map { log((1 + count) / (1 + Double(index.documentFrequency($0)))) + 1 }
        var squares = [Double](repeating: 0, count: index.documentCount)
        var components = [Double](repeating: 0, count: index.postingDocuments.count)
        for term in 0..<index.termCount {
            for posting in index.offsets[term]..<index.offsets[term + 1] {
                components[posting] = Double(index.frequencies[posting]) * idf[term]
                squares[Int(index.postingDocuments[posting])] += components[posting] * components[posting]
            }
        }
        let norms = squares.map { $0.squareRoot() }
        let weights = components.indices.map { Float(components[$0] / norms[Int(index.postingDocuments[$0])]) }
        inverseDocumentFrequencies = idf
        postings = WeightedPostings(index: index, weights: weights)
    }

    /// Indexes texts and weights the index. Document `i` is `texts[i]`.
    public init(texts: some Sequence<String>, analyzer: TextAnalyzer = TextAnalyzer()) {
        self.init(index: InvertedIndex(texts: texts, analyzer: analyzer))
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

    /// The cosine of every document with a query; 0 if they share no term.
    public func scores(of query: String) -> [Float] { postings.scores(of: terms(of: query)) }

    /// The cosines of all documents with each query, `(queries, documents)`; 0 if they share no term.
    /// - Complexity: O(queries × documents) memory.
    public func scores(of queries: [String]) -> Matrix {
        postings.scores(of: queries) { terms(of: $0) }
    }

    /// The query's unit vector, with a component for each distinct term.
    func terms(of query: String) -> [(term: Int, factor: Float)] {
        var frequencies: [Int: Double] = [:]
        for term in index.terms(ofQuery: query) { frequencies[term, default: 0] += 1 }
        // The order is fixed, so that sums are rounded in the same way in every run.
        let components = frequencies.sorted { $0.key < $1.key }.map {
            ($0.key, $0.value * inverseDocumentFrequencies[$0.key])
        }
        let norm = components.reduce(0) { $0 + $1.1 * $1.1 }.squareRoot()
        return components.map { ($0.0, Float($0.1 / norm)) }
    }
}
