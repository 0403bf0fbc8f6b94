import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinText

/// Finds which words carry a local score: each word is left out in turn and the rest is encoded anew (Li, Monroe and Jurafsky 2016,
/// "Understanding neural networks through representation erasure").
///
/// A word is left out with all its pieces, and what follows moves up, as if the word had not been written.
public struct LeaveOneOut {
    private let queryEncoder: TextEncoder
    private let documentEncoder: TextEncoder
    private let form: LocalForm
    private let weight: Double

    /// For the local encoder of an artefact; contributions are to its part of the score.
    public init(_ model: ArtefactModel) {
        let mixture = model.manifest.mixing
        self.init(
            queryEncoder: model.queryEncoder, documentEncoder: model.documentEncoder, form: mixture.localForm,
            weight: Double(mixture.rankingWeights.local))
    }

    /// For any two encoders of one dimension.
    /// - Parameters:
    ///   - form: what is done to the encoders' rows before they are compared.
    ///   - weight: what the inner product is multiplied by, λ for the local part of a joined score.
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

    /// What each word of the query adds to the local score of a document.
    /// - Complexity: as many texts are encoded as the query has words.
    public func query(_ query: String, document: String) throws -> ScoreAttribution {
        try attribution(of: query, as: .query, other: document)
    }

    /// What each word of a document adds to its local score.
    /// - Parameter document: its ``MafinRetrieval/Document/textForEncoding``.
    /// - Complexity: as many texts are encoded as the encoder reads words of the document, at most its maximum length of them: seconds for a long one.
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
