import MafinNumerics

/// A `tokenizer.json` whose long lists are separated from the rest, so that Foundation reads only the settings. To make
/// strings of a vocabulary would take most of the time of reading a tokenizer.
struct SeparatedModel {
    /// The file without the lists: `{}` or `[]` stands in their place.
    var settings: [UInt8]
    /// `model.vocab`, if it is an object of ids, or a list of pairs, whose ids are their places. `nil` if it is missing.
    var vocabulary: VocabularyEntries?
    /// For each entry of a list of pairs, its score. `nil` for an object.
    var scores: [Double]?
    /// `model.merges`: the left and the right token of each merge, one after the other. `nil` if it is missing.
    var merges: VocabularyEntries?

    /// - Throws: `JSONSyntaxError`
    init(_ file: [UInt8]) throws {
        settings = []
        var written = 0
        try file.withUnsafeBufferPointer { bytes in
            var scanner = JSONScanner(bytes)
            try scanner.members { scanner, key in
                guard key == "model", scanner.peek() == UInt8(ascii: "{") else { return try scanner.skipValue() }
                try scanner.members { scanner, key in
                    let opening = scanner.peek()
                    let start = scanner.offset
                    switch (key, opening) {
                    case ("vocab", UInt8(ascii: "{")):
                        (vocabulary, scores) = (try VocabularyEntries.members(&scanner), nil)
                    case ("vocab", UInt8(ascii: "[")): try readPairs(&scanner)
                    case ("merges", UInt8(ascii: "[")): try readMerges(&scanner)
                    default: return try scanner.skipValue()
                    }
                    settings += file[written..<start] + Array((opening == UInt8(ascii: "{") ? "{}" : "[]").utf8)
                    written = scanner.offset
                }
            }
            try scanner.finish()
        }
        settings += file[written...]
    }

    private mutating func readPairs(_ scanner: inout JSONScanner) throws {
        var entries = VocabularyEntries()
        var scores: [Double] = []
        try scanner.elements { scanner in
            var place = 0
            try scanner.elements { scanner in
                let start = scanner.offset
                switch place {
                case 0: entries.append(try scanner.utf8(), id: Int32(truncatingIfNeeded: scores.count))
                case 1:
                    guard let score = Double(try scanner.literal()), score.isFinite else {
                        throw JSONSyntaxError(offset: start, reason: "expected a token's score, a finite number")
                    }
                    scores.append(score)
                default: throw JSONSyntaxError(offset: start, reason: "expected a pair of a token and its score")
                }
                place += 1
            }
            guard place == 2 else { throw scanner.failure("expected a pair of a token and its score") }
        }
        (vocabulary, self.scores) = (entries, scores)
    }

    /// A merge is either a list of two tokens, or a string of both with a space between them.
    private mutating func readMerges(_ scanner: inout JSONScanner) throws {
        var merges = VocabularyEntries()
        try scanner.elements { scanner in
            if scanner.peek() == UInt8(ascii: "[") {
                var place = 0
                try scanner.elements { scanner in
                    merges.append(try scanner.utf8(), id: 0)
                    place += 1
                }
                guard place == 2 else { throw scanner.failure("expected a pair of tokens") }
            } else {
                let start = scanner.offset
                guard merges.append(merge: try scanner.utf8()) else {
                    throw JSONSyntaxError(offset: start, reason: "expected two tokens and a space between them")
                }
            }
        }
        self.merges = merges
    }
}

extension VocabularyEntries {
    /// Appends the two tokens of a merge that is written with a space between them. Returns `false` if it is not.
    mutating func append(merge text: some Collection<UInt8>) -> Bool {
        let parts = text.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty }) else { return false }
        for part in parts { append(part, id: 0) }
        return true
    }
}
