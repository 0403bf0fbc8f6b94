/// The Snowball English stemmer ("Porter2") of Snowball 3.1, which PyStemmer and bm25s use for English.
///
/// Martin Porter and Richard Boulton, https://snowballstem.org/algorithms/english/stemmer.html. Steps and regions have
/// the names of that description. Words must be in lower case. Characters outside ASCII count as consonants.
public struct SnowballEnglishStemmer: Sendable {
    /// A stemmer. It has no state.
    public init() {}

    /// The stem of a lower-case word.
    public func stem(_ word: String) -> String {
        var bytes = Array(word.utf8)
        stem(&bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Replaces a lower-case word in UTF-8 by its stem.
    public func stem(_ word: inout [UInt8]) {
        guard word.contains(where: { $0 >= 0x80 }) else {
            var state = SnowballEnglishWord(word)
            state.stem()
            word = state.letters
            return
        }
        // The rules count characters and change only ASCII, so one byte stands for each other character.
        let scalars = Array(String(decoding: word, as: UTF8.self).unicodeScalars)
        var state = SnowballEnglishWord(scalars.map { $0.isASCII ? UInt8($0.value) : SnowballEnglishWord.standIn })
        state.stem()
        var others = scalars.lazy.filter { !$0.isASCII }.makeIterator()
        word = state.letters.flatMap { letter in
            guard letter == SnowballEnglishWord.standIn, let scalar = others.next() else { return [letter] }
            return Array(String(scalar).utf8)
        }
    }
}

/// A word while the steps are applied.
///
/// `y` is a vowel and `Y` a consonant. R1 and R2 are the parts of the word that begin at `r1` and `r2`.
struct SnowballEnglishWord {
    /// Stands for one character outside ASCII.
    static let standIn: UInt8 = 0xFF

    var letters: [UInt8]
    private var r1 = 0
    private var r2 = 0

    init(_ letters: [UInt8]) { self.letters = letters }

    mutating func stem() {
        guard !replaceSpecialWord(), letters.count >= 3 else { return }
        let hasMarks = markConsonantY()
        markRegions()
        step1a()
        step1b()
        step1c()
        step2()
        step3()
        step4()
        step5()
        if hasMarks {
            for index in letters.indices where letters[index] == UInt8(ascii: "Y") {
                letters[index] = UInt8(ascii: "y")
            }
        }
    }

    // MARK: Before the steps

    /// Words for which the rules give a wrong stem, and their stems.
    private static let specialWords: [(word: StaticString, stem: StaticString)] = [
        ("skis", "ski"), ("skies", "sky"),
        ("idly", "idl"), ("gently", "gentl"), ("ugly", "ugli"), ("early", "earli"), ("only", "onli"),
        ("singly", "singl"),
        ("sky", "sky"), ("news", "news"), ("howe", "howe"),
        ("atlas", "atlas"), ("cosmos", "cosmos"), ("bias", "bias"), ("andes", "andes"),
    ]

    private mutating func replaceSpecialWord() -> Bool {
        guard (3...6).contains(letters.count), let special = Self.specialWords.first(where: { isWord($0.word) }) else {
            return false
        }
        letters = special.stem.withUTF8Buffer { Array($0) }
        return true
    }

    /// Drops an initial apostrophe. Marks `y` as a consonant at the start of the word and after a vowel.
    private mutating func markConsonantY() -> Bool {
        if letters.first == UInt8(ascii: "'") { letters.removeFirst() }
        var hasMarks = false
        for index in letters.indices where letters[index] == UInt8(ascii: "y") && (index == 0 || isVowel(index - 1)) {
            letters[index] = UInt8(ascii: "Y")
            hasMarks = true
        }
        return hasMarks
    }

    /// Prefixes after which R1 begins, as exceptions to the rule. Without them `general` and `generous` would have the
    /// same stem.
    private static let prefixes: [StaticString] = [
        "arsen", "commun", "emerg", "gener", "inter", "later", "organ", "past", "univers",
    ]

    private mutating func markRegions() {
        let prefix = Self.prefixes.first { prefix in
            prefix.withUTF8Buffer { letters.starts(with: $0) }
        }
        r1 = prefix?.utf8CodeUnitCount ?? regionBehindSyllable(from: 0)
        r2 = regionBehindSyllable(from: r1)
    }

    /// The position after the first consonant that follows a vowel; the end of the word if there is none.
    private func regionBehindSyllable(from start: Int) -> Int {
        guard let vowel = (start..<letters.count).first(where: isVowel),
            let consonant = (vowel..<letters.count).first(where: { !isVowel($0) })
        else { return letters.count }
        return consonant + 1
    }

    // MARK: Conditions

    func isVowel(_ index: Int) -> Bool { Self.isOne(letters[index], of: "aeiouy") }

    static func isOne(_ letter: UInt8, of set: StaticString) -> Bool { set.withUTF8Buffer { $0.contains(letter) } }

    func isWord(_ word: StaticString) -> Bool { word.withUTF8Buffer { letters.elementsEqual($0) } }

    /// Whether the first `end` letters end in `suffix`.
    func ends(in suffix: StaticString, before end: Int? = nil) -> Bool {
        suffix.withUTF8Buffer { letters[..<(end ?? letters.count)].suffix($0.count).elementsEqual($0) }
    }

    func isInR1(_ index: Int) -> Bool { r1 <= index }

    func isInR2(_ index: Int) -> Bool { r2 <= index }

    /// R1 is empty and begins at the end of the word.
    var endsAtR1: Bool { letters.count == r1 }

    func hasVowel(before end: Int) -> Bool { (0..<max(0, end)).contains(where: isVowel) }

    /// Whether the first `end` letters end in a short syllable. That is a consonant, a vowel and a consonant other than
    /// w, x and Y; or a vowel and a consonant that are the whole word; or `past`.
    func endsInShortSyllable(before end: Int) -> Bool {
        guard end >= 2, !isVowel(end - 1), isVowel(end - 2) else { return ends(in: "past", before: end) }
        if end == 2 { return true }
        return (!Self.isOne(letters[end - 1], of: "wxY") && !isVowel(end - 3)) || ends(in: "past", before: end)
    }

    // MARK: Changes

    mutating func drop(_ count: Int) { letters.removeLast(count) }

    mutating func replaceEnd(_ count: Int, by text: StaticString) {
        letters.removeLast(count)
        text.withUTF8Buffer { letters.append(contentsOf: $0) }
    }

    /// The first entry whose suffix the word ends in. Tables list longer suffixes first.
    func longestSuffix<Entry>(_ table: [(suffix: StaticString, entry: Entry)]) -> (length: Int, entry: Entry)? {
        table.first { ends(in: $0.suffix) }.map { ($0.suffix.utf8CodeUnitCount, $0.entry) }
    }
}
