/// A token that is matched in the text before it is split into words: `[SEP]`, `[MASK]`, and tokens that users added.
struct AddedToken: Sendable, Equatable, Decodable {
    var content: String
    var id: Int32
    /// Left out by `decode(tokens:skipSpecialTokens:)`.
    var isSpecial = true
    /// Matched in the normalized text, in its own normalized form.
    var isNormalized = false
    /// Matched only if no letter, digit or underscore is next to it.
    var isSingleWord = false
    /// Includes the white space before it.
    var stripsLeft = false
    /// Includes the white space after it.
    var stripsRight = false

    /// The names in `tokenizer.json`. All of them are required there.
    enum CodingKeys: String, CodingKey {
        case content, id
        case isSpecial = "special"
        case isNormalized = "normalized"
        case isSingleWord = "single_word"
        case stripsLeft = "lstrip"
        case stripsRight = "rstrip"
    }
}

/// Added tokens, and their matches in a text by the rules of Rust's `AddedVocabulary`: the longest at each position, from the left,
/// without overlaps.
struct AddedTokens: Sendable {
    let tokens: [AddedToken]
    /// The tokens that are matched in the raw text, and those that are matched in the normalized text.
    let raw: Patterns
    let normalized: Patterns
    /// Whether the fast path of WordPiece can match all tokens, because each of them matches its bytes anywhere in the
    /// text.
    let areLiteral: Bool

    /// Tokens that are matched in the same form of a text. The values of the trie are indices of `tokens`.
    struct Patterns: Sendable {
        let tokens: [AddedToken]
        let trie: PatternTrie
    }

    /// A range of a text: an added token, or the text between two of them.
    struct Segment: Equatable {
        let range: Range<Int>
        let token: Int32?
    }

    /// - Parameter normalize: the normalized form of a text, in UTF-8.
    init(_ tokens: [AddedToken], normalize: (String) -> [UInt8]) throws(Vocabulary.Failure) {
        self.tokens = tokens
        func patterns(_ tokens: [AddedToken], _ bytes: (String) -> [UInt8]) throws(Vocabulary.Failure) -> Patterns {
            let contents = tokens.map { bytes($0.content) }
            return Patterns(tokens: tokens, trie: try PatternTrie(contents))
        }
        raw = try patterns(tokens.filter { !$0.isNormalized }) { Array($0.utf8) }
        normalized = try patterns(tokens.filter(\.isNormalized), normalize)
        areLiteral =
            normalized.trie.isEmpty
            && raw.tokens.allSatisfy { token in
                guard let first = token.content.unicodeScalars.first else { return true }
                return !token.isSingleWord && !UnicodeProperties.shared[first.value].contains(.whitespace)
            }
    }

    /// The bytes with which a token of the raw text may start.
    var firstBytes: [UInt8] { (0...UInt8.max).filter { raw.trie.mayStart(with: $0) } }

    /// The largest id plus 1, and at least `size`.
    func vocabularySize(atLeast size: Int) -> Int { tokens.reduce(size) { max($0, Int($1.id) + 1) } }

    /// The longest added token of the raw text at a position.
    func literal(at position: Int, in text: UnsafeBufferPointer<UInt8>) -> (id: Int32, length: Int)? {
        raw.trie.longest(at: position, in: text).map { (raw.tokens[$0.pattern].id, $0.length) }
    }

    /// Splits a text at the tokens that are matched there.
    func segments(of text: UnsafeBufferPointer<UInt8>, _ patterns: Patterns) -> [Segment] {
        let unicode = UnicodeProperties.shared
        var segments: [Segment] = []
        var handled = 0
        var position = 0
        while let found = patterns.trie.first(from: position, in: text) {
            var start = found.position
            var end = found.position + found.length
            // A match that is rejected has still been consumed.
            position = end
            let token = patterns.tokens[found.pattern]
            if token.isSingleWord, isWordScalar(before: start, text) || isWordScalar(at: end, text) { continue }
            if token.stripsLeft {
                while start > handled {
                    let before = startOfScalar(before: start, text)
                    guard unicode[scalar(at: before, text)].contains(.whitespace) else { break }
                    start = before
                }
            }
            if token.stripsRight {
                while end < text.count, unicode[scalar(at: end, text)].contains(.whitespace) {
                    end += scalarWidth(text[end])
                }
            }
            if handled < start { segments.append(Segment(range: handled..<start, token: nil)) }
            segments.append(Segment(range: start..<end, token: token.id))
            handled = end
        }
        if handled < text.count { segments.append(Segment(range: handled..<text.count, token: nil)) }
        return segments
    }

    /// The same for a text in scalars, with ranges of scalars.
    func segments(of text: [UInt32], _ patterns: Patterns) -> [Segment] {
        guard !patterns.trie.isEmpty, !text.isEmpty else {
            return text.isEmpty ? [] : [Segment(range: text.indices, token: nil)]
        }
        var bytes: [UInt8] = []
        var indices: [Int] = []
        for (index, scalar) in text.enumerated() {
            for byte in encodedScalar(scalar) {
                bytes.append(byte)
                indices.append(index)
            }
        }
        indices.append(text.count)
        return bytes.withUnsafeBufferPointer { segments(of: $0, patterns) }.map {
            Segment(range: indices[$0.range.lowerBound]..<indices[$0.range.upperBound], token: $0.token)
        }
    }

    // MARK: Scalars of a text in UTF-8

    private func startOfScalar(before end: Int, _ text: UnsafeBufferPointer<UInt8>) -> Int {
        var start = end - 1
        while start > 0, text[start] & 0xC0 == 0x80 { start -= 1 }
        return start
    }

    private func scalar(at position: Int, _ text: UnsafeBufferPointer<UInt8>) -> UInt32 {
        text.baseAddress.map { decodeScalar($0 + position).scalar } ?? 0
    }

    private func isWordScalar(before end: Int, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
        end > 0 && isWordScalar(at: startOfScalar(before: end, text), text)
    }

    /// `\w` of Unicode regular expressions: alphabetic, mark, decimal digit, connector, join control.
    private func isWordScalar(at position: Int, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard position < text.count, let scalar = Unicode.Scalar(scalar(at: position, text)) else { return false }
        let properties = scalar.properties
        if properties.isAlphabetic || properties.isJoinControl { return true }
        return switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: true
        default: false
        }
    }
}
