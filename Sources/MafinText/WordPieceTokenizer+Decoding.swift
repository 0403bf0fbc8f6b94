import Foundation

extension WordPieceTokenizer {
    /// The text of these ids, as the WordPiece decoder of `tokenizers` writes it. Case, accents and white space are not
    /// restored.
    ///
    /// - Parameters:
    ///   - tokens: the ids. Ids without a token are left out.
    ///   - skipSpecialTokens: whether special tokens such as `[CLS]` and `[SEP]` are left out.
    public func decode(tokens: some Sequence<Int32>, skipSpecialTokens: Bool = false) -> String {
        let special = Set(skipSpecialTokens ? addedTokens.tokens.lazy.filter(\.isSpecial).map(\.id) : [])
        let prefix = settings.decoderPrefix
        var text = ""
        var isFirst = true
        for id in tokens where !special.contains(id) {
            guard var token = convertIdToToken(id) else { continue }
            if !isFirst {
                if token.utf8.starts(with: prefix.utf8) {
                    token = String(token.unicodeScalars.dropFirst(prefix.unicodeScalars.count))
                } else {
                    token = " " + token
                }
            }
            isFirst = false
            text.unicodeScalars += (settings.cleansDecodedText ? clean(token) : token).unicodeScalars
        }
        return text
    }

    /// Removes the spaces that come from splitting at punctuation, in one token.
    private func clean(_ token: String) -> String {
        var token = token
        for (spaced, closed) in [
            (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
            (" do not", " don't"),
            (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
        ] {
            token = token.replacingOccurrences(of: spaced, with: closed, options: .literal)
        }
        return token
    }
}
