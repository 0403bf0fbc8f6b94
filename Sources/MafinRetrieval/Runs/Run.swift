/// A document of a ranking, with the score that placed it.
public struct ScoredDocument: Sendable, Hashable {
    /// The document.
    public var id: String
    /// Larger is better. Single precision, as trec_eval keeps it: scores that agree in `Float` are ties.
    public var score: Float

    /// A document with its score.
    public init(id: String, score: Float) {
        self.id = id
        self.score = score
    }

    /// trec_eval's order: score descending, equal scores by document id descending (bytewise). NaN ranks last.
    static func ranksBefore(_ a: ScoredDocument, _ b: ScoredDocument) -> Bool {
        if a.score > b.score { return true }
        if a.score < b.score { return false }
        if a.score.isNaN != b.score.isNaN { return b.score.isNaN }
        return b.id.utf8.lexicographicallyPrecedes(a.id.utf8)
    }
}

/// The answer of one system: for each query a ranking of documents.
///
/// Rankings are always in trec_eval's order, whatever order the documents were given in.
public struct Run: Sendable, Equatable {
    /// The answered queries, in the order in which they were added.
    public private(set) var queryIds: [String]
    private var rankings: [String: [ScoredDocument]]

    /// No answers.
    public init() {
        queryIds = []
        rankings = [:]
    }

    /// The ranking of one query, best first; `nil` for a query without a result list.
    public subscript(queryId: String) -> [ScoredDocument]? { rankings[queryId] }

    /// Sets the result list of a query, and sorts it. Each document is in it at most once.
    public mutating func setRanking(_ documents: [ScoredDocument], for queryId: String) {
        assert(
            Set(documents.map(\.id)).count == documents.count, "a document appears twice in the ranking of \(queryId)")
        if rankings.updateValue(documents.sorted(by: ScoredDocument.ranksBefore), forKey: queryId) == nil {
            queryIds.append(queryId)
        }
    }

    /// A run from rankings by index, as ``VectorIndex`` and ``BM25`` give them.
    /// - Parameters:
    ///   - rankings: row `i` belongs to `queryIds[i]`; its indices point into `documentIds`.
    public init(_ rankings: Rankings, queryIds: [String], documentIds: [String]) {
        precondition(rankings.count == queryIds.count, "\(rankings.count) rankings for \(queryIds.count) queries")
        self.init()
        for (row, query) in queryIds.enumerated() {
            setRanking(rankings[row].map { ScoredDocument(id: documentIds[$0.index], score: $0.score) }, for: query)
        }
    }
}
