import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinText

/// Measures how much each word contributes to a local score. Each word is left out in turn, and the rest is encoded
/// again (Li, Monroe and Jurafsky 2016, "Understanding neural networks through representation erasure").
///
/// All word pieces of the word are left out, and the following tokens move forward, as if the word had not been
/// written.
public struct LeaveOneOut {
    private let queryEncoder: TextEncoder
    private let documentEncoder: TextEncoder
    private let form: LocalForm
    private let weight: Double

    /// For the local encoder of an artefact; `nil` if it has none with a weight, or one that reads images. Contributions are to the local
    /// part of the score.
    public init?(_ model: ArtefactModel) {
        let mixture = model.manifest.mixing
        guard let encoder = model.encoder, mixture.rankingWeights[.local] > 0, !encoder.query.readsImages
        else { return nil }
        self.init(
            queryEncoder: encoder.query, documentEncoder: encoder.document, form: mixture.localForm,
            weight: Double(mixture.rankingWeights[.local]))
    }

    /// For any two encoders of the same dimension.
    /// - Parameters:
    ///   - form: how the encoders' rows are prepared before they are compared.
    ///   - weight: factor of the inner product: λ for the local part of a joined score.
    public init(
        queryEncoder: TextEncoder, documentEncoder: TextEncoder, form: LocalForm = .unit, weight: Double = 1
    ) {
        precondition(
            queryEncoder.encoder.dimension == documentEncoder.encoder.dimension, "encoders of different dimensions")
        self.queryEncoder = queryEncoder
        self.documentEncoder = documentEncoder
        self.form = form
        self.weight = weight
    }

    /// The contribution of each word of the query to the local score of a document.
    /// - Complexity: one encoded text per word of the query.
    public func query(_ query: String, document: String) throws -> ScoreAttribution {
        try attribution(of: query, as: .query, other: document)
    }

    /// The contribution of each word of a document to its local score.
    /// - Parameter document: its ``MafinRetrieval/Document/textForEncoding``.
    /// - Complexity: one encoded text per word of the document that the encoder reads, at most its maximum length:
    ///   seconds for a long document.
    public func document(_ document: String, query: String) throws -> ScoreAttribution {
        try attribution(of: document, as: .document, other: query)
    }

    private func attribution(of text: String, as role: TextRole, other: String) throws -> ScoreAttribution {
        let mine = role == .query ? queryEncoder : documentEncoder
        let theirs = role == .query ? documentEncoder : queryEncoder
        let words = WordRanges(
            text, prefix: mine.prefixes[role], tokenizer: mine.tokenizer, maximumLength: mine.maximumLength)
        let batch = words.batch(without: words.words.map(\.tokens))
        let rows = form.prepare(try mine.encoder.embed(batch)).vectors
        let prefix = theirs.prefixes[role == .query ? .document : .query]
        let fixed = form.prepare(try theirs.embedUnnormalized([other], prefix: prefix)).vectors
        let scores = Matrix.multiply(rows, transposed: fixed).values.map { Double($0) * weight }
        let shares = Dictionary(
            uniqueKeysWithValues: scores.dropFirst().enumerated().map { ($0.offset, scores[0] - $0.element) })
        return ScoreAttribution(
            method: .leaveOneOut, side: role, score: scores[0],
            pieces: words.pieces(shares).map { .init(text: $0.text, contribution: $0.share) })
    }
}
