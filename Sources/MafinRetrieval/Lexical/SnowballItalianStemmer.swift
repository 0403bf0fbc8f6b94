/// The Snowball stemmer for Italian of Snowball 3, https://snowballstem.org/algorithms/italian/stemmer.html.
enum SnowballItalianStemmer: SnowballStemmer {
    private static let vowels: Set<Unicode.Scalar> = ["a", "e", "i", "o", "u", "à", "è", "ì", "ò", "ù"]

    static func stem(_ letters: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var word = SnowballWord(prelude(letters), vowels: vowels)
        word.markR1AndR2()
        word.markRomanceRV()
        if word.letters.starts(with: "divan".unicodeScalars) { word.rv = 5 }
        attachedPronoun(&word)
        if !standardSuffix(&word), let (length, _) = verb.longest(of: word, from: word.rv) { word.drop(length) }
        vowelSuffix(&word)
        word.replaceLetters(["I": "i", "U": "u"])
        return word.letters
    }

    /// Acute accents become grave ones. `u` after `q`, and `u` and `i` between vowels, are marked as consonants.
    private static func prelude(_ letters: [Unicode.Scalar]) -> [Unicode.Scalar] {
        let grave: [Unicode.Scalar: Unicode.Scalar] = ["á": "à", "é": "è", "í": "ì", "ó": "ò", "ú": "ù"]
        var letters = letters.map { grave[$0] ?? $0 }
        for index in letters.indices.dropFirst() where letters[index] == "u" && letters[index - 1] == "q" {
            letters[index] = "U"
        }
        for index in letters.indices.dropFirst().dropLast()
        where vowels.contains(letters[index - 1]) && vowels.contains(letters[index + 1]) {
            if letters[index] == "u" { letters[index] = "U" }
            if letters[index] == "i" { letters[index] = "I" }
        }
        return letters
    }

    private static let pronouns = SnowballEndings<Void>([
        (
            "ci gli la le li lo mi ne si ti vi sene gliela gliele glieli glielo gliene mela mele meli melo mene tela tele teli telo "
                + "tene cela cele celi celo cene vela vele veli velo vene",
            ()
        )
    ])

    /// Step 0: drops pronouns after a gerund, and replaces them after an infinitive.
    private static func attachedPronoun(_ word: inout SnowballWord) {
        guard let (pronoun, _) = pronouns.longest(of: word) else { return }
        func follows(_ endings: [String]) -> Bool {
            endings.contains { word.ends(in: $0, before: pronoun, from: word.rv) }
        }
        if follows(["ando", "endo"]) {
            word.drop(pronoun)
        } else if follows(["ar", "er", "ir"]) {
            word.replace(pronoun, by: "e")
        }
    }

    private enum Standard { case delete, azione, logia, uzione, enza, amento, amente, ita, ivo }
    private static let standard = SnowballEndings<Standard>([
        (
            "anza anze ico ici ica ice iche ichi ismo ismi abile abili ibile ibili ista iste isti istà istè istì oso osi osa ose mente "
                + "atrice atrici ante anti", .delete
        ),
        ("azione azioni atore atori", .azione), ("logia logie", .logia), ("uzione uzioni usione usioni", .uzione),
        ("enza enze", .enza), ("amento amenti imento imenti", .amento), ("amente", .amente), ("ità", .ita),
        ("ivo ivi iva ive", .ivo),
    ])

    /// Step 1. Returns whether something was changed.
    private static func standardSuffix(_ word: inout SnowballWord) -> Bool {
        guard let (length, action) = standard.longest(of: word) else { return false }
        let region = action == .amento ? word.rv : action == .amente ? word.r1 : word.r2
        guard word.isIn(region, last: length) else { return false }
        switch action {
        case .delete, .amento: word.drop(length)
        case .azione:
            word.drop(length)
            word.dropInR2(oneOf: ["ic"])
        case .logia: word.replace(length, by: "log")
        case .uzione: word.replace(length, by: "u")
        case .enza: word.replace(length, by: "ente")
        case .amente:
            word.drop(length)
            word.dropInR2(ativOrOneOf: ["os", "ic", "abil"])
        case .ita:
            word.drop(length)
            word.dropInR2(oneOf: ["abil", "ic", "iv"])
        case .ivo:
            word.drop(length)
            if word.drop("at", in: word.r2) { word.drop("ic", in: word.r2) }
        }
        return true
    }

    /// Step 2.
    private static let verb = SnowballEndings<Void>([
        (
            "ammo ando ano are arono asse assero assi assimo ata ate ati ato ava avamo avano avate avi avo emmo enda ende endi endo erà "
                + "erai eranno ere erebbe erebbero erei eremmo eremo ereste eresti erete erò erono essero ete eva evamo evano evate "
                + "evi evo Yamo iamo immo irà irai iranno ire irebbe irebbero irei iremmo iremo ireste iresti irete irò irono isca "
                + "iscano isce isci isco iscono issero ita ite iti ito iva ivamo ivano ivate ivi ivo ono uta ute uti uto ar ir",
            ()
        )
    ])

    /// Step 3.
    private static func vowelSuffix(_ word: inout SnowballWord) {
        if let last = word.letters.last, "aeioàèìò".unicodeScalars.contains(last), word.isIn(word.rv, last: 1) {
            word.drop(1)
            word.drop("i", in: word.rv)
        }
        if word.ends(in: "ch") || word.ends(in: "gh"), word.isIn(word.rv, last: 2) { word.drop(1) }
    }
}
