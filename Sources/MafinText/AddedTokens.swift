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
    let raw: [Pattern]
    let normalized: [Pattern]
    /// Whether the fast path can match all tokens, because each of them matches its bytes anywhere in the text.
    let areLiteral: Bool
    /// The patterns of the fast path, by their first byte. The longest come first.
    private let literals: [UInt8: [(bytes: [UInt8], id: Int32)]]

    struct Pattern: Sendable {
        let token: AddedToken
        let scalars: [UInt32]
    }

    /// A range of a text: an added token, or the text between two of them.
    struct Segment: Equatable {
        let range: Range<Int>
        let token: Int32?
    }

    init(_ tokens: [AddedToken], settings: NormalizerSettings, unicode: UnicodeProperties) {
        self.tokens = tokens
        let used = tokens.filter { !$0.content.isEmpty }
        raw = used.filter { !$0.isNormalized }.map {
            Pattern(token: $0, scalars: $0.content.unicodeScalars.map(\.value))
        }
        normalized = used.filter(\.isNormalized).map { token in
            var text = NormalizedText()
            text.append(token.content.unicodeScalars.map(\.value)[...], sources: nil, settings, unicode)
            return Pattern(token: token, scalars: text.scalars)
        }.filter { !$0.scalars.isEmpty }
        areLiteral =
            normalized.isEmpty
            && raw.allSatisfy { !$0.token.isSingleWord && !unicode[$0.scalars[0]].contains(.whitespace) }
        var literals: [UInt8: [(bytes: [UInt8], id: Int32)]] = [:]
        for pattern in raw {
            let bytes = Array(pattern.token.content.utf8)
            literals[bytes[0], default: []].append((bytes, pattern.token.id))
        }
        self.literals = literals.mapValues { $0.sorted { $0.bytes.count > $1.bytes.count } }
    }

    /// The bytes with which a literal added token may start.
    var firstBytes: some Sequence<UInt8> { literals.keys }

    /// The longest literal added token at a position in a text.
    func literal(at position: Int, in text: UnsafeBufferPointer<UInt8>) -> (id: Int32, length: Int)? {
        for candidate in literals[text[position]] ?? [] where candidate.bytes.count <= text.count - position {
            if text[position..<position + candidate.bytes.count].elementsEqual(candidate.bytes) {
                return (candidate.id, candidate.bytes.count)
            }
        }
        return nil
    }

    /// Splits a text at the tokens that are matched there: ``raw`` or ``normalized``.
    func segments(of text: [UInt32], _ patterns: [Pattern], _ unicode: UnicodeProperties) -> [Segment] {
        var segments: [Segment] = []
        var handled = text.startIndex
        var position = text.startIndex
        while !patterns.isEmpty, position < text.endIndex {
            var longest: Pattern?
            for pattern in patterns where pattern.scalars[0] == text[position] {
                guard pattern.scalars.count > longest?.scalars.count ?? 0 else { continue }
                if text[position...].starts(with: pattern.scalars) { longest = pattern }
            }
            guard let found = longest else {
                position += 1
                continue
            }
            var start = position
            var end = position + found.scalars.count
            // A match that is rejected has still been consumed.
            position = end
            if found.token.isSingleWord, isWordScalar(at: start - 1, text) || isWordScalar(at: end, text) { continue }
            if found.token.stripsLeft {
                while start > handled, unicode[text[start - 1]].contains(.whitespace) { start -= 1 }
            }
            if found.token.stripsRight {
                while end < text.endIndex, unicode[text[end]].contains(.whitespace) { end += 1 }
            }
            if handled < start { segments.append(Segment(range: handled..<start, token: nil)) }
            segments.append(Segment(range: start..<end, token: found.token.id))
            handled = end
        }
        if handled < text.endIndex { segments.append(Segment(range: handled..<text.endIndex, token: nil)) }
        return segments
    }

    /// `\w` of Unicode regular expressions: alphabetic, mark, decimal digit, connector, join control.
    private func isWordScalar(at position: Int, _ text: [UInt32]) -> Bool {
        guard text.indices.contains(position), let scalar = Unicode.Scalar(text[position]) else { return false }
        let properties = scalar.properties
        if properties.isAlphabetic || properties.isJoinControl { return true }
        return switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: true
        default: false
        }
    }
}
