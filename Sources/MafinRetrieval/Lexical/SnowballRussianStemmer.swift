/// The Snowball stemmer for Russian of Snowball 3, https://snowballstem.org/algorithms/russian/stemmer.html. `ё` counts as `е`.
enum SnowballRussianStemmer: SnowballStemmer {
    private static let vowels: Set<Unicode.Scalar> = ["а", "е", "и", "о", "у", "ы", "э", "ю", "я"]

    static func stem(_ letters: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var word = SnowballWord(letters.map { $0 == "ё" ? "е" : $0 }, vowels: vowels)
        word.markR1AndR2()
        word.rv = word.position(behind: true, from: 0)
        step1(&word)
        word.drop("и", in: word.rv)
        if let (length, _) = derivational.longest(of: word, from: word.rv), word.isIn(word.r2, last: length) {
            word.drop(length)
        }
        tidyUp(&word)
        return word.letters
    }

    /// Whether an ending is dropped only after `а` or `я`.
    private enum Condition { case always, afterA }

    private static let perfectiveGerund = SnowballEndings<Condition>([
        ("в вши вшись", .afterA), ("ив ивши ившись ыв ывши ывшись", .always),
    ])
    private static let adjective = SnowballEndings<Condition>([
        (
            "ее ие ые ое ими ыми ей ий ый ой ем им ым ом его ого ему ому их ых ую юю ая яя ою ею", .always
        )
    ])
    private static let participle = SnowballEndings<Condition>([
        ("ем нн вш ющ щ", .afterA), ("ивш ывш ующ", .always),
    ])
    private static let reflexive = SnowballEndings<Condition>([("ся сь", .always)])
    private static let verb = SnowballEndings<Condition>([
        ("ла на ете йте ли й л ем н ло но ет ют ны ть ешь нно", .afterA),
        (
            "ила ыла ена ейте уйте ите или ыли ей уй ил ыл им ым ен ило ыло ено ят ует уют ит ыт ены ить ыть ишь ую ю",
            .always
        ),
    ])
    private static let noun = SnowballEndings<Condition>([
        (
            "а ев ов ие ье е иями ями ами еи ии и ией ей ой ий й иям ям ием ем ам ом о у ах иях ях ы ь ию ью ю ия ья я",
            .always
        )
    ])
    private static let derivational = SnowballEndings<Condition>([("ост ость", .always)])

    /// Drops the longest of some endings, if its condition holds. Endings lie in RV. Returns whether it did.
    private static func drop(_ endings: SnowballEndings<Condition>, _ word: inout SnowballWord) -> Bool {
        guard let (length, condition) = endings.longest(of: word, from: word.rv) else { return false }
        if condition == .afterA {
            let letter = word.letter(before: length, from: word.rv)
            guard letter == "а" || letter == "я" else { return false }
        }
        word.drop(length)
        return true
    }

    private static func step1(_ word: inout SnowballWord) {
        if drop(perfectiveGerund, &word) { return }
        _ = drop(reflexive, &word)
        if drop(adjective, &word) {
            _ = drop(participle, &word)
        } else if !drop(verb, &word) {
            _ = drop(noun, &word)
        }
    }

    /// Step 4: endings of superlatives, a double `н`, and the soft sign.
    private static func tidyUp(_ word: inout SnowballWord) {
        let isSuperlative = word.drop("ейше", in: word.rv) || word.drop("ейш", in: word.rv)
        if word.ends(in: "нн", from: word.rv) {
            word.drop(1)
        } else if !isSuperlative {
            word.drop("ь", in: word.rv)
        }
    }
}
