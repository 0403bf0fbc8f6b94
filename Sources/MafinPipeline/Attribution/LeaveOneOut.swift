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

    /// For the local encoder of an artefact. Contributions are to the local part of the score.
    public init(_ model: ArtefactModel) {
        let mixture = model.manifest.mixing
        self.init(
            queryEncoder: model.queryEncoder, documentEncoder: model.documentEncoder, form: mixture.localForm,
            weight: Double(mixture.rankingWeights.local))
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
        let words = Words(text, prefix: mine.prefixes[role], encoder: mine)
        let rows = form.prepare(try mine.encoder.embed(words.batch)).vectors
        let prefix = theirs.prefixes[role == .query ? .document : .query]
        let fixed = form.prepare(try theirs.embedUnnormalized([other], prefix: prefix)).vectors
        let scores = Matrix.multiply(rows, transposed: fixed).values.map { Double($0) * weight }
        return ScoreAttribution(
            method: .leaveOneOut, side: role, score: scores[0],
            pieces: words.pieces(contributions: scores.dropFirst().map { scores[0] - $0 }))
    }
}

private struct Words {
    /// The bytes of the text, without the prefix.
    private let bytes: [UInt8]
    /// The byte range of each word, ascending and disjoint.
    private let ranges: [Range<Int>]
    let batch: TokenBatch

    init(_ text: String, prefix: String, encoder: TextEncoder) {
        let encoding = encoder.tokenizer.encodeWithOffsets(prefix + text, maxLength: encoder.maximumLength)
        let prefixLength = prefix.utf8.count
        bytes = Array(text.utf8)
        // The range of each word's tokens among the ids, and its byte range.
        var words: [(tokens: Range<Int>, bytes: Range<Int>)] = []
        for (index, range) in encoding.byteRanges.enumerated() where range.lowerBound >= prefixLength && !range.isEmpty
        {
            let range = range.lowerBound - prefixLength..<range.upperBound - prefixLength
            if let last = words.last, last.tokens.upperBound == index,
                encoder.tokenizer.continuesWord(encoding.ids[index]) || range.lowerBound < last.bytes.upperBound
            {
                words[words.count - 1] = (
                    last.tokens.lowerBound..<index + 1,
                    last.bytes.lowerBound..<max(last.bytes.upperBound, range.upperBound)
                )
            } else {
                words.append((index..<index + 1, range))
            }
        }
        ranges = words.map(\.bytes)
        var batch = TokenBatch(rows: [encoding.ids])
        for word in words {
            batch.append(encoding.ids[..<word.tokens.lowerBound] + encoding.ids[word.tokens.upperBound...])
        }
        self.batch = batch
    }

    func pieces(contributions: [Double]) -> [ScoreAttribution.Piece] {
        var pieces: [ScoreAttribution.Piece] = []
        func append(_ range: Range<Int>, _ contribution: Double?) {
            guard !range.isEmpty else { return }
            pieces.append(.init(text: String(decoding: bytes[range], as: UTF8.self), contribution: contribution))
        }
        var end = 0
        for (range, contribution) in zip(ranges, contributions) {
            append(end..<range.lowerBound, nil)
            append(range, contribution)
            end = range.upperBound
        }
        append(end..<bytes.count, nil)
        return pieces
    }
}
