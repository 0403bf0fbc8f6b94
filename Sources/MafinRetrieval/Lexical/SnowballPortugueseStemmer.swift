/// The Snowball stemmer for Portuguese of Snowball 3, https://snowballstem.org/algorithms/portuguese/stemmer.html.
enum SnowballPortugueseStemmer: SnowballStemmer {
    private static let vowels: Set<Unicode.Scalar> = [
        "a", "e", "i", "o", "u", "á", "é", "í", "ó", "ú", "â", "ê", "ô",
    ]

    static func stem(_ letters: [Unicode.Scalar]) -> [Unicode.Scalar] {
        // A nasal vowel is a vowel and a consonant.
        let spread = letters.flatMap { letter -> [Unicode.Scalar] in
            letter == "ã" ? ["a", "~"] : letter == "õ" ? ["o", "~"] : [letter]
        }
        var word = SnowballWord(spread, vowels: vowels)
        word.markR1AndR2()
        word.markRomanceRV()
        if standardSuffix(&word) || verbSuffix(&word) {
            if word.ends(in: "ci"), word.isIn(word.rv, last: 1) { word.drop(1) }
        } else if !word.drop("os", in: word.rv) {
            dropLast(of: "aioáíó", &word)
        }
        residualForm(&word)
        return joined(word.letters)
    }

    private static func joined(_ letters: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        for letter in letters {
            switch (result.last, letter) {
            case (.some("a"), "~"): result[result.count - 1] = "ã"
            case (.some("o"), "~"): result[result.count - 1] = "õ"
            default: result.append(letter)
            }
        }
        return result
    }

    private enum Standard { case delete, logia, ucao, encia, amente, mente, idade, iva, ira }
    private static let standard = SnowballEndings<Standard>([
        (
            "eza ezas ico ica icos icas ismo ismos ável ível ista istas oso osa osos osas amento amentos imento imentos adora ador "
                + "aça~o adoras adores aço~es ante antes ância", .delete
        ),
        ("logia logias", .logia), ("uça~o uço~es", .ucao), ("ência ências", .encia), ("amente", .amente),
        ("mente", .mente), ("idade idades", .idade), ("iva ivo ivas ivos", .iva), ("ira iras", .ira),
    ])

    /// Step 1. Returns whether something was changed.
    private static func standardSuffix(_ word: inout SnowballWord) -> Bool {
        guard let (length, action) = standard.longest(of: word) else { return false }
        let region = action == .amente ? word.r1 : action == .ira ? word.rv : word.r2
        guard word.isIn(region, last: length) else { return false }
        switch action {
        case .delete: word.drop(length)
        case .logia: word.replace(length, by: "log")
        case .ucao: word.replace(length, by: "u")
        case .encia: word.replace(length, by: "ente")
        case .amente:
            word.drop(length)
            word.dropInR2(ativOrOneOf: ["os", "ic", "ad"])
        case .mente:
            word.drop(length)
            word.dropInR2(oneOf: ["ante", "avel", "ível"])
        case .idade:
            word.drop(length)
            word.dropInR2(oneOf: ["abil", "ic", "iv"])
        case .iva:
            word.drop(length)
            word.dropInR2(oneOf: ["at"])
        case .ira:
            guard word.letter(before: length) == "e" else { return false }
            word.replace(length, by: "ir")
        }
        return true
    }

    private static let verb = SnowballEndings<Void>([
        (
            "ada ida ia aria eria iria ará ara erá era irá ava asse esse isse aste este iste ei arei erei irei am iam ariam eriam "
                + "iriam aram eram iram avam em arem erem irem assem essem issem ado ido ando endo indo ara~o era~o ira~o ar er ir "
                + "as adas idas ias arias erias irias arás aras erás eras irás avas es ardes erdes irdes ares eres ires asses esses "
                + "isses astes estes istes is ais eis íeis aríeis eríeis iríeis áreis areis éreis ereis íreis ireis ásseis ésseis "
                + "ísseis áveis ados idos ámos amos íamos aríamos eríamos iríamos áramos éramos íramos ávamos emos aremos eremos "
                + "iremos ássemos êssemos íssemos imos armos ermos irmos eu iu ou ira iras",
            ()
        )
    ])

    /// Step 2. Returns whether something was changed.
    private static func verbSuffix(_ word: inout SnowballWord) -> Bool {
        guard let (length, _) = verb.longest(of: word, from: word.rv) else { return false }
        word.drop(length)
        return true
    }

    /// Drops the last letter if it is one of some and lies in RV. Returns whether it did.
    @discardableResult
    private static func dropLast(of letters: String, _ word: inout SnowballWord) -> Bool {
        guard let last = word.letters.last, letters.unicodeScalars.contains(last), word.isIn(word.rv, last: 1) else {
            return false
        }
        word.drop(1)
        return true
    }

    /// Step 5.
    private static func residualForm(_ word: inout SnowballWord) {
        if word.letters.last == "ç" {
            word.replace(1, by: "c")
        } else if dropLast(of: "eéê", &word), word.ends(in: "gu") || word.ends(in: "ci"), word.isIn(word.rv, last: 1) {
            word.drop(1)
        }
    }
}
