import MafinRetrieval

/// A test of a query that needs only its text and that of its passage.
protocol TextFilter: Sendable {
    /// Why a query is rejected; nil if it passes.
    func objection(to query: GeneratedQuery, of document: Document) -> (reason: RejectionReason, detail: String)?
}

/// Rejects queries that are too short to mean anything, or too long for anybody to type.
struct LengthFilter: TextFilter {
    var words = 1...48
    var characters = 6...400
    /// A single word must be at least this long: shorter ones are too ambiguous.
    var singleWordCharacters = 8

    func objection(to query: GeneratedQuery, of document: Document) -> (reason: RejectionReason, detail: String)? {
        let normal = TextShingles.normalized(query.text)
        let count = normal.isEmpty ? 0 : normal.utf8.reduce(1) { $0 + ($1 == UInt8(ascii: " ") ? 1 : 0) }
        // A character of Chinese, Japanese or Korean says about as much as three letters.
        let length = normal.unicodeScalars.reduce(0) { $0 + ($1.isIdeographic ? 3 : 1) }
        if count == 0 { return (.length, "no word") }
        if !words.contains(count) { return (.length, "\(count) words") }
        if !characters.contains(length) || (count == 1 && length < singleWordCharacters) {
            return (.length, "\(normal.unicodeScalars.count) characters")
        }
        return nil
    }
}

/// Rejects queries that copy a long run of words from the passage. People who search have not read the passage yet.
struct CopyFilter: TextFilter {
    /// A copied run of this many words is always too long.
    var longestRun = 8
    /// A copied run of this many words is too long if it is most of the query.
    var longestRunOfMost = 5
    /// The share of the query's words that counts as most.
    var share = 0.7

    func objection(to query: GeneratedQuery, of document: Document) -> (reason: RejectionReason, detail: String)? {
        guard !query.origin.isCopy else { return nil }
        let asked = Self.units(query.text)
        let run = Self.longestCommonRun(asked, Self.units(document.textForEncoding))
        guard run >= longestRun || (run >= longestRunOfMost && Double(run) >= share * Double(asked.count)) else {
            return nil
        }
        return (.copied, "\(run) of \(asked.count) words in a row")
    }

    /// The words of a text. In scripts that do not separate words, three characters count as one word.
    private static func units(_ text: String) -> [Substring] {
        TextShingles.normalized(text).split(separator: " ").flatMap { word -> [Substring] in
            let scalars = word.unicodeScalars
            guard scalars.contains(where: \.isIdeographic) else { return [word] }
            return stride(from: 0, to: scalars.count, by: 3).map { start in
                let from = scalars.index(scalars.startIndex, offsetBy: start)
                let to = scalars.index(from, offsetBy: 3, limitedBy: scalars.endIndex) ?? scalars.endIndex
                return Substring(scalars[from..<to])
            }
        }
    }

    /// Length of the longest run of elements that occurs in both. Complexity: O(`a` · `b`).
    static func longestCommonRun<Element: Hashable>(_ a: [Element], _ b: [Element]) -> Int {
        guard !a.isEmpty, !b.isEmpty else { return 0 }
        var numbers: [Element: Int32] = [:]
        for element in a where numbers[element] == nil { numbers[element] = Int32(numbers.count) }
        let first = a.map { numbers[$0] ?? -1 }
        var runs = [Int](repeating: 0, count: a.count + 1)
        var longest = 0
        for element in b {
            guard let number = numbers[element] else {
                for place in runs.indices { runs[place] = 0 }
                continue
            }
            // From the end, so that each entry still reads its neighbour's value from the previous row.
            for place in stride(from: a.count, through: 1, by: -1) {
                runs[place] = first[place - 1] == number ? runs[place - 1] + 1 : 0
                longest = max(longest, runs[place])
            }
        }
        return longest
    }
}
