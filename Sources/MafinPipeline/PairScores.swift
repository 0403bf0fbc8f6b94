import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// The parts of an artefact's score for any of the given queries and any document. They show which source ranked a
/// document higher.
public struct PairScores {
    private let index: SourceIndex
    private let queries: SourceIndex.Queries
    private let weights: SourceWeights
    private let queryRows: [String: Int]
    private let documentRows: [String: Int]

    /// Encodes queries and documents.
    /// - Parameter vectors: the black box's vectors of all documents of the collection and of `queries`.
    /// - Throws: ``ArtefactError`` if the vectors are of another black box; whatever encoders and files throw;
    ///   `CancellationError`.
    public init(
        _ model: ArtefactModel, on collection: RetrievalCollection, queries: [Query], vectors: BlackBoxVectors,
        cache: LocalVectorCache, isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws {
        try model.require(vectors)
        weights = model.manifest.mixing.rankingWeights
        let ids = queries.map(\.id)
        index = try model.index(
            of: collection.documents, blackBox: vectors.documentVectors, cache: cache, isCancelled: isCancelled,
            progress: progress)
        self.queries = try index.queries(
            model.queries(
                queries.map(\.text), ids: ids, blackBox: vectors.queryVectors(of: queries), isCancelled: isCancelled))
        queryRows = Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, $0) })
        documentRows = collection.documentIndex
    }

    /// The contribution of each source to the score of a document for a query; `nil` if the query or the document is not
    /// known.
    public func parts(query: String, document: String) -> ScoreParts? {
        guard let query = queryRows[query], let document = documentRows[document] else { return nil }
        let parts = index.parts(of: [document], query: query, of: queries, weights: weights)
        return ScoreParts(zip(weights.sources, parts.row(0)).map { .init(source: $0, value: Double($1)) })
    }
}
