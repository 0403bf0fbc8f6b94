import MafinNumerics

extension BM25 {
    /// Values of `k1` and `b` that are tried when they are chosen on labels. They surround the defaults of Lucene (1.2,
    /// .75), bm25s (1.5, .75) and Anserini (.9, .4).
    public static let tunedSettings: [(k1: Double, b: Double)] = [0.6, 0.9, 1.2, 1.5, 2, 3].flatMap { k1 in
        [0.2, 0.4, 0.6, 0.75, 0.9].map { (k1, $0) }
    }

    /// The setting that is best on labelled queries. These must not be the queries on which results are reported.
    ///
    /// Of equally good settings the first wins.
    /// - Parameters:
    ///   - index: the index. It is weighted for each setting, but not made again.
    ///   - queries: the queries. Those without a relevant document in `qrels` are left out.
    ///   - documentIds: one per document of the index.
    ///   - settings: at least one.
    /// - Returns: the weighted index, and the metric with it.
    /// - Throws: ``RetrievalError/noJudgedQueries(path:)`` if no query has a relevant document.
    public static func tuned(
        index: InvertedIndex, queries: [Query], qrels: Qrels, documentIds: [String],
        metric: Metric = .nDCG(cutoff: 10), settings: [(k1: Double, b: Double)] = tunedSettings
    ) throws -> (system: BM25, value: Double) {
        precondition(documentIds.count == index.documentCount, "\(documentIds.count) ids")
        let judged = queries.filter { qrels.hasRelevantDocument($0.id) }
        guard !judged.isEmpty else {
            throw RetrievalError.noJudgedQueries(path: "the labels to choose BM25's k1 and b on")
        }
        var best: (system: BM25, value: Double)?
        let statistics = LexicalStatistics(of: index)
        for (k1, b) in settings {
            let system = BM25(index: index, k1: k1, b: b, statistics: statistics)
            let run = Run(
                system.rankings(of: judged.map(\.text), count: 1_000), queryIds: judged.map(\.id),
                documentIds: documentIds)
            let value = evaluate(run, against: qrels, metrics: [metric]).means[metric] ?? 0
            if value > best?.value ?? -1 { best = (system, value) }
        }
        guard let best else { preconditionFailure("no setting to try") }
        return best
    }

    /// The scores of all documents for each query, `(queries, documents)`, for fusion with vector scores. A document
    /// that shares no term with the query has score 0.
    /// - Complexity: O(queries × documents) memory, so call it in blocks of queries for a large corpus.
    public func scores(of queries: [String]) -> Matrix {
        postings.scores(of: queries) { terms(of: $0) }
    }
}
