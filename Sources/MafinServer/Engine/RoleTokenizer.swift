import MafinBlackBox
import MafinEncoder
import MafinText

/// How texts of one role become tokens of the local encoder.
struct RoleTokenizer: Sendable {
    let tokenizer: WordPieceTokenizer
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

    /// Tokens of a text by itself.
    func count(_ text: String) -> Int { tokenizer.encode(text, addSpecialTokens: false, maxLength: .max).count }

    /// The longest beginning of a text that has at most `tokens` tokens and ends at the end of a word.
    func beginning(of text: String, tokens: Int) -> String {
        let encoding = tokenizer.encodeWithOffsets(text, addSpecialTokens: false, maxLength: .max)
        guard encoding.ids.count > tokens else { return text }
        guard tokens > 0 else { return "" }
        var last = tokens
        while last > 0, tokenizer.continuesWord(encoding.ids[last]) { last -= 1 }
        guard last > 0 else { return "" }
        let end = encoding.byteRanges[last - 1].upperBound
        return String(decoding: Array(text.utf8.prefix(end)), as: UTF8.self)
    }
}
