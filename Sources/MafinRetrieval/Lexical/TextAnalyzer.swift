/// Splits a text into index terms: lower-case words of two or more characters, without stop words, stemmed.
///
/// A word is a run of letters, digits and underscores, as Python's `\b\w\w+\b` finds it in the lower-cased text. bm25s
/// and scikit-learn tokenise in this way. Stop words are removed before stemming.
public struct TextAnalyzer: Sendable {
    /// Lower-case words that are left out.
    public var stopWords: Set<String>
    /// Whether words are reduced by ``SnowballEnglishStemmer``.
    public var stems: Bool

    /// The default is English stop words and stemming.
    public init(stopWords: Set<String> = StopWords.english, stems: Bool = true) {
        self.stopWords = stopWords
        self.stems = stems
    }

    /// The terms of a text, in order.
    public func terms(in text: String) -> [String] {
        var terms: [String] = []
        Self.forEachWord(in: text) { word in
            if let term = term(of: word) { terms.append(String(decoding: term, as: UTF8.self)) }
        }
        return terms
    }

    /// The term of a word; `nil` for a stop word.
    func term(of word: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        guard !stopWords.contains(String(decoding: word, as: UTF8.self)) else { return nil }
        var bytes = Array(word)
        if stems { SnowballEnglishStemmer().stem(&bytes) }
        return bytes
    }

    /// Calls `body` with each lower-case word of at least `minimumLength` characters. The bytes are valid only inside
    /// `body`.
    static func forEachWord(in text: String, minimumLength: Int = 2, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
        var text = text
        text.withUTF8 { bytes in
            var splitter = WordSplitter(minimumLength: minimumLength)
            splitter.split(bytes, body)
        }
    }
}

/// Splits UTF-8 into words in one pass, with a table for ASCII and Unicode properties for the rest.
private struct WordSplitter {
    let minimumLength: Int
    private var word: [UInt8] = []
    private var length = 0
    /// Whether the last character of the word is cased, and whether it is a capital sigma after a cased character.
    private var endsInCased = false
    private var endsInSigma = false

    init(minimumLength: Int) { self.minimumLength = minimumLength }

    /// The lower-case form of an ASCII letter, digit or underscore; 0 for a byte that ends a word.
    private static let lowercase: [UInt8] = (0..<128).map { (byte: UInt8) in
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): byte
        default: 0
        }
    }

    mutating func split(_ bytes: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
        Self.lowercase.withUnsafeBufferPointer { table in
            var index = 0
            while index < bytes.count {
                let byte = bytes[index]
                if byte < 0x80 {
                    index += 1
                    let letter = table[Int(byte)]
                    if letter != 0 {
                        endsInSigma = false
                        endsInCased = letter >= UInt8(ascii: "a")
                        word.append(letter)
                        length += 1
                    } else if length > 0 {
                        finish(body)
                    }
                } else {
                    // A Swift string is valid UTF-8, so the first byte gives the length.
                    let count = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2
                    append(UnsafeBufferPointer(rebasing: bytes[index..<index + count]), body)
                    index += count
                }
            }
            if length > 0 { finish(body) }
        }
    }

    private mutating func append(_ encoded: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
        // Lower-casing comes first, because "İ" becomes "i" and a combining dot, and the dot ends the word.
        for scalar in String(decoding: encoded, as: UTF8.self).unicodeScalars {
            for lower in scalar.properties.lowercaseMapping.unicodeScalars {
                if Self.isWordCharacter(lower) {
                    endsInSigma = scalar == "Σ" && endsInCased
                    endsInCased = lower.properties.isCased
                    word.append(contentsOf: UTF8.encode(lower) ?? UTF8.encodedReplacementCharacter)
                    length += 1
                } else if length > 0 {
                    finish(body)
                }
            }
        }
    }

    private mutating func finish(_ body: (UnsafeBufferPointer<UInt8>) -> Void) {
        // At the end of a word, a capital sigma after another letter becomes a final small sigma (Unicode's
        // "Final_Sigma").
        if endsInSigma { word.replaceSubrange((word.count - 2)..., with: "ς".utf8) }
        (endsInSigma, endsInCased) = (false, false)
        if length >= minimumLength { word.withUnsafeBufferPointer(body) }
        word.removeAll(keepingCapacity: true)
        length = 0
    }

    /// Whether Python's `\w` matches: characters that `str.isalnum` accepts, and the underscore.
    private static func isWordCharacter(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
            .letterNumber, .otherNumber:
            true
        default: scalar == "_" || scalar.properties.numericType != nil
        }
    }
}
