/// Martin Porter's stemmer for Dutch, `dutch_porter` in Snowball 3, https://snowballstem.org/algorithms/dutch_porter/stemmer.html.
enum SnowballDutchStemmer: SnowballStemmer {
    private static let vowels: Set<Unicode.Scalar> = ["a", "e", "i", "o", "u", "y", "è"]

    static func stem(_ letters: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var word = SnowballWord(prelude(letters), vowels: vowels)
        word.markR1AndR2()
        // At least three letters stand before R1.
        if word.count >= 3 { word.r1 = max(word.r1, 3) }
        step1(&word)
        let droppedE = dropE(&word)
        step3(&word, droppedE: droppedE)
        undoubleVowel(&word)
        word.replaceLetters(["I": "i", "Y": "y"])
        return word.letters
    }

    private static let plain: [Unicode.Scalar: Unicode.Scalar] = [
        "ä": "a", "á": "a", "ë": "e", "é": "e", "ï": "i", "í": "i", "ö": "o", "ó": "o", "ü": "u", "ú": "u",
    ]

    /// Drops accents. Marks `y` at the start and after a vowel, and `i` between vowels, as consonants.
    private static func prelude(_ letters: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var letters = letters.map { plain[$0] ?? $0 }
        if letters.first == "y" { letters[0] = "Y" }
        for index in letters.indices.dropFirst() where vowels.contains(letters[index - 1]) {
            if letters[index] == "y" { letters[index] = "Y" }
            if letters[index] == "i", index + 1 < letters.count, vowels.contains(letters[index + 1]) {
                letters[index] = "I"
            }
        }
        return letters
    }

    // MARK: Endings

    private static func undoubleConsonant(_ word: inout SnowballWord) {
        if ["kk", "dd", "tt"].contains(where: { word.ends(in: $0) }) { word.drop(1) }
    }

    /// Step 2, and a part of step 3: drops `e` after a consonant. Returns whether it did.
    @discardableResult
    private static func dropE(_ word: inout SnowballWord) -> Bool {
        guard word.ends(in: "e"), word.isIn(word.r1, last: 1), word.hasConsonant(before: 1) else { return false }
        word.drop(1)
        undoubleConsonant(&word)
        return true
    }

    /// Drops an ending like `en` after a consonant, but not after `gem`.
    private static func dropEn(_ length: Int, _ word: inout SnowballWord) {
        guard word.isIn(word.r1, last: length), word.hasConsonant(before: length), !word.ends(in: "gem", before: length)
        else { return }
        word.drop(length)
        undoubleConsonant(&word)
    }

    // MARK: Steps

    private enum Step1 { case heden, en, s }
    private static let endings1 = SnowballEndings<Step1>([("heden", .heden), ("en ene", .en), ("s se", .s)])

    private static func step1(_ word: inout SnowballWord) {
        guard let (length, action) = endings1.longest(of: word) else { return }
        switch action {
        case .heden: if word.isIn(word.r1, last: length) { word.replace(length, by: "heid") }
        case .en: dropEn(length, &word)
        case .s:
            if word.isIn(word.r1, last: length), word.hasConsonant(before: length), word.letter(before: length) != "j" {
                word.drop(length)
            }
        }
    }

    private enum Step3 { case end, ig, lijk, baar, bar }
    private static let endings3 = SnowballEndings<Step3>([
        ("end ing", .end), ("ig", .ig), ("lijk", .lijk), ("baar", .baar), ("bar", .bar),
    ])

    /// Steps 3a and 3b.
    private static func step3(_ word: inout SnowballWord, droppedE: Bool) {
        if word.ends(in: "heid"), word.isIn(word.r2, last: 4), word.letter(before: 4) != "c" {
            word.drop(4)
            if word.ends(in: "en") { dropEn(2, &word) }
        }
        guard let (length, action) = endings3.longest(of: word), word.isIn(word.r2, last: length) else { return }
        switch action {
        case .end:
            word.drop(length)
            if word.ends(in: "ig"), word.isIn(word.r2, last: 2), word.letter(before: 2) != "e" {
                word.drop(2)
            } else {
                undoubleConsonant(&word)
            }
        case .ig: if word.letter(before: length) != "e" { word.drop(length) }
        case .lijk:
            word.drop(length)
            dropE(&word)
        case .baar: word.drop(length)
        case .bar: if droppedE { word.drop(length) }
        }
    }

    /// Step 4: `maan` becomes `man`, because other forms are spelt with one vowel.
    private static func undoubleVowel(_ word: inout SnowballWord) {
        guard let last = word.letters.last, !vowels.contains(last), last != "I",
            ["aa", "ee", "oo", "uu"].contains(where: { word.ends(in: $0, before: 1) }), word.hasConsonant(before: 3)
        else { return }
        word.letters.remove(at: word.count - 2)
    }
}
