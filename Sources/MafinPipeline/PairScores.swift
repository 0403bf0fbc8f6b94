import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// The two parts of an artefact's score for any of the given queries and any document. They show which source ranked a
/// document higher.
public struct PairScores {
    private let index: MixtureIndex
    private let queries: MixtureIndex.Queries
    private let weights: MixtureWeights
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
        let local = try model.localVectors(of: queries.map(\.text), as: .query, isCancelled: isCancelled)
        index = try model.index(
            of: collection.documents, blackBox: vectors.documentVectors, cache: cache, isCancelled: isCancelled,
            progress: progress)
        self.queries = try index.queries(blackBox: vectors.queryVectors(of: queries), local: local, ids: ids)
        queryRows = Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, $0) })
        documentRows = collection.documentIndex
    }

    /// The contributions of both sources to the score of a document for a query; `nil` if the query or the document is
    /// not known.
    public func parts(query: String, document: String) -> ScoreParts? {
        guard let query = queryRows[query], let document = documentRows[document] else { return nil }
        let parts = index.parts(of: [document], query: query, of: queries, weights: weights)
        return ScoreParts(blackBox: Double(parts[0, 0]), local: Double(parts[0, 1]))
    }
}
