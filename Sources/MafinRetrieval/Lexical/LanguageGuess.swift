/// The language of some texts, as far as their scripts and their most frequent words tell.
///
/// Scripts decide on Chinese, Japanese, Korean and Russian. Of languages in Latin letters the one wins whose stop words are most
/// frequent. A stop word that several languages share counts for each of them in part, and the most frequent one of a language does not
/// count, because it may be something else, such as a placeholder for numbers. Where too few stop words are found, the guess is English.
public struct LanguageGuess: Sendable, Hashable {
    /// The language.
    public let language: Language
    /// Whether the texts say so. Otherwise they have too few words that are known, or are of several languages.
    public let isSure: Bool
    /// Number of texts that were looked at.
    public let texts: Int

    /// Number of texts, taken evenly, and number of bytes of each, that are looked at.
    static let sample = (texts: 200, bytes: 2_000)
    /// The least share of stop words, in all words, that tells a language: one in twenty.
    private static let leastShare = 20

    /// Guesses. The same texts always give the same language.
    /// - Complexity: at most 400,000 bytes are read.
    public init(of texts: [String]) {
        let count = min(texts.count, Self.sample.texts)
        let rows = (0..<count).map { $0 * texts.count / count }
        self.texts = count
        let sampled = rows.map { String(decoding: texts[$0].utf8.prefix(Self.sample.bytes), as: UTF8.self) }
        let letters = Letters(sampled)
        switch letters.script {
        case .cjk(let language): (self.language, isSure) = (language, true)
        case .cyrillic(let isRussian): (self.language, isSure) = (isRussian ? .russian : .other, true)
        case .unknown: (self.language, isSure) = (.other, true)
        case .latin: (self.language, isSure) = Self.byStopWords(sampled)
        }
    }

    private static func byStopWords(_ texts: [String]) -> (Language, isSure: Bool) {
        var counts: [String: Int] = [:]
        var words = 0
        for text in texts {
            TextAnalyzer.forEachWord(in: text) { word in
                words += 1
                let word = String(decoding: word, as: UTF8.self)
                if languagesByStopWord[word] != nil { counts[word, default: 0] += 1 }
            }
        }
        // A word that n languages share counts `unit / n` for each, which is a whole number. So the order of the sum does not matter.
        let unit = 840
        var sums: [Language: Int] = [:]
        var most: [Language: Int] = [:]
        for (word, count) in counts {
            let languages = languagesByStopWord[word] ?? []
            for language in languages {
                let part = count * unit / languages.count
                sums[language, default: 0] += part
                most[language] = max(most[language] ?? 0, part)
            }
        }
        let scores = Language.allCases.map { (language: $0, score: (sums[$0] ?? 0) - (most[$0] ?? 0)) }
            .sorted { $0.score > $1.score }
        guard scores[0].score > 0, scores[0].score * leastShare >= words * unit else { return (.english, false) }
        return (scores[0].language, 2 * scores[1].score <= scores[0].score)
    }

    private static let languagesByStopWord: [String: [Language]] = {
        var languages: [String: [Language]] = [:]
        for language in Language.allCases {
            for word in StopWords.words(of: language) { languages[word, default: []].append(language) }
        }
        return languages
    }()
}

/// The numbers of letters of each script.
private struct Letters {
    enum Script { case latin, cjk(Language), cyrillic(isRussian: Bool), unknown }

    private var latin = 0, cyrillic = 0, han = 0, kana = 0, hangul = 0, others = 0
    /// Cyrillic letters that Russian does not have, and `ы`, which Ukrainian, Bulgarian and Serbian do not have.
    private var foreign = 0, yeru = 0

    init(_ texts: [String]) {
        for text in texts {
            for scalar in text.unicodeScalars where scalar.properties.isAlphabetic { count(scalar) }
        }
    }

    private mutating func count(_ scalar: Unicode.Scalar) {
        switch scalar.value {
        case ..<0x0250, 0x1E00...0x1EFF: latin += 1
        case 0x0400...0x052F:
            cyrillic += 1
            if scalar == "ы" { yeru += 1 }
            if !(0x0410...0x044F).contains(scalar.value), scalar != "ё", scalar != "Ё" { foreign += 1 }
        case 0x3040...0x30FF, 0xFF66...0xFF9F: kana += 1
        case 0x1100...0x11FF, 0xAC00...0xD7AF: hangul += 1
        case _ where scalar.isIdeographic: han += 1
        default: others += 1
        }
    }

    /// The script of the most text. A character of Chinese, Japanese or Korean says about as much as three letters.
    var script: Script {
        let cjk = han + kana + hangul
        let most = max(latin, cyrillic, 3 * cjk, others)
        if most == 0 || most == latin { return .latin }
        if most == 3 * cjk { return .cjk(2 * hangul >= cjk ? .korean : 20 * kana >= cjk ? .japanese : .chinese) }
        if most == cyrillic { return .cyrillic(isRussian: 200 * yeru >= cyrillic && 100 * foreign <= cyrillic) }
        return .unknown
    }
}
