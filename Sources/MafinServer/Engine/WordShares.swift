import MafinBlackBox
import MafinEncoder
import MafinNumerics
import MafinPipeline
import MafinText

/// What each word adds to the cosine in the local encoder's space: the score of the whole text minus the score of the text without the word. The
/// shortened texts are encoded (as `LeaveOneOut` does offline) in the service's queue, beside all other texts.
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

    private let space: LocalSpace
    private let role: TextRole
    private let words: WordRanges
    /// The text that the explained one is compared with.
    private let other: ItemBatch
    private let otherRole: TextRole

    /// `nil` for an encoder of images, which have no words.
    /// - Parameters:
    ///   - text: the text whose words get shares.
    ///   - other: the text of the other role that it is compared with.
    init?(of text: String, as role: TextRole, against other: String, in space: LocalSpace) {
        let otherRole: TextRole = role == .query ? .document : .query
        guard let mine = space.tokenizer(role), let theirs = space.tokenizer(otherRole) else { return nil }
        (self.space, self.role, self.otherRole) = (space, role, otherRole)
        words = WordRanges(text, prefix: mine.prefix, tokenizer: mine.tokenizer, maximumLength: mine.maximumLength)
        self.other = .tokens(TokenBatch(rows: [theirs.tokens(other)]))
    }

    /// An upper bound on the tokens that ``find()`` encodes.
    var maximumTokens: Int {
        let count = words.words.count
        let stretches = count > Self.maximumWords ? (count + Self.stretch - 1) / Self.stretch + 1 : 0
        return other.tokenCount + (stretches + min(count, Self.maximumWords) + 1) * words.ids.count
    }

    /// - Throws: ``ServiceError``; `CancellationError`.
    func find() async throws -> Found {
        let fixed = try await space.embed(other, as: otherRole).normalizedRows().matrix
        var (texts, tokens) = (1, other.tokenCount)
        func scores(without ranges: [Range<Int>]) async throws -> [Float] {
            let batch = words.batch(without: ranges)
            texts += batch.count
            tokens += batch.tokenCount
            let rows = try await space.embed(.tokens(batch), as: role).normalizedRows().matrix
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
        let pieces = words.pieces(shares).map { Piece(text: $0.text, share: $0.share) }
        return Found(score: found[0], pieces: pieces, texts: texts, tokens: tokens)
    }
}
