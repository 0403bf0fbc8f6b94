/// A stemmer of the Snowball project, https://snowballstem.org. Steps and regions have the names of its description there.
protocol SnowballStemmer {
    /// The stem of a lower-case word.
    static func stem(_ letters: [Unicode.Scalar]) -> [Unicode.Scalar]
}

/// A word while a stemmer changes it, with the regions that its endings have to lie in.
struct SnowballWord {
    var letters: [Unicode.Scalar]
    /// Where the regions begin. They end with the word.
    var r1: Int
    var r2: Int
    var rv: Int
    private let vowels: Set<Unicode.Scalar>

    /// A word without regions.
    init(_ letters: [Unicode.Scalar], vowels: Set<Unicode.Scalar>) {
        (self.letters, self.vowels) = (letters, vowels)
        (r1, r2, rv) = (letters.count, letters.count, letters.count)
    }

    var count: Int { letters.count }

    // MARK: Regions

    /// R1 begins after the first consonant that follows a vowel, and R2 is the R1 of R1.
    mutating func markR1AndR2() {
        r1 = position(behind: false, from: position(behind: true, from: 0))
        r2 = position(behind: false, from: position(behind: true, from: r1))
    }

    /// The position after the first vowel (or consonant) from `start` on; the end of the word if there is none.
    func position(behind vowel: Bool, from start: Int) -> Int {
        guard start < count, let found = (start..<count).first(where: { isVowel($0) == vowel }) else { return count }
        return found + 1
    }

    /// RV of Spanish, Portuguese and Italian. After a consonant in the second place it begins behind the next vowel, after two
    /// vowels behind the next consonant, and otherwise behind the third letter.
    mutating func markRomanceRV() {
        guard count >= 2 else { return }
        if !isVowel(1) {
            rv = position(behind: true, from: 2)
        } else if isVowel(0) {
            rv = position(behind: false, from: 2)
        } else {
            rv = min(3, count)
        }
    }

    // MARK: Conditions

    func isVowel(_ index: Int) -> Bool { vowels.contains(letters[index]) }

    /// The letter before the last `length` letters; `nil` if there is none or it lies before `start`.
    func letter(before length: Int, from start: Int = 0) -> Unicode.Scalar? {
        let index = count - length - 1
        return index >= max(0, start) ? letters[index] : nil
    }

    /// Whether a consonant stands before the last `length` letters, at `start` or later.
    func hasConsonant(before length: Int, from start: Int = 0) -> Bool {
        letter(before: length, from: start).map { !vowels.contains($0) } ?? false
    }

    /// Whether the word without its last `length` letters ends in `ending`, which begins at `start` or later.
    func ends(in ending: String, before length: Int = 0, from start: Int = 0) -> Bool {
        let ending = ending.unicodeScalars
        let first = count - length - ending.count
        return first >= max(0, start) && letters[first..<(count - length)].elementsEqual(ending)
    }

    /// Whether the last `length` letters lie in the region that begins at `start`.
    func isIn(_ start: Int, last length: Int) -> Bool { count - length >= start }

    // MARK: Changes

    mutating func drop(_ length: Int) { letters.removeLast(length) }

    mutating func replace(_ length: Int, by text: String) {
        letters.removeLast(length)
        letters.append(contentsOf: text.unicodeScalars)
    }

    /// Drops an ending that lies in the region that begins at `start`. Returns whether it did.
    @discardableResult
    mutating func drop(_ ending: String, in start: Int) -> Bool {
        guard ends(in: ending, from: start) else { return false }
        drop(ending.unicodeScalars.count)
        return true
    }

    /// Drops that one of some endings that the word has, if it lies in R2.
    mutating func dropInR2(oneOf endings: [String]) {
        if let ending = endings.first(where: { ends(in: $0) }) { drop(ending, in: r2) }
    }

    /// The same, and before `iv` also `at`, as Romance adverbs have them before `amente`.
    mutating func dropInR2(ativOrOneOf endings: [String]) {
        guard ends(in: "iv") else { return dropInR2(oneOf: endings) }
        if drop("iv", in: r2) { drop("at", in: r2) }
    }

    /// Replaces single letters. Marks of letters that a stemmer counts as consonants are capital letters.
    mutating func replaceLetters(_ pairs: [Unicode.Scalar: Unicode.Scalar]) {
        for index in letters.indices { letters[index] = pairs[letters[index]] ?? letters[index] }
    }
}

/// Endings, each with what has to be done about it.
struct SnowballEndings<Action: Sendable>: Sendable {
    private var actions: [[Unicode.Scalar]: Action] = [:]
    private var longest = 0

    /// Endings separated by spaces, by what has to be done about them.
    init(_ groups: [(endings: String, action: Action)]) {
        for (endings, action) in groups {
            for ending in endings.split(separator: " ") {
                let letters = Array(ending.unicodeScalars)
                actions[letters] = action
                longest = max(longest, letters.count)
            }
        }
    }

    /// The longest ending of a word that begins at `start` or later. Shorter endings are not tried, even if the longest one is not
    /// in its region.
    func longest(of word: SnowballWord, from start: Int = 0) -> (length: Int, action: Action)? {
        let available = word.count - max(0, start)
        guard available > 0 else { return nil }
        for length in stride(from: min(longest, available), to: 0, by: -1) {
            if let action = actions[Array(word.letters.suffix(length))] { return (length, action) }
        }
        return nil
    }
}
