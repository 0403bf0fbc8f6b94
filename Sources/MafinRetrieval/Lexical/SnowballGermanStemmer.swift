/// The Snowball stemmer for German of Snowball 3, https://snowballstem.org/algorithms/german/stemmer.html.
///
/// `ß` counts as `ss`; `ae`, `oe` and `ue` count as umlauts, and umlauts lose their dots at the end. Compounds stay whole.
enum SnowballGermanStemmer: SnowballStemmer {
    private static let vowels: Set<Unicode.Scalar> = ["a", "e", "i", "o", "u", "y", "ä", "ö", "ü"]
    /// The letters before an `s`, `st` or `et` that is an ending.
    private static let beforeS: Set<Unicode.Scalar> = ["b", "d", "f", "g", "h", "k", "l", "m", "n", "r", "t"]
    private static let beforeET: Set<Unicode.Scalar> = [
        "d", "f", "g", "k", "l", "m", "n", "r", "s", "t", "U", "z", "ä",
    ]

    static func stem(_ letters: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var word = SnowballWord(prelude(letters), vowels: vowels)
        word.markR1AndR2()
        // At least three letters stand before R1.
        if word.count >= 3 { word.r1 = max(word.r1, 3) }
        step1(&word)
        step2(&word)
        step3(&word)
        word.replaceLetters(["Y": "y", "U": "u", "ä": "a", "ö": "o", "ü": "u"])
        return word.letters
    }

    /// Marks `u` and `y` between vowels as consonants, and replaces `ß` and the spellings of umlauts with two letters.
    private static func prelude(_ letters: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var letters = letters
        if letters.count >= 3 {
            for index in 1..<letters.count - 1
            where vowels.contains(letters[index - 1]) && vowels.contains(letters[index + 1]) {
                if letters[index] == "u" { letters[index] = "U" }
                if letters[index] == "y" { letters[index] = "Y" }
            }
        }
        var result: [Unicode.Scalar] = []
        var index = 0
        while index < letters.count {
            let pair = letters[index...].prefix(2)
            if let found = pairs.first(where: { pair.elementsEqual($0.key.unicodeScalars) }) {
                result += found.value.unicodeScalars
                index += 2
            } else {
                if letters[index] == "ß" { result += ["s", "s"] } else { result.append(letters[index]) }
                index += 1
            }
        }
        return result
    }

    /// `ue` after `q` is not an umlaut.
    private static let pairs: KeyValuePairs = ["ae": "ä", "oe": "ö", "ue": "ü", "qu": "qu"]

    private enum Step1 { case em, delete, niss, s, l }
    private static let endings1 = SnowballEndings<Step1>([
        ("em", .em), ("ern er erin erinnen", .delete), ("e en es", .niss), ("s", .s), ("ln lns", .l),
    ])

    private static func step1(_ word: inout SnowballWord) {
        guard let (length, action) = endings1.longest(of: word), word.isIn(word.r1, last: length) else { return }
        switch action {
        case .em: if !word.ends(in: "syst", before: length) { word.drop(length) }
        case .delete: word.drop(length)
        case .niss:
            word.drop(length)
            if word.ends(in: "niss") { word.drop(1) }
        case .s: if let letter = word.letter(before: 1), beforeS.contains(letter) { word.drop(1) }
        case .l: word.replace(length, by: "l")
        }
    }

    private enum Step2 { case delete, st, et }
    private static let endings2 = SnowballEndings<Step2>([("en er est", .delete), ("st", .st), ("et", .et)])
    /// Parts of words before an `et` that is not an ending, as in `tablet` and `internet`.
    private static let wholeBeforeET = ["geordn", "intern", "plan", "tick", "tr"]

    private static func step2(_ word: inout SnowballWord) {
        guard let (length, action) = endings2.longest(of: word), word.isIn(word.r1, last: length) else { return }
        let before = word.letter(before: length)
        switch action {
        case .delete: word.drop(length)
        case .st:
            if let before, before != "r", beforeS.contains(before), word.count >= length + 4 { word.drop(length) }
        case .et:
            if let before, beforeET.contains(before),
                !wholeBeforeET.contains(where: { word.ends(in: $0, before: length) })
            {
                word.drop(length)
            }
        }
    }

    private enum Step3 { case end, ig, lich, keit }
    private static let endings3 = SnowballEndings<Step3>([
        ("end ung", .end), ("ig ik isch", .ig), ("lich heit", .lich), ("keit", .keit),
    ])

    private static func step3(_ word: inout SnowballWord) {
        guard let (length, action) = endings3.longest(of: word), word.isIn(word.r2, last: length) else { return }
        switch action {
        case .end:
            word.drop(length)
            if word.letter(before: 2) != "e" { word.drop("ig", in: word.r2) }
        case .ig: if word.letter(before: length) != "e" { word.drop(length) }
        case .lich:
            word.drop(length)
            if !word.drop("er", in: word.r1) { word.drop("en", in: word.r1) }
        case .keit:
            word.drop(length)
            if !word.drop("lich", in: word.r2) { word.drop("ig", in: word.r2) }
        }
    }
}
