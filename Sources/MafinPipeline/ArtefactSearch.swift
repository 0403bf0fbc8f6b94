import Foundation
import MafinBlackBox
import MafinImages
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// Exact search over a corpus with an artefact. Each result has the parts of its score.
public struct ArtefactSearch {
    /// One result.
    public struct Hit: Sendable, Codable, Equatable {
        /// Rank, from 1.
        public var rank: Int
        /// Id of the document.
        public var id: String
        /// The score, the sum of all parts.
        public var score: Float
        /// Each source's part of the score. A source whose vector of the query is missing has none.
        public var parts: ScoreParts
        /// Rank by the black box alone, from 1; `nil` if the black box was not asked.
        public var blackBoxRank: Int?
        /// Title; empty if it has none.
        public var title: String
        /// Text; empty for an image alone.
        public var text: String
        /// The path of its image in the collection; `nil` for a text.
        public var image: String?
    }

    private let model: ArtefactModel
    private let documents: [Document]
    private let index: SourceIndex
    /// The black box's own vectors, if those of the index are reduced or multiplied by the weights of the norm form.
    private let blackBoxAlone: VectorIndex?

    /// Prepares a corpus.
    /// - Parameter blackBox: the black box's vectors of the documents, `(documents, dimension)`; `nil` if no source needs
    ///   them.
    /// - Throws: ``ArtefactError/dimension(path:of:expected:found:)``; `CombinationError` for a vector of zeros; `CancellationError`.
    public init(
        _ model: ArtefactModel, documents: [Document], blackBox: Matrix?, cache: LocalVectorCache,
        isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws {
        if let blackBox { try model.artefact.require(blackBoxDimension: blackBox.columns) }
        self.model = model
        self.documents = documents
        blackBoxAlone =
            model.manifest.mixing.localForm == .unit && model.manifest.reduction == nil
            ? nil : try blackBox.map { VectorIndex(try VectorRows(UnitRows.make($0, source: .blackBox))) }
        index = try model.index(
            of: documents, blackBox: blackBox, cache: cache, isCancelled: isCancelled, progress: progress)
    }

    /// The best documents for a query.
    /// - Parameters:
    ///   - blackBoxVector: the black box's vector of the query. Without it the stand-in ranks, or the sources that do not
    ///     need the vector. In the norm form the local score is then not the local encoder's cosine, because a longer
    ///     local vector of a document has more weight.
    ///   - weights: replace the artefact's weights: those for a stand-in if it ranks. Must be `nil` for the norm form, in
    ///     which each text has its own weight.
    ///   - isOffline: whether the artefact's stand-in ranks, with the weights for it. `nil`: it does if the vector is
    ///     missing and `weights` have a weight for it, or if there are none and the artefact's own weights need the vector.
    /// - Throws: `CombinationError` for a query vector of zeros; ``ArtefactError/noSourceLeft(path:)``; whatever the
    ///   encoder throws.
    public func hits(
        _ query: Item, blackBoxVector: [Float]?, count: Int, weights: SourceWeights? = nil, isOffline: Bool? = nil
    ) throws -> [Hit] {
        let isOffline =
            isOffline
            ?? (blackBoxVector == nil && model.standIn != nil
                && (weights.map { $0[.standIn] > 0 }
                    ?? model.manifest.mixing.rankingWeights.needBlackBox(model.sources)))
        let mixture = isOffline ? try model.artefact.requireOffline().mixing : model.manifest.mixing
        precondition(weights == nil || mixture.localForm == .unit, "the norm form has no weights to replace")
        let wanted = weights ?? mixture.rankingWeights
        guard let usable = blackBoxVector == nil && !isOffline ? wanted.withoutBlackBox(model.sources) : wanted else {
            throw ArtefactError.noSourceLeft(path: model.artefact.folder.path)
        }
        let inputs =
            isOffline
            ? try model.offlineQueries([query])
            : try model.queries(
                [query], blackBox: blackBoxVector.map { Matrix(rows: 1, columns: $0.count, values: $0) },
                weights: SourceWeights(usable.sources.filter { usable[$0] > 0 }.map { ($0, usable[$0]) }))
        let queries = index.scored(try index.queries(inputs))
        let best = try index.rankings(of: queries, weights: usable, count: count)[0]
        let rows = best.map(\.index)
        let parts = index.parts(of: rows, query: 0, of: queries, weights: usable)
        let places =
            if isOffline {
                nil as [Int]?
            } else if let blackBoxAlone, let vector = inputs.blackBox {
                blackBoxAlone.places(of: rows, query: vector.values)
            } else {
                index.places(of: rows, by: .blackBox, query: 0, of: queries) { () throws(Never) in }
            }
        return best.enumerated().map { place, entry in
            let document = documents[entry.index]
            return Hit(
                rank: place + 1, id: document.id, score: entry.score,
                parts: ScoreParts(
                    zip(model.sources.map(\.name), parts.row(place)).filter { usable[$0.0] > 0 }.map {
                        .init(source: $0, value: Double($1))
                    }),
                blackBoxRank: places?[place], title: document.title, text: document.text,
                image: document.image?.path)
        }
    }

    /// The same for a text.
    public func hits(
        _ query: String, blackBoxVector: [Float]?, count: Int, weights: SourceWeights? = nil, isOffline: Bool? = nil
    ) throws -> [Hit] {
        try hits(
            Item(query), blackBoxVector: blackBoxVector, count: count, weights: weights, isOffline: isOffline)
    }
}
