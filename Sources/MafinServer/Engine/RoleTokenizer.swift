import MafinBlackBox
import MafinEncoder
import MafinText

/// How texts of one role become tokens of the local encoder.
struct RoleTokenizer: Sendable {
    let tokenizer: any Tokenizer
    let prefix: String
    let maximumLength: Int

    init(_ encoder: TextEncoder, _ role: TextRole) {
        tokenizer = encoder.tokenizer
        prefix = role == .query ? encoder.prefixes.query : encoder.prefixes.document
        maximumLength = encoder.maximumLength
    }

    /// The tokens of a text that the encoder reads.
    func tokens(_ text: String) -> [Int32] { tokenizer.encode(prefix + text, maxLength: maximumLength) }

    /// Tokens that the encoder would read if it cut nothing off.
    func fullLength(of text: String) -> Int { tokenizer.encode(prefix + text, maxLength: .max).count }
}

/// How many tokens texts have, for budgets and bounds.
enum TokenCount: Sendable {
    /// As the local encoder counts.
    case local(RoleTokenizer)
    /// A token for every 4 bytes of UTF-8, rounded up. For an artefact without a local encoder.
    case estimated

    private static let bytes = 4

    /// Tokens of a text by itself.
    func count(_ text: String) -> Int {
        switch self {
        case .local(let own): own.tokenizer.encode(text, addSpecialTokens: false, maxLength: .max).count
        case .estimated: (text.utf8.count + Self.bytes - 1) / Self.bytes
        }
    }

    /// The longest beginning of a text that has at most `tokens` tokens and ends at the end of a word. Without a word that ends there, the
    /// estimate cuts after a character.
    func beginning(of text: String, tokens: Int) -> String {
        switch self {
        case .local(let own): own.beginning(of: text, tokens: tokens)
        case .estimated: Self.beginning(of: text, bytes: max(0, tokens) * Self.bytes)
        }
    }

    private static func beginning(of text: String, bytes: Int) -> String {
        guard text.utf8.count > bytes else { return text }
        var (used, end, wordEnd) = (0, text.startIndex, text.startIndex)
        var isInWord = false
        for index in text.indices {
            let character = text[index]
            if character.isWhitespace, isInWord { wordEnd = index }
            isInWord = !character.isWhitespace
            used += character.utf8.count
            guard used <= bytes else { break }
            end = text.index(after: index)
        }
        return String(text[..<(wordEnd > text.startIndex ? wordEnd : end)])
    }
}

extension RoleTokenizer {
    /// The longest beginning of a text that has at most `tokens` tokens and ends at the end of a word.
    fileprivate func beginning(of text: String, tokens: Int) -> String {
        let encoding = tokenizer.encodeWithOffsets(text, addSpecialTokens: false, maxLength: .max)
        guard encoding.ids.count > tokens else { return text }
        guard tokens > 0 else { return "" }
        var last = tokens
        while last > 0, encoding.continuesWord[last] { last -= 1 }
        guard last > 0 else { return "" }
        let end = encoding.byteRanges[last - 1].upperBound
        return String(decoding: Array(text.utf8.prefix(end)), as: UTF8.self)
    }
}
