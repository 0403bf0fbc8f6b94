/// A document of a ranking, with its score.
public struct ScoredDocument: Sendable, Hashable {
    /// Id of the document.
    public var id: String
    /// The score; larger is better. It has single precision as in trec_eval, so scores that are equal as `Float` are
    /// ties.
    public var score: Float

    /// A document with its score.
    public init(id: String, score: Float) {
        self.id = id
        self.score = score
    }

    /// trec_eval's order: by score, descending; equal scores by the bytes of the document id, descending. NaN ranks
    /// last.
    static func ranksBefore(_ a: ScoredDocument, _ b: ScoredDocument) -> Bool {
        if a.score > b.score { return true }
        if a.score < b.score { return false }
        if a.score.isNaN != b.score.isNaN { return b.score.isNaN }
        return b.id.utf8.lexicographicallyPrecedes(a.id.utf8)
    }
}

/// The result of one system: a ranking of documents for each query.
///
/// Rankings are always in trec_eval's order, in whatever order the documents were given.
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

    /// Sets and sorts the ranking of a query. A document must not be named twice.
    public mutating func setRanking(_ documents: [ScoredDocument], for queryId: String) {
        assert(
            Set(documents.map(\.id)).count == documents.count, "a document appears twice in the ranking of \(queryId)")
        if rankings.updateValue(documents.sorted(by: ScoredDocument.ranksBefore), forKey: queryId) == nil {
            queryIds.append(queryId)
        }
    }

    /// A run from rankings by row number, as ``VectorIndex`` and ``BM25`` return them.
    /// - Parameters:
    ///   - rankings: row `i` belongs to `queryIds[i]`. Its indices refer to `documentIds`.
    public init(_ rankings: Rankings, queryIds: [String], documentIds: [String]) {
        precondition(rankings.count == queryIds.count, "\(rankings.count) rankings for \(queryIds.count) queries")
        self.init()
        for (row, query) in queryIds.enumerated() {
            setRanking(rankings[row].map { ScoredDocument(id: documentIds[$0.index], score: $0.score) }, for: query)
        }
    }
}
