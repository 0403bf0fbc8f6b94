import MafinBlackBox
import MafinNumerics
import MafinText

/// What each word adds to the local half's cosine: the score of the whole text minus the score of the text without the word. The shortened
/// texts are encoded (as `LeaveOneOut` does offline) in the service's queue, beside all other texts.
///
/// Leaving out each word of a long text would cost minutes. So stretches of words are left out first, and then the words of those stretches
/// that matter most. The words of the other stretches have no share of their own.
struct WordShares: Sendable {
    /// A stretch of the text. All stretches, end to end, are the text.
    struct Piece: Sendable, Equatable, Encodable {
        var text: String
        /// What it adds; `nil` for text between words, and for words that were not left out by themselves.
        var share: Float?
    }

    /// The cosine of both texts, the pieces of the explained text, and how many texts and tokens were encoded.
    struct Found: Sendable {
        var score: Float
        var pieces: [Piece]
        var texts: Int
        var tokens: Int
    }

    /// Most words that are left out one by one.
    private static let maximumWords = 40
    /// Number of words in a stretch.
    private static let stretch = 12

    private let engine: LocalEngine
    private let role: TextRole
    private let words: WordRanges
    /// The text that the explained one is compared with.
    private let other: TokenBatch
    private let otherRole: TextRole

    /// - Parameters:
    ///   - text: the text whose words get shares.
    ///   - other: the text of the other role that it is compared with.
    init(of text: String, as role: TextRole, against other: String, engine: LocalEngine) {
        (self.engine, self.role) = (engine, role)
        words = WordRanges(text, engine.tokenizer(role))
        otherRole = role == .query ? .document : .query
        self.other = TokenBatch(rows: [engine.tokenizer(otherRole).tokens(other)])
    }

    /// An upper bound on the tokens that ``find()`` encodes.
    var maximumTokens: Int {
        let count = words.words.count
        let stretches = count > Self.maximumWords ? (count + Self.stretch - 1) / Self.stretch + 1 : 0
        return other.tokenCount + (stretches + min(count, Self.maximumWords) + 1) * words.ids.count
    }

    /// - Throws: ``ServiceError``; `CancellationError`.
    func find() async throws -> Found {
        let fixed = try await engine.embed(other, as: otherRole).normalizedRows().matrix
        var (texts, tokens) = (1, other.tokenCount)
        func scores(without ranges: [Range<Int>]) async throws -> [Float] {
            var batch = TokenBatch(rows: [words.ids])
            for range in ranges { batch.append(words.ids[..<range.lowerBound] + words.ids[range.upperBound...]) }
            texts += batch.count
            tokens += batch.tokenCount
            let rows = try await engine.embed(batch, as: role).normalizedRows().matrix
            return Matrix.multiply(rows, transposed: fixed).values
        }
        var chosen = Array(words.words.indices)
        if chosen.count > Self.maximumWords {
            let stretches = Swift.stride(from: 0, to: chosen.count, by: Self.stretch).map {
                $0..<min($0 + Self.stretch, chosen.count)
            }
            let found = try await scores(
                without: stretches.map {
                    words.words[$0.lowerBound].tokens.lowerBound..<words.words[$0.upperBound - 1].tokens.upperBound
                })
            let ranked = stretches.indices.sorted { abs(found[0] - found[$0 + 1]) > abs(found[0] - found[$1 + 1]) }
            chosen = ranked.prefix(Self.maximumWords / Self.stretch).flatMap { Array(stretches[$0]) }.sorted()
        }
        let found = try await scores(without: chosen.map { words.words[$0].tokens })
        var shares: [Int: Float] = [:]
        for (place, word) in chosen.enumerated() { shares[word] = found[0] - found[place + 1] }
        return Found(score: found[0], pieces: words.pieces(shares), texts: texts, tokens: tokens)
    }
}

/// The words of a text as the encoder reads them.
private struct WordRanges: Sendable {
    let ids: [Int32]
    /// The range of each word among the token ids and among the text's bytes.
    private(set) var words: [(tokens: Range<Int>, bytes: Range<Int>)] = []
    private let bytes: [UInt8]

    init(_ text: String, _ tokenizer: RoleTokenizer) {
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
