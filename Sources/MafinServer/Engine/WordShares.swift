import MafinBlackBox
import MafinNumerics
import MafinText

/// What each word adds to the local half's cosine: the score with the whole text minus the score without the word, encoded anew
/// (as `LeaveOneOut` does offline), computed in the service's queue beside everybody else's texts.
///
/// A long text is looked at in two steps, because leaving out each of its words would cost minutes: stretches of words first,
/// then the words of those stretches that matter most. The words of the other stretches have no share of their own.
struct WordShares: Sendable {
    /// A stretch of the text; all of them end to end are the text.
    struct Piece: Sendable, Equatable {
        var text: String
        /// What it adds; `nil` for what lies between words, and for words that were not left out by themselves.
        var share: Float?
    }

    let engine: LocalEngine
    /// Words that are left out one by one at most.
    var maximumWords = 40
    /// Words of a stretch.
    var stretch = 12

    /// - Returns: the cosine of both texts, and the pieces of `text`.
    /// - Throws: ``ServiceError``; `CancellationError`.
    func shares(
        of text: String, as role: TextRole, against other: String
    ) async throws -> (score: Float, pieces: [Piece]) {
        let tokenizer = engine.tokenizer(role)
        let words = WordRanges(text, tokenizer)
        let otherRole: TextRole = role == .query ? .document : .query
        let fixed = try await engine.embed(
            TokenBatch(rows: [engine.tokenizer(otherRole).tokens(other)]), as: otherRole)
        func scores(without ranges: [Range<Int>]) async throws -> [Float] {
            var batch = TokenBatch(rows: [words.ids])
            for range in ranges { batch.append(words.ids[..<range.lowerBound] + words.ids[range.upperBound...]) }
            let rows = try await engine.embed(batch, as: role).normalizedRows().matrix
            return Matrix.multiply(rows, transposed: fixed.normalizedRows().matrix).values
        }
        var chosen = Array(words.words.indices)
        if chosen.count > maximumWords {
            let stretches = Swift.stride(from: 0, to: chosen.count, by: stretch).map {
                $0..<min($0 + stretch, chosen.count)
            }
            let found = try await scores(
                without: stretches.map {
                    words.words[$0.lowerBound].tokens.lowerBound..<words.words[$0.upperBound - 1].tokens.upperBound
                })
            let ranked = stretches.indices.sorted { abs(found[0] - found[$0 + 1]) > abs(found[0] - found[$1 + 1]) }
            chosen = ranked.prefix(max(1, maximumWords / stretch)).flatMap { Array(stretches[$0]) }.sorted()
        }
        let found = try await scores(without: chosen.map { words.words[$0].tokens })
        var shares: [Int: Float] = [:]
        for (place, word) in chosen.enumerated() { shares[word] = found[0] - found[place + 1] }
        return (found[0], words.pieces(shares))
    }
}

/// The words of a text as the encoder reads them.
private struct WordRanges {
    let ids: [Int32]
    /// Places among the ids, and among the text's bytes.
    private(set) var words: [(tokens: Range<Int>, bytes: Range<Int>)] = []
    private let bytes: [UInt8]

    init(_ text: String, _ tokenizer: LocalEngine.RoleTokenizer) {
        let encoding = tokenizer.tokenizer.encodeWithOffsets(
            tokenizer.prefix + text, maxLength: tokenizer.maximumLength)
        ids = encoding.ids
        bytes = Array(text.utf8)
        let prefixLength = tokenizer.prefix.utf8.count
        for (place, range) in encoding.byteRanges.enumerated() where range.lowerBound >= prefixLength && !range.isEmpty
        {
            let range = range.lowerBound - prefixLength..<range.upperBound - prefixLength
            if let last = words.last, last.tokens.upperBound == place,
                tokenizer.tokenizer.continuesWord(encoding.ids[place]) || range.lowerBound < last.bytes.upperBound
            {
                words[words.count - 1] = (
                    last.tokens.lowerBound..<place + 1,
                    last.bytes.lowerBound..<max(last.bytes.upperBound, range.upperBound)
                )
            } else {
                words.append((place..<place + 1, range))
            }
        }
    }

    func pieces(_ shares: [Int: Float]) -> [WordShares.Piece] {
        var pieces: [WordShares.Piece] = []
        func append(_ range: Range<Int>, _ share: Float?) {
            guard !range.isEmpty else { return }
            pieces.append(.init(text: String(decoding: bytes[range], as: UTF8.self), share: share))
        }
        var end = 0
        for (word, place) in words.enumerated() {
            append(end..<place.bytes.lowerBound, nil)
            append(place.bytes, shares[word])
            end = place.bytes.upperBound
        }
        append(end..<bytes.count, nil)
        return pieces
    }
}
