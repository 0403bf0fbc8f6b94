import Foundation

/// Splits a text into index terms: lower-case words of two or more characters, without stop words, stemmed.
///
/// A word is a run of letters, digits and underscores, as Python's `\b\w\w+\b` finds it in the lower-cased text. bm25s
/// and scikit-learn tokenise in this way. Stop words are removed before stemming. English is read by these rules alone. In other
/// languages an umlaut or an accent may also be written as a mark behind its letter, marks belong to their word, soft hyphens are
/// left out, and a run of Chinese, Japanese or Korean characters becomes its pairs of neighbours, as Lucene's `CJKAnalyzer`
/// makes them. A character that stands alone stays. Compound words stay whole.
public struct TextAnalyzer: Sendable {
    /// The language of the texts.
    public var language: Language
    /// Lower-case words that are left out.
    public var stopWords: Set<String>
    /// Whether words are reduced by the language's stemmer; see ``Language/stem(_:)``.
    public var stems: Bool

    /// The default is English stop words and stemming.
    /// - Parameter stopWords: `nil`: those of the language.
    public init(language: Language = .english, stopWords: Set<String>? = nil, stems: Bool = true) {
        self.language = language
        self.stopWords = stopWords ?? StopWords.words(of: language)
        self.stems = stems
    }

    /// The terms of a text, in order.
    public func terms(in text: String) -> [String] {
        var terms: [String] = []
        forEachWord(in: text) { word in
            if let term = term(of: word) { terms.append(String(decoding: term, as: UTF8.self)) }
        }
        return terms
    }

    /// The term of a word; `nil` for a stop word.
    func term(of word: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        guard !stopWords.contains(String(decoding: word, as: UTF8.self)) else { return nil }
        var bytes = Array(word)
        if stems { language.stem(&bytes) }
        return bytes
    }

    /// Calls `body` with each lower-case word of at least two characters, by the rules of the language. The bytes are valid only
    /// inside `body`.
    func forEachWord(in text: String, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
        guard language != .english else { return Self.forEachWord(in: text, body) }
        var text = composed(text)
        text.withUTF8 { bytes in
            var splitter = WordSplitter(minimumLength: 2, isEnglish: false)
            splitter.split(bytes, body)
        }
    }

    /// Calls `body` with each lower-case word of at least `minimumLength` characters, by the rules of English. The bytes are valid
    /// only inside `body`.
    static func forEachWord(in text: String, minimumLength: Int = 2, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
        var text = text
        text.withUTF8 { bytes in
            var splitter = WordSplitter(minimumLength: minimumLength, isEnglish: true)
            splitter.split(bytes, body)
        }
    }

    /// A text whose letters are not written in parts. In Chinese, Japanese and Korean, characters of full and half width are made equal
    /// too.
    private func composed(_ text: String) -> String {
        switch language {
        case .chinese, .japanese, .korean:
            // On Linux the first mapping leaves marks of half width apart.
            return text.precomposedStringWithCompatibilityMapping.precomposedStringWithCanonicalMapping
        default: break
        }
        // U+0300…U+036F. Most texts have none, and need no copy.
        let hasMarks = text.utf8.contains { $0 == 0xCC || $0 == 0xCD }
        return hasMarks ? text.precomposedStringWithCanonicalMapping : text
    }
}

/// Splits UTF-8 into words in one pass, with a table for ASCII and Unicode properties for the rest.
private struct WordSplitter {
    let minimumLength: Int
    let isEnglish: Bool
    private var word: [UInt8] = []
    private var length = 0
    /// Number of characters of the present run of Chinese, Japanese or Korean. The last of them is in ``word``.
    private var run = 0
    /// Whether the last character of the word is cased, and whether it is a capital sigma after a cased character.
    private var endsInCased = false
    private var endsInSigma = false

    init(minimumLength: Int, isEnglish: Bool) { (self.minimumLength, self.isEnglish) = (minimumLength, isEnglish) }

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
                        if run > 0 { finish(body) }
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
            if !isEnglish, appendByOtherRules(scalar, body) { continue }
            for lower in scalar.properties.lowercaseMapping.unicodeScalars {
                if Self.isWordCharacter(lower) {
                    endsInSigma = scalar == "Σ" && endsInCased
                    endsInCased = lower.properties.isCased
                    word.append(contentsOf: UTF8.encode(lower) ?? UTF8.encodedReplacementCharacter)
                    length += 1
                } else if !isEnglish, lower.properties.generalCategory == .nonspacingMark {
                    continue
                } else if length > 0 {
                    finish(body)
                }
            }
        }
    }

    /// Handles a character that only English reads as Python does. Returns whether it was one.
    private mutating func appendByOtherRules(
        _ scalar: Unicode.Scalar, _ body: (UnsafeBufferPointer<UInt8>) -> Void
    ) -> Bool {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .spacingMark:
            // A mark continues a word, as vowels of Hindi do.
            if length > 0, run == 0 {
                word.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
                endsInSigma = false
            }
            return true
        // A soft hyphen, or a joiner inside a word. Some scripts separate words by U+200B.
        case .format: return scalar.value != 0x200B
        default: break
        }
        if scalar.isIdeographic, Self.isWordCharacter(scalar) {
            if run == 0, length > 0 { finish(body) }
            let encoded = Array(UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            if run > 0 { (word + encoded).withUnsafeBufferPointer(body) }
            (word, length, run) = (encoded, 1, run + 1)
            return true
        }
        if run > 0 { finish(body) }
        return false
    }

    private mutating func finish(_ body: (UnsafeBufferPointer<UInt8>) -> Void) {
        // At the end of a word, a capital sigma after another letter becomes a final small sigma (Unicode's
        // "Final_Sigma").
        if endsInSigma { word.replaceSubrange((word.count - 2)..., with: "ς".utf8) }
        (endsInSigma, endsInCased) = (false, false)
        // A run of several characters has been given in pairs.
        if run == 0 ? length >= minimumLength : run == 1 { word.withUnsafeBufferPointer(body) }
        word.removeAll(keepingCapacity: true)
        (length, run) = (0, 0)
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

extension Unicode.Scalar {
    /// Han, Hiragana, Katakana, Hangul: scripts without spaces, or with few letters per word.
    package var isIdeographic: Bool {
        switch value {
        case 0x1100...0x11FF, 0x3005...0x3007, 0x3040...0x30FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xAC00...0xD7AF,
            0xF900...0xFAFF, 0xFF66...0xFF9F, 0x20000...0x2FA1F:
            true
        default: false
        }
    }
}
