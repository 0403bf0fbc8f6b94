/// What BM25 knows of a corpus: its size, and in how many documents each term occurs.
///
/// Kept apart from the documents, it gives the same weights of terms in any index, for documents that came later too.
public struct LexicalStatistics: Sendable, Equatable {
    /// Number of documents.
    public let documentCount: Int
    /// Mean number of terms of a document, above 0.
    public let meanLength: Double
    /// The terms, each once. Their places are the columns of sparse vectors.
    public let terms: [String]
    /// For each term the number of documents in which it occurs.
    public let documentFrequencies: [Int]
    private let places: [String: Int]

    /// Statistics that were stored.
    /// - Precondition: one frequency per term, and no term twice.
    public init(documentCount: Int, meanLength: Double, terms: [String], documentFrequencies: [Int]) {
        precondition(terms.count == documentFrequencies.count, "\(documentFrequencies.count) frequencies of terms")
        precondition(meanLength > 0, "a mean length of \(meanLength)")
        (self.documentCount, self.meanLength) = (documentCount, meanLength)
        (self.terms, self.documentFrequencies) = (terms, documentFrequencies)
        places = Dictionary(uniqueKeysWithValues: terms.enumerated().map { ($1, $0) })
    }

    /// The statistics of an index.
    public init(of index: InvertedIndex) {
        let count = Double(index.documentCount)
        self.init(
            documentCount: index.documentCount,
            meanLength: max(1, index.documentLengths.reduce(0.0) { $0 + Double($1) }) / max(1, count),
            terms: (0..<index.termCount).map(index.term),
            documentFrequencies: (0..<index.termCount).map(index.documentFrequency))
    }

    /// The place of a term; `nil` for a term that the corpus does not have.
    public func place(of term: String) -> Int? { places[term] }

    /// In how many documents a term occurs; 0 for a term that the corpus does not have.
    public func documentFrequency(of term: String) -> Int { places[term].map { documentFrequencies[$0] } ?? 0 }
}
