/// The Snowball stemmer for French of Snowball 3, https://snowballstem.org/algorithms/french/stemmer.html.
enum SnowballFrenchStemmer: SnowballStemmer {
    private static let vowels: Set<Unicode.Scalar> = [
        "a", "e", "i", "o", "u", "y", "â", "à", "ë", "é", "ê", "è", "ï", "î", "ô", "û", "ù",
    ]

    static func stem(_ letters: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var word = SnowballWord(marked(withoutElision(letters)), vowels: vowels)
        markRegions(&word)
        if standardSuffix(&word) || verbSuffixWithI(&word) || verbSuffix(&word) {
            if word.letters.last == "Y" {
                word.replace(1, by: "i")
            } else if word.letters.last == "ç" {
                word.replace(1, by: "c")
            }
        } else {
            residualSuffix(&word)
        }
        undouble(&word)
        dropAccent(&word)
        return unmarked(word.letters)
    }

    // MARK: Before the steps

    private static let elided: Set<Unicode.Scalar> = ["c", "d", "j", "l", "m", "n", "s", "t"]

    /// Drops `l'`, `qu'` and the like before a word.
    private static func withoutElision(_ letters: [Unicode.Scalar]) -> [Unicode.Scalar] {
        guard let mark = letters.firstIndex(of: "'"), mark + 1 < letters.count else { return letters }
        let isElision = mark == 1 ? elided.contains(letters[0]) : mark == 2 && letters[0] == "q" && letters[1] == "u"
        return isElision ? Array(letters[(mark + 1)...]) : letters
    }

    /// Marks vowels that count as consonants by capital letters. `ë` and `ï` become `He` and `Hi`.
    private static func marked(_ letters: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var letters = letters
        var index = 0
        func isVowel(_ index: Int) -> Bool { index < letters.count && vowels.contains(letters[index]) }
        while index < letters.count {
            let letter = letters[index]
            let next = index + 1 < letters.count ? letters[index + 1] : nil
            // The same place is looked at again after a change.
            if isVowel(index), next == "u" || next == "i", isVowel(index + 2) {
                letters[index + 1] = next == "u" ? "U" : "I"
            } else if isVowel(index), next == "y" {
                letters[index + 1] = "Y"
            } else if letter == "ë" || letter == "ï" {
                letters.replaceSubrange(index...index, with: ["H", letter == "ë" ? "e" : "i"])
            } else if letter == "y", isVowel(index + 1) {
                letters[index] = "Y"
            } else if letter == "q", next == "u" {
                letters[index + 1] = "U"
            } else {
                index += 1
            }
        }
        return letters
    }

    private static func unmarked(_ letters: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        var index = 0
        while index < letters.count {
            let next = index + 1 < letters.count ? letters[index + 1] : nil
            switch letters[index] {
            case "I": result.append("i")
            case "U": result.append("u")
            case "Y": result.append("y")
            case "H":
                if next == "e" || next == "i" {
                    result.append(next == "e" ? "ë" : "ï")
                    index += 1
                }
            case let letter: result.append(letter)
            }
            index += 1
        }
        return result
    }

    /// Beginnings after which RV begins, as exceptions to the rule.
    private static let beginnings = ["par", "col", "tap"]

    private static func markRegions(_ word: inout SnowballWord) {
        word.markR1AndR2()
        func begins(_ text: String) -> Bool { word.letters.starts(with: text.unicodeScalars) }
        if word.count >= 3, word.isVowel(0) && word.isVowel(1) || begins("ni") && word.isVowel(2) {
            word.rv = 3
        } else if beginnings.contains(where: begins) {
            word.rv = 3
        } else {
            word.rv = word.position(behind: true, from: 1)
        }
    }

    // MARK: Steps

    private enum Standard {
        case delete, ateur, logie, usion, ence, ement, ite, ive, eaux, aux, oux, euse, issement, amment, emment, ment
    }
    private static let standard = SnowballEndings<Standard>([
        ("ance iqUe isme able iste eux ances iqUes ismes ables istes", .delete),
        ("atrice ateur ation atrices ateurs ations", .ateur), ("logie logies", .logie),
        ("usion ution usions utions", .usion), ("ence ences", .ence), ("ement ements", .ement), ("ité ités", .ite),
        ("if ive ifs ives", .ive), ("eaux", .eaux), ("aux", .aux), ("oux", .oux), ("euse euses", .euse),
        ("issement issements", .issement), ("amment", .amment), ("emment", .emment), ("ment ments", .ment),
    ])
    private static let beforeOux: Set<Unicode.Scalar> = ["b", "h", "j", "l", "n", "p"]

