import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// Exact search over a corpus by both halves, each result with the two parts of its score.
public struct ArtefactSearch {
    /// One result.
    public struct Hit: Sendable, Codable, Equatable {
        /// Place in the ranking, from 1.
        public var rank: Int
        /// The document.
        public var id: String
        /// The score that ranks it.
        public var score: Float
        /// The black box's part of the score; `nil` where it was not asked.
        public var blackBoxPart: Float?
        /// The local encoder's part.
        public var localPart: Float
        /// Place in the black box's own ranking, from 1.
        public var blackBoxRank: Int?
        /// Title, empty where it has none.
        public var title: String
        /// Text.
        public var text: String
    }

    private let model: ArtefactModel
    private let documents: [Document]
    private let blackBox: Matrix
    private let local: LocalRows

    /// Prepares a corpus.
    /// - Parameter blackBox: the black box's vectors of the documents, `(documents, dimension)`.
    /// - Throws: ``ArtefactError/dimension(path:of:expected:found:)``; `CancellationError` when cancelled.
    public init(
        _ model: ArtefactModel, documents: [Document], blackBox: Matrix, cache: LocalVectorCache,
        isCancelled: () -> Bool = { false }, progress: (Int) -> Void = { _ in }
    ) throws {
        try model.artefact.require(blackBoxDimension: blackBox.columns)
        self.model = model
        self.documents = documents
        self.blackBox = blackBox.normalizedRows().matrix
        local = model.manifest.mixing.combination.localForm.prepare(
            try model.localVectors(of: documents, cache: cache, isCancelled: isCancelled, progress: progress))
    }

    /// The best documents for a query.
    /// - Parameters:
    ///   - blackBoxVector: the black box's vector of the query; `nil`: the ranking is the local encoder's alone (λ = 1).
    ///   - lambda: instead of the artefact's λ; not for the norm form, where each text has its own weight.
    /// - Throws: what the encoder throws.
    public func hits(
        _ query: String, blackBoxVector: [Float]?, count: Int, lambda: Float? = nil
    ) throws -> [Hit] {
        let combination = model.manifest.mixing.combination
        let rows = combination.localForm.prepare(try model.localVectors(of: [query], as: .query))
        let localScores = Matrix.multiply(rows.vectors, transposed: local.vectors).values
        guard let blackBoxVector else {
            return topK(localScores, count: count).enumerated().map { place, best in
                hit(place, best, blackBox: nil, local: best.score, rank: nil)
            }
        }
        let query = Matrix(rows: 1, columns: blackBoxVector.count, values: blackBoxVector).normalizedRows().matrix
        let blackBoxScores = Matrix.multiply(query, transposed: blackBox).values
        var parts: (blackBox: [Float], local: [Float])
        if let lambda = lambda ?? combination.lambda {
            parts = (blackBoxScores.map { (1 - lambda) * $0 }, localScores.map { lambda * $0 })
            // Exactly the halves' own rankings at the ends.
            if lambda == 0 { parts.local = localScores.map { _ in 0 } }
            if lambda == 1 { parts.blackBox = blackBoxScores.map { _ in 0 } }
        } else {
            let weight = rows.weights[0]
            parts = (zip(blackBoxScores, local.weights).map { weight * $0 * $1 }, localScores)
        }
        let order = topK(blackBoxScores, count: documents.count)
        var places = [Int](repeating: 0, count: documents.count)
        for (place, entry) in order.enumerated() { places[entry.index] = place + 1 }
        return topK(zip(parts.blackBox, parts.local).map { $0 + $1 }, count: count).enumerated().map { place, best in
            hit(
                place, best, blackBox: parts.blackBox[best.index], local: parts.local[best.index],
                rank: places[best.index])
        }
    }

    private func hit(_ place: Int, _ best: ScoredIndex, blackBox: Float?, local: Float, rank: Int?) -> Hit {
        Hit(
            rank: place + 1, id: documents[best.index].id, score: best.score, blackBoxPart: blackBox, localPart: local,
            blackBoxRank: rank, title: documents[best.index].title, text: documents[best.index].text)
    }
}
