/// Estimates the tokens of texts.
///
/// There are two estimates. ``typical(bytes:bytesPerToken:)`` is for the size of requests and for rates: if it is too low, the server refuses
/// the batch, and it is cut. ``upperBound(of:bytesPerToken:)`` is for booking money: if it were too low, the limit on the cost could be
/// exceeded.
enum TokenEstimate {
    /// Approximate UTF-8 bytes of a token of prose.
    static let standardBytesPerToken = 3.0

    /// Typical number of tokens of ordinary text with a number of bytes.
    static func typical(bytes: Int, bytesPerToken: Double = standardBytesPerToken) -> Int {
        Int(Double(bytes) / bytesPerToken) + 1
    }

    /// An upper estimate: more tokens than common tokenizers make of a text.
    ///
    /// Its rules were measured with the tokenizers of OpenAI (cl100k), Mistral (tekken, and Llama's SentencePiece), Anthropic and BERT. On
    /// 1,440 documents in English and German it was never too low, and 1.8 to 2.8 times the highest count of the five. On samples of other texts
    /// the ratios to that count were:
    ///
    /// | text | ratio | text | ratio |
    /// |---|---|---|---|
    /// | Swift, C, JSON | 2.1…2.6 | random hexadecimal | 1.12 |
    /// | minified JavaScript | 1.6 | random base64 | 1.22 |
    /// | Finnish, Vietnamese | 1.4, 1.7 | random lower-case letters | 1.19 |
    /// | Chinese, Japanese | 2.7, 3.1 | Amharic | 1.13 |
    /// | Thai, Arabic, Russian | 1.8…2.5 | emoji | 1.13 |
    ///
    /// One byte in three, the earlier rule, was below the count by a factor of up to three on code, hexadecimal, base64, Amharic and emoji.
    /// - Parameter bytesPerToken: the profile's figure for its tokenizer. If it is below the standard, the vendor's tokenizer makes more tokens
    ///   than others, and the estimate grows in proportion.
    static func upperBound(of text: String, bytesPerToken: Double = standardBytesPerToken) -> Int {
        var text = text
        let tokens = text.withUTF8 { bound($0) }
        return Int((Double(tokens) * max(1, standardBytesPerToken / bytesPerToken)).rounded(.up))
    }

    private static func bound(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        // Special tokens at the beginning and the end.
        var tokens = 3
        var notASCII = 0
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if isLetter(byte) || isDigit(byte) {
                let start = index
                while index < bytes.count, isLetter(bytes[index]) || isDigit(bytes[index]) { index += 1 }
                tokens += word(bytes[start..<index])
                continue
            }
            index += 1
            switch byte {
            case 0x20 where index > 1 && index < bytes.count && isLetter(bytes[index]) && !isSpace(bytes[index - 2]):
                continue  // It is part of the word's first token.
            case 0xEF where index + 1 < bytes.count && bytes[index] == 0xB7 && bytes[index + 1] >= 0xB0:
                tokens += 31  // Arabic ligatures: compatibility forms stand for up to 33 bytes (U+FDFA).
            case 0xE3 where index < bytes.count && (0x8C...0x8F).contains(bytes[index]):
                tokens += 16  // Squared words (U+3300…U+33FF): up to 18 bytes.
            case 0xE0 where index < bytes.count && (bytes[index] == 0xBD || bytes[index] == 0xBE):
                tokens += 2  // Tibetan letters (U+0F40…U+0FBF): some tokenizers take them apart first.
            default: break
            }
            if byte >= 0x80 { notASCII += 1 }
            tokens += 1
        }
        return tokens + notASCII / 8
    }

    /// Tokens of a run of ASCII letters and digits.
    private static func word(_ run: Slice<UnsafeBufferPointer<UInt8>>) -> Int {
        // Each digit may be one token, and each letter between digits too.
        if run.contains(where: isDigit) { return run.count }
        var (tokens, humps, start) = (0, 0, run.startIndex)
        for index in run.indices.dropFirst() where isUpper(run[index]) && !isUpper(run[index - 1]) {
            tokens += letters(run[start..<index])
            (start, humps) = (index, humps + 1)
        }
        tokens += letters(run[start...])
        // With capitals this frequent, it is not an identifier but random letters.
        return humps * 5 >= run.count ? max(tokens, (run.count * 3 + 3) / 4) : tokens
    }

    /// Tokens of letters that may begin with capitals. Letters that can be pronounced have fewer tokens than random ones.
    private static func letters(_ run: Slice<UnsafeBufferPointer<UInt8>>) -> Int {
        let vowels = run.count(where: isVowel)
        let isNatural = vowels * 4 >= run.count && run.count <= 24 && !run.allSatisfy(isUpper)
        return isNatural || run.count == 1 ? (run.count * 11 + 19) / 20 : (run.count * 7 + 9) / 10
    }

    private static func isUpper(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte) }
    private static func isLetter(_ byte: UInt8) -> Bool { isUpper(byte & 0xDF) }
    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
    private static func isVowel(_ byte: UInt8) -> Bool {
        switch byte & 0xDF {
        case 0x41, 0x45, 0x49, 0x4F, 0x55, 0x59: true
        default: false
        }
    }
}

/// What one text adds to a request.
struct ItemCost: Sendable {
    /// Typical tokens, for the size of a request and the rates.
    let tokens: Int
    /// An upper bound on its tokens, for booking money.
    let maximumTokens: Int
    /// Bytes in the request's body.
    let bytes: Int
}