    /// Step 1. Returns whether an ending of a verb can no longer follow.
    private static func standardSuffix(_ word: inout SnowballWord) -> Bool {
        guard let (length, action) = standard.longest(of: word) else { return false }
        func isIn(_ region: Int) -> Bool { word.isIn(region, last: length) }
        switch action {
        case .delete:
            guard isIn(word.r2) else { return false }
            word.drop(length)
        case .ateur:
            guard isIn(word.r2) else { return false }
            word.drop(length)
            dropIc(&word)
        case .logie:
            guard isIn(word.r2) else { return false }
            word.replace(length, by: "log")
        case .usion:
            guard isIn(word.r2) else { return false }
            word.replace(length, by: "u")
        case .ence:
            guard isIn(word.r2) else { return false }
            word.replace(length, by: "ent")
        case .ement:
            guard isIn(word.rv) else { return false }
            word.drop(length)
            afterEment(&word)
        case .ite:
            guard isIn(word.r2) else { return false }
            word.drop(length)
            if word.ends(in: "abil") {
                if !word.drop("abil", in: word.r2) { word.replace(4, by: "abl") }
            } else if !dropIc(&word) {
                word.drop("iv", in: word.r2)
            }
        case .ive:
            guard isIn(word.r2) else { return false }
            word.drop(length)
            if word.drop("at", in: word.r2) { dropIc(&word) }
        case .eaux: word.replace(length, by: "eau")
        case .aux:
            guard isIn(word.r1) else { return false }
            word.replace(length, by: "al")
        case .oux:
            guard let letter = word.letter(before: length), beforeOux.contains(letter) else { return false }
            word.replace(length, by: "ou")
        case .euse:
            if isIn(word.r2) {
                word.drop(length)
            } else if isIn(word.r1) {
                word.replace(length, by: "eux")
            } else {
                return false
            }
        case .issement:
            guard isIn(word.r1), word.hasConsonant(before: length) else { return false }
            word.drop(length)
        // Adverbs end in a participle, from which the endings of verbs are dropped.
        case .amment:
            if isIn(word.rv) { word.replace(length, by: "ant") }
            return false
        case .emment:
            if isIn(word.rv) { word.replace(length, by: "ent") }
            return false
        case .ment:
            if word.letter(before: length, from: word.rv) != nil, word.isVowel(word.count - length - 1) {
                word.drop(length)
            }
            return false
        }
        return true
    }

    /// Drops `ic` in R2, or replaces it by `iqU`. Returns whether there was one.
    @discardableResult
    private static func dropIc(_ word: inout SnowballWord) -> Bool {
        guard word.ends(in: "ic") else { return false }
        if !word.drop("ic", in: word.r2) { word.replace(2, by: "iqU") }
        return true
    }

    private static func afterEment(_ word: inout SnowballWord) {
        if word.ends(in: "iv") {
            if word.drop("iv", in: word.r2) { word.drop("at", in: word.r2) }
        } else if word.ends(in: "eus") {
            if !word.drop("eus", in: word.r2), word.isIn(word.r1, last: 3) { word.replace(3, by: "eux") }
        } else if word.ends(in: "abl") || word.ends(in: "iqU") {
            if word.isIn(word.r2, last: 3) { word.drop(3) }
        } else if word.ends(in: "ièr") || word.ends(in: "Ièr") {
            if word.isIn(word.rv, last: 3) { word.replace(3, by: "i") }
        }
    }

    private static let endingsWithI = SnowballEndings<Void>([
        (
            "îmes ît îtes i ie ies ir ira irai iraIent irais irait iras irent irez iriez irions irons iront is issaIent issais issait "
                + "issant issante issantes issants isse issent isses issez issiez issions issons it",
            ()
        )
    ])

    /// Step 2a.
    private static func verbSuffixWithI(_ word: inout SnowballWord) -> Bool {
        guard let (length, _) = endingsWithI.longest(of: word, from: word.rv),
            word.hasConsonant(before: length, from: word.rv), word.letter(before: length) != "H"
        else { return false }
        word.drop(length)
        return true
    }

    private enum Verb { case ions, delete, a, ais }
    private static let verb = SnowballEndings<Verb>([
        ("ions", .ions),
        (
            "é ée ées és èrent er era erai eraIent erais erait eras erez eriez erions erons eront ez iez eais", .delete
        ),
        ("âmes ât âtes a ai aIent ait ant ante antes ants as asse assent asses assiez assions", .a),
        ("ais aise aises", .ais),
    ])

    /// Step 2b.
    private static func verbSuffix(_ word: inout SnowballWord) -> Bool {
        guard let (length, action) = verb.longest(of: word, from: word.rv) else { return false }
        switch action {
        case .ions:
            guard word.isIn(word.r2, last: length) else { return false }
            word.drop(length)
        case .delete: word.drop(length)
        case .a:
            word.drop(length)
            word.drop("e", in: word.rv)
        case .ais:
            // As in palais, mauvais and déplais, where it is no ending.
            let isPartOfStem =
                word.ends(in: "al", before: length) && word.count == length + 3
                || word.ends(in: "auv", before: length) || word.ends(in: "épl", before: length)
            if isPartOfStem { return false }
            word.drop(length)
        }
        return true
    }

    private static let lettersBeforeS: Set<Unicode.Scalar> = ["a", "i", "o", "u", "è", "s"]

    private enum Residual { case ion, ier, e }
    private static let residual = SnowballEndings<Residual>([("ion", .ion), ("ier ière Ier Ière", .ier), ("e", .e)])

    /// Step 4.
    private static func residualSuffix(_ word: inout SnowballWord) {
        if word.letters.last == "s", let before = word.letter(before: 1),
            word.ends(in: "Hi", before: 1) || !lettersBeforeS.contains(before)
        {
            word.drop(1)
        }
        guard let (length, action) = residual.longest(of: word, from: word.rv) else { return }
        switch action {
        case .ion:
            let before = word.letter(before: length, from: word.rv)
            if word.isIn(word.r2, last: length), before == "s" || before == "t" { word.drop(length) }
        case .ier: word.replace(length, by: "i")
        case .e: word.drop(length)
        }
    }

    /// Step 5.
    private static func undouble(_ word: inout SnowballWord) {
        if ["enn", "onn", "ett", "ell", "eill"].contains(where: { word.ends(in: $0) }) { word.drop(1) }
    }

    /// Step 6. The last vowel before the consonants at the end loses its accent.
    private static func dropAccent(_ word: inout SnowballWord) {
        guard let index = word.letters.indices.last(where: { word.isVowel($0) }), index < word.count - 1,
            word.letters[index] == "é" || word.letters[index] == "è"
        else { return }
        word.letters[index] = "e"
    }
}
