import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// The two parts of an artefact's score of any judged query and any document: which source moved a document up?
public struct PairScores {
    private let index: MixtureIndex
    private let queries: MixtureIndex.Queries
    private let weights: MixtureWeights
    private let queryRows: [String: Int]
    private let documentRows: [String: Int]

    /// Encodes queries and documents.
    /// - Parameter vectors: the black box's answers for all documents of the collection and for `queries`.
    /// - Throws: ``ArtefactError`` where the vectors are of another black box; what encoders and files throw; `CancellationError`.
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

    /// What each source adds to the score of a document for a query; `nil` where either is not known.
    public func parts(query: String, document: String) -> ScoreParts? {
        guard let query = queryRows[query], let document = documentRows[document] else { return nil }
        let parts = index.parts(of: [document], query: query, of: queries, weights: weights)
        return ScoreParts(blackBox: Double(parts[0, 0]), local: Double(parts[0, 1]))
    }
}
