import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// Exact search over a corpus with an artefact. Each result has the two parts of its score.
public struct ArtefactSearch {
    /// One result.
    public struct Hit: Sendable, Codable, Equatable {
        /// Rank, from 1.
        public var rank: Int
        /// Id of the document.
        public var id: String
        /// The score, the sum of both parts.
        public var score: Float
        /// The black box's part of the score; `nil` if the black box was not asked.
        public var blackBoxPart: Float?
        /// The local encoder's part of the score.
        public var localPart: Float
        /// Rank by the black box alone, from 1; `nil` if the black box was not asked.
        public var blackBoxRank: Int?
        /// Title; empty if it has none.
        public var title: String
        /// Text.
        public var text: String
    }

    private let model: ArtefactModel
    private let documents: [Document]
    private let index: MixtureIndex

    /// Prepares a corpus.
    /// - Parameter blackBox: the black box's vectors of the documents, `(documents, dimension)`.
    /// - Throws: ``ArtefactError/dimension(path:of:expected:found:)``; `CombinationError` for a vector of zeros; `CancellationError`.
    public init(
        _ model: ArtefactModel, documents: [Document], blackBox: Matrix, cache: LocalVectorCache,
        isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws {
        try model.artefact.require(blackBoxDimension: blackBox.columns)
        self.model = model
        self.documents = documents
        index = try model.index(
            of: documents, blackBox: blackBox, cache: cache, isCancelled: isCancelled, progress: progress)
    }

    /// The best documents for a query.
    /// - Parameters:
    ///   - blackBoxVector: the black box's vector of the query. `nil` ranks by the local score alone (λ = 1). In the
    ///     norm form this score is not the local encoder's cosine, because a longer local vector of a document has more
    ///     weight.
    ///   - lambda: replaces the artefact's λ. Must be `nil` for the norm form, in which each text has its own weight.
    /// - Throws: `CombinationError` for a query vector of zeros; whatever the encoder throws.
    public func hits(
        _ query: String, blackBoxVector: [Float]?, count: Int, lambda: Float? = nil
    ) throws -> [Hit] {
        precondition(lambda == nil || model.manifest.mixing.lambda != nil, "the norm form has no λ to replace")
        let local = try model.localVectors(of: [query], as: .query)
        let queries: MixtureIndex.Queries
        let weights: MixtureWeights
        if let blackBoxVector {
            queries = try index.queries(
                blackBox: Matrix(rows: 1, columns: blackBoxVector.count, values: blackBoxVector), local: local)
            weights = lambda.map { MixtureWeights(lambda: $0) } ?? model.manifest.mixing.rankingWeights
        } else {
            queries = try index.queries(localOnly: local)
            weights = MixtureWeights(lambda: 1)
        }
        let best = try index.rankings(of: queries, weights: weights, count: count)[0]
        let rows = best.map(\.index)
        let parts = index.parts(of: rows, query: 0, of: queries, weights: weights)
        let places = blackBoxVector.map { _ in index.blackBoxPlaces(of: rows, query: 0, of: queries) }
        return best.enumerated().map { place, entry in
            let document = documents[entry.index]
            return Hit(
                rank: place + 1, id: document.id, score: entry.score,
                blackBoxPart: blackBoxVector == nil ? nil : parts[place, 0], localPart: parts[place, 1],
                blackBoxRank: places?[place], title: document.title, text: document.text)
        }
    }
}
