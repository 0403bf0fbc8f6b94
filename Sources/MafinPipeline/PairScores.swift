import MafinMethod
import MafinNumerics
import MafinRetrieval

/// The two parts of the joined score of any judged query and any document: which half moved a document up?
public struct PairScores {
    private let halves: HalfVectors
    private let mixing: HalfVectors.Mixing
    private let queryRows: [String: Int]
    private let documentRows: [String: Int]

    /// Encodes queries and documents.
    /// - Parameters:
    ///   - vectors: the black box's answers for all documents of the collection and for `queries`.
    ///   - queries: those that will be asked for.
    /// - Throws: ``ArtefactError`` where the vectors are not of the artefact's black box; what encoders and files throw;
    ///   `CancellationError` when cancelled.
    public init(
        _ model: ArtefactModel, on collection: RetrievalCollection, queries: [Query], vectors: BlackBoxVectors,
        cache: LocalVectorCache, isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws {
        try model.require(vectors)
        let form = model.manifest.mixing.combination.localForm
        halves = HalfVectors(
            blackBoxQueries: vectors.queryVectors.selecting(rows: vectors.rows(of: queries)).normalizedRows().matrix,
            blackBoxDocuments: vectors.documentVectors.normalizedRows().matrix,
            localQueries: form.prepare(
                try model.localVectors(of: queries.map(\.text), as: .query, isCancelled: isCancelled)),
            localDocuments: form.prepare(
                try model.localVectors(
                    of: collection.documents, cache: cache, isCancelled: isCancelled, progress: progress)))
        mixing = model.manifest.mixing.combination.mixing
        queryRows = Dictionary(uniqueKeysWithValues: queries.enumerated().map { ($1.id, $0) })
        documentRows = collection.documentIndex
    }

    /// What each half adds to the score of a document for a query; `nil` where either is not known.
    public func parts(query: String, document: String) -> ScoreParts? {
        guard let query = queryRows[query], let document = documentRows[document] else { return nil }
        let blackBox = Self.product(halves.blackBoxQueries.row(query), halves.blackBoxDocuments.row(document))
        let local = Self.product(
            halves.localQueries.vectors.row(query), halves.localDocuments.vectors.row(document))
        switch mixing {
        case .lambda(let lambda):
            return ScoreParts(blackBox: Double(1 - lambda) * blackBox, local: Double(lambda) * local)
        case .norm:
            let weight = halves.localQueries.weights[query] * halves.localDocuments.weights[document]
            return ScoreParts(blackBox: Double(weight) * blackBox, local: local)
        }
    }

    private static func product(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Double {
        zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
}
