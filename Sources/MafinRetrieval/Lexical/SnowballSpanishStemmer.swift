/// The Snowball stemmer for Spanish of Snowball 3, https://snowballstem.org/algorithms/spanish/stemmer.html.
enum SnowballSpanishStemmer: SnowballStemmer {
    private static let vowels: Set<Unicode.Scalar> = ["a", "e", "i", "o", "u", "á", "é", "í", "ó", "ú", "ü"]

    static func stem(_ letters: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var word = SnowballWord(letters, vowels: vowels)
        word.markR1AndR2()
        word.markRomanceRV()
        attachedPronoun(&word)
        if !standardSuffix(&word), !verbSuffixWithY(&word) { verbSuffix(&word) }
        residualSuffix(&word)
        word.replaceLetters(["á": "a", "é": "e", "í": "i", "ó": "o", "ú": "u"])
        return word.letters
    }

    private static let pronouns = SnowballEndings<Void>([
        ("me se sela selo selas selos la le lo las les los nos", ())
    ])

    private enum BeforePronoun { case accent(String), keep, yendo }
    private static let beforePronoun = SnowballEndings<BeforePronoun>([
        ("iéndo", .accent("iendo")), ("ándo", .accent("ando")), ("ár", .accent("ar")), ("ér", .accent("er")),
        ("ír", .accent("ir")), ("ando iendo ar er ir", .keep), ("yendo", .yendo),
    ])

    /// Step 0: drops pronouns after a gerund or an infinitive.
    private static func attachedPronoun(_ word: inout SnowballWord) {
        guard let (pronoun, _) = pronouns.longest(of: word) else { return }
        var verb = word
        verb.drop(pronoun)
        guard let (length, action) = beforePronoun.longest(of: verb), verb.isIn(word.rv, last: length) else { return }
        switch action {
        case .accent(let plain): verb.replace(length, by: plain)
        case .keep: break
        case .yendo: if verb.letter(before: length) != "u" { return }
        }
        word = verb
    }

    private enum Standard { case delete, ador, logia, ucion, encia, amente, mente, idad, iva }
    private static let standard = SnowballEndings<Standard>([
        (
            "anza anzas ico ica icos icas ismo ismos able ables ible ibles ista istas oso osa osos osas amiento amientos imiento "
                + "imientos", .delete
        ),
        ("adora ador ación adoras adores aciones acion ante antes ancia ancias", .ador), ("logía logías", .logia),
        ("ución uciones", .ucion), ("encia encias", .encia), ("amente", .amente), ("mente", .mente),
        ("idad idades", .idad), ("iva ivo ivas ivos", .iva),
    ])

    /// Step 1. Returns whether something was changed.
    private static func standardSuffix(_ word: inout SnowballWord) -> Bool {
        guard let (length, action) = standard.longest(of: word),
            word.isIn(action == .amente ? word.r1 : word.r2, last: length)
        else { return false }
        switch action {
        case .logia:
            word.replace(length, by: "log")
            return true
        case .ucion:
            word.replace(length, by: "u")
            return true
        case .encia:
            word.replace(length, by: "ente")
            return true
        default: word.drop(length)
        }
        switch action {
        case .ador: word.dropInR2(oneOf: ["ic"])
        case .amente: word.dropInR2(ativOrOneOf: ["os", "ic", "ad"])
        case .mente: word.dropInR2(oneOf: ["ante", "able", "ible"])
        case .idad: word.dropInR2(oneOf: ["abil", "ic", "iv"])
        case .iva: word.dropInR2(oneOf: ["at"])
        default: break
        }
        return true
    }

    private static let endingsWithY = SnowballEndings<Void>([
        ("ya ye yan yen yeron yendo yo yó yas yes yais yamos", ())
    ])

    /// Step 2a. Returns whether something was changed.
    private static func verbSuffixWithY(_ word: inout SnowballWord) -> Bool {
        guard let (length, _) = endingsWithY.longest(of: word, from: word.rv), word.letter(before: length) == "u" else {
            return false
        }
        word.drop(length)
        return true
    }

    private enum Verb { case en, delete }
    private static let verb = SnowballEndings<Verb>([
        ("en es éis emos", .en),
        (
            "arían arías arán arás aríais aría aréis aríamos aremos ará aré erían erías erán erás eríais ería eréis eríamos eremos erá "
                + "eré irían irías irán irás iríais iría iréis iríamos iremos irá iré aba ada ida ía ara iera ad ed id ase iese aste "
                + "iste an aban ían aran ieran asen iesen aron ieron ado ido ando iendo ió ar er ir as abas adas idas ías aras ieras "
                + "ases ieses ís áis abais íais arais ierais aseis ieseis asteis isteis ados idos amos ábamos íamos imos áramos "
                + "iéramos iésemos ásemos", .delete
        ),
    ])

    /// Step 2b.
    private static func verbSuffix(_ word: inout SnowballWord) {
        guard let (length, action) = verb.longest(of: word, from: word.rv) else { return }
        word.drop(length)
        if action == .en, word.ends(in: "gu") { word.drop(1) }
    }

    private enum Residual { case o, e }
    private static let residual = SnowballEndings<Residual>([("os a o á í ó", .o), ("e é", .e)])

    /// Step 3.
    private static func residualSuffix(_ word: inout SnowballWord) {
        guard let (length, action) = residual.longest(of: word), word.isIn(word.rv, last: length) else { return }
        word.drop(length)
        if action == .e, word.ends(in: "gu"), word.isIn(word.rv, last: 1) { word.drop(1) }
    }
}
