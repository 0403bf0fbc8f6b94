/// The steps, in their order. Each step considers only the longest of its suffixes that the word ends in. If its
/// condition fails, nothing happens, even if a shorter suffix would match.
extension SnowballEnglishWord {
    /// Apostrophes and plurals.
    mutating func step1a() {
        for suffix: StaticString in ["'s'", "'s", "'"] where ends(in: suffix) {
            drop(suffix.utf8CodeUnitCount)
            break
        }
        if ends(in: "sses") {
            drop(2)
        } else if ends(in: "ied") || ends(in: "ies") {
            // cries → cri, but ties → tie
            drop(letters.count - 3 > 1 ? 2 : 1)
        } else if ends(in: "us") || ends(in: "ss") {
            return
        } else if ends(in: "s"), hasVowel(before: letters.count - 2) {
            // gaps → gap, but gas, this
            drop(1)
        }
    }

    /// Past tenses and participles.
    mutating func step1b() {
        typealias Rule = (suffix: StaticString, isEED: Bool)
        let rules: [Rule] = [
            ("eedly", true), ("ingly", false), ("edly", false), ("eed", true), ("ing", false), ("ed", false),
        ]
        guard let rule = rules.first(where: { ends(in: $0.suffix) }) else { return }
        let length = rule.suffix.utf8CodeUnitCount
        let start = letters.count - length
        if rule.isEED {
            let isException = ["proc", "exc", "succ"].contains { (word: StaticString) in
                start == word.utf8CodeUnitCount && ends(in: word, before: start)
            }
            if isInR1(start), !isException { replaceEnd(length, by: "ee") }
            return
        }
        if ends(in: "ing") {
            // dying → die
            if start == 2, letters[1] == UInt8(ascii: "y"), !isVowel(0) { return replaceEnd(4, by: "ie") }
            let isNoun = ["inn", "out", "cann", "herr", "earr", "even"].contains { (word: StaticString) in
                start == word.utf8CodeUnitCount && ends(in: word, before: start)
            }
            if isNoun { return }
        }
        guard hasVowel(before: start) else { return }
        drop(length)
        repairEnd()
    }

    /// After `ed` or `ing` was removed: luxuriat → luxuriate, hopp → hop, hop → hope.
    private mutating func repairEnd() {
        if ends(in: "at") || ends(in: "bl") || ends(in: "iz") {
            letters.append(UInt8(ascii: "e"))
        } else if letters.count >= 2, letters[letters.count - 1] == letters[letters.count - 2],
            Self.isOne(letters[letters.count - 1], of: "bdfgmnprt")
        {
            // added → add, egged → egg: a vowel other than i and u with a double consonant is a whole word.
            if letters.count == 3, Self.isOne(letters[0], of: "aeo") { return }
            drop(1)
        } else if endsAtR1, endsInShortSyllable(before: letters.count) {
            letters.append(UInt8(ascii: "e"))
        }
    }

    /// Final y: cry → cri, but by, say.
    mutating func step1c() {
        guard letters.count > 2, let last = letters.last, Self.isOne(last, of: "yY"), !isVowel(letters.count - 2) else {
            return
        }
        letters[letters.count - 1] = UInt8(ascii: "i")
    }

    mutating func step2() {
        let rules: [(suffix: StaticString, entry: StaticString)] = [
            ("ational", "ate"), ("fulness", "ful"), ("iveness", "ive"), ("ization", "ize"), ("ousness", "ous"),
            ("biliti", "ble"), ("lessli", "less"), ("tional", "tion"),
            ("alism", "al"), ("aliti", "al"), ("ation", "ate"), ("entli", "ent"), ("fulli", "ful"), ("iviti", "ive"),
            ("ogist", "og"), ("ousli", "ous"),
            ("abli", "able"), ("alli", "al"), ("anci", "ance"), ("ator", "ate"), ("enci", "ence"), ("izer", "ize"),
            ("bli", "ble"), ("ogi", "og"), ("li", ""),
        ]
        guard let (length, replacement) = longestSuffix(rules) else { return }
        let start = letters.count - length
        guard isInR1(start) else { return }
        if ends(in: "ogi"), !ends(in: "logi") { return }
        if replacement.utf8CodeUnitCount == 0, start == 0 || !Self.isOne(letters[start - 1], of: "cdeghkmnrt") {
            return
        }
        replaceEnd(length, by: replacement)
    }

    mutating func step3() {
        let rules: [(suffix: StaticString, entry: StaticString)] = [
            ("ational", "ate"), ("tional", "tion"), ("alize", "al"), ("ative", ""), ("icate", "ic"), ("iciti", "ic"),
            ("ical", "ic"), ("ness", ""), ("ful", ""),
        ]
        guard let (length, replacement) = longestSuffix(rules) else { return }
        let start = letters.count - length
        guard isInR1(start), !ends(in: "ative") || isInR2(start) else { return }
        replaceEnd(length, by: replacement)
    }

    mutating func step4() {
        let rules: [(suffix: StaticString, entry: Void)] = [
            ("ement", ()), ("able", ()), ("ance", ()), ("ence", ()), ("ible", ()), ("ment", ()),
            ("ant", ()), ("ate", ()), ("ent", ()), ("ion", ()), ("ism", ()), ("iti", ()), ("ive", ()), ("ize", ()),
            ("ous", ()), ("al", ()), ("er", ()), ("ic", ()),
        ]
        guard let (length, _) = longestSuffix(rules) else { return }
        let start = letters.count - length
        guard isInR2(start) else { return }
        if ends(in: "ion"), start == 0 || !Self.isOne(letters[start - 1], of: "st") { return }
        drop(length)
    }

    /// Final e and l.
    mutating func step5() {
        let start = letters.count - 1
        if ends(in: "e") {
            if isInR2(start) || (isInR1(start) && !endsInShortSyllable(before: start)) { drop(1) }
        } else if ends(in: "ll"), isInR2(start) {
            drop(1)
        }
    }
}
