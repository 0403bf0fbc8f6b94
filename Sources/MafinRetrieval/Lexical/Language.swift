/// The language of a collection: how its words are found, which of them are left out, and how they are stemmed.
public enum Language: String, Sendable, Codable, Hashable, CaseIterable {
    case english, german, french, spanish, italian, dutch, portuguese, russian
    /// Read by pairs of neighbouring characters. Other scripts in the same text are read as words.
    case chinese, japanese, korean
    /// Any other language: all words as they are.
    case other

    /// The language of a name (`german`) or of an ISO 639-1 code (`de`), in any case; `nil` for an unknown one.
    public init?(named text: String) {
        let text = text.lowercased()
        guard let language = Self.allCases.first(where: { $0.rawValue == text || $0.code == text }) else { return nil }
        self = language
    }

    /// The code of ISO 639-1; `nil` for ``other``.
    public var code: String? {
        switch self {
        case .english: "en"
        case .german: "de"
        case .french: "fr"
        case .spanish: "es"
        case .italian: "it"
        case .dutch: "nl"
        case .portuguese: "pt"
        case .russian: "ru"
        case .chinese: "zh"
        case .japanese: "ja"
        case .korean: "ko"
        case .other: nil
        }
    }

    /// The language's English name, such as `German`; `none of the known ones` for ``other``.
    public var name: String {
        self == .other ? "none of the known ones" : rawValue.prefix(1).uppercased() + rawValue.dropFirst()
    }

    /// The stem of a lower-case word by the language's Snowball stemmer; the word itself if the language has none.
    public func stem(_ word: String) -> String {
        var bytes = Array(word.utf8)
        stem(&bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Replaces a lower-case word in UTF-8 by its stem.
    func stem(_ word: inout [UInt8]) {
        let stemmer: any SnowballStemmer.Type
        switch self {
        case .english: return SnowballEnglishStemmer().stem(&word)
        case .german: stemmer = SnowballGermanStemmer.self
        case .french: stemmer = SnowballFrenchStemmer.self
        case .spanish: stemmer = SnowballSpanishStemmer.self
        case .italian: stemmer = SnowballItalianStemmer.self
        case .dutch: stemmer = SnowballDutchStemmer.self
        case .portuguese: stemmer = SnowballPortugueseStemmer.self
        case .russian: stemmer = SnowballRussianStemmer.self
        case .chinese, .japanese, .korean, .other: return
        }
        let stem = stemmer.stem(Array(String(decoding: word, as: UTF8.self).unicodeScalars))
        word.removeAll(keepingCapacity: true)
        for letter in stem { word.append(contentsOf: UTF8.encode(letter) ?? UTF8.encodedReplacementCharacter) }
    }
}
