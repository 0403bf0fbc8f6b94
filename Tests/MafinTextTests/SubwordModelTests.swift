import Foundation
import MafinNumerics
import Testing

@testable import MafinText

/// The algorithms of Unigram and byte-level BPE against slow forms of their definitions.
struct SubwordModelTests {
    private static func vocabulary(_ tokens: [String]) throws -> Vocabulary {
        var entries = VocabularyEntries()
        for (id, token) in tokens.enumerated() { entries.append(token.utf8, id: Int32(id)) }
        return try Vocabulary(entries)
    }

    // MARK: Unigram

    /// The largest sum of scores over all splits of a word, tried one by one.
    private func bestScore(_ word: [Character], _ scores: [String: Double], unknown: Double) -> Double {
        if word.isEmpty { return 0 }
        var best = -Double.infinity
        for length in 1...word.count {
            let piece = String(word[..<length])
            guard let score = scores[piece] ?? (length == 1 ? unknown : nil) else { continue }
            best = max(best, score + bestScore(Array(word[length...]), scores, unknown: unknown))
        }
        return best
    }

    @Test(arguments: 1...5 as ClosedRange<UInt64>) func unigramFindsTheBestSplit(seed: UInt64) throws {
        var source = RandomGenerator(seed: seed)
        let letters = ["a", "b", "é", "字"]
        func randomWord(_ lengths: ClosedRange<Int>) -> String {
            (0..<Int.random(in: lengths, using: &source)).map { _ in letters.randomElement(using: &source) ?? "a" }
                .joined()
        }
        var scores: [String: Double] = [:]
        // One letter in four is no piece, so there is unknown text.
        for letter in letters where Int.random(in: 0..<4, using: &source) > 0 {
            scores[letter] = Double.random(in: -9 ... -4, using: &source)
        }
        for _ in 0..<25 { scores[randomWord(2...4)] = Double.random(in: -12 ... -5, using: &source) }
        let pieces = ["<unk>"] + scores.keys.sorted()
        let values = [0] + scores.keys.sorted().map { scores[$0] ?? 0 }
        let least = values.min() ?? 0
        for isContinuous in [false, true] {
            let model = UnigramModel(
                vocabulary: try Self.vocabulary(pieces), scores: values, unknown: 0, leastScore: least,
                byteTokens: nil, isContinuous: isContinuous)
            var lattice = UnigramModel.Lattice()
            var found = WordPieces()
            for _ in 0..<60 {
                let word = randomWord(1...9)
                let bytes = Array(word.utf8)
                lattice.restart()
                model.split(bytes, bytes.count, &lattice, into: &found)
                // The pieces cover the word, and their scores sum to the best. A run of unknown letters is one piece.
                var (sum, end) = (0.0, 0)
                for index in 0..<found.count {
                    let piece = found[index]
                    #expect(Int(piece.start) == end)
                    end = Int(piece.end)
                    let text = String(decoding: bytes[Int(piece.start)..<end], as: UTF8.self)
                    sum += piece.id == 0 ? Double(text.count) * (least - 10) : values[Int(piece.id)]
                    #expect(piece.id == 0 || pieces[Int(piece.id)] == text)
                }
                #expect(end == bytes.count)
                let best = bestScore(Array(word), scores, unknown: least - 10)
                #expect(abs(sum - best) < (isContinuous ? 1e-4 : 1e-9), "\(word)")
            }
        }
    }

    @Test func equalScoresTakeTheFirstPath() throws {
        // "ab" + "c" and "a" + "bc" have equal sums. The path that was found first stays.
        let pieces = ["<unk>", "a", "c", "ab", "bc"]
        let model = UnigramModel(
            vocabulary: try Self.vocabulary(pieces), scores: [0, -1, -1, -2, -2], unknown: 0, leastScore: -2,
            byteTokens: nil, isContinuous: false)
        var lattice = UnigramModel.Lattice()
        var found = WordPieces()
        let word = Array("abc".utf8)
        model.split(word, word.count, &lattice, into: &found)
        #expect((0..<found.count).map { found[$0].id } == [1, 4])
    }

    @Test func unknownBytes() throws {
        var pieces = ["<unk>", "a"]
        for byte in 0..<256 { pieces.append(SentencePieceFile.byteToken(byte)) }
        #expect(pieces[2] == "<0x00>" && pieces[257] == "<0xFF>")
        let model = UnigramModel(
            vocabulary: try Self.vocabulary(pieces), scores: [Double](repeating: -1, count: 258), unknown: 0,
            leastScore: -1, byteTokens: (0..<256).map { Int32($0 + 2) }, isContinuous: false)
        var lattice = UnigramModel.Lattice()
        var found = WordPieces()
        let word = Array("aéa".utf8)
        model.split(word, word.count, &lattice, into: &found)
        #expect((0..<found.count).map { found[$0].id } == [1, 0xC3 + 2, 0xA9 + 2, 1])
        #expect(found[1].start == 1 && found[1].end == 3 && found[2].start == 1 && found[2].end == 3)
    }

    // MARK: BPE

    /// Merges as they are defined: again and again the leftmost pair of the least rank.
    private func merged(_ word: [UInt8], _ ranks: [[Int32]: Int], _ results: [Int32]) -> [Int32] {
        var tokens = word.map { Int32($0) }
        while true {
            let pairs = tokens.indices.dropLast().compactMap { place in
                ranks[[tokens[place], tokens[place + 1]]].map { (rank: $0, place: place) }
            }
            guard let best = pairs.min(by: { ($0.rank, $0.place) < ($1.rank, $1.place) }) else { return tokens }
            tokens.replaceSubrange(best.place...best.place + 1, with: [results[best.rank]])
        }
    }

    @Test(arguments: 1...6 as ClosedRange<UInt64>) func mergesFollowTheirRanks(seed: UInt64) throws {
        var source = RandomGenerator(seed: seed)
        // The token of each byte is its number. Merges join any two tokens that exist when they are made.
        var tokens = (0..<256).map { String(decoding: ByteAlphabet.character(of: UInt8($0)), as: UTF8.self) }
        var known = Array("abcd".utf8).map { Int32($0) }
        var merges: [(left: Int32, right: Int32, merged: Int32)] = []
        var ranks: [[Int32]: Int] = [:]
        for _ in 0..<40 {
            guard let left = known.randomElement(using: &source), let right = known.randomElement(using: &source),
                ranks[[left, right]] == nil
            else { continue }
            ranks[[left, right]] = merges.count
            merges.append((left, right, Int32(tokens.count)))
            known.append(Int32(tokens.count))
            tokens.append(tokens[Int(left)] + tokens[Int(right)])
        }
        // A list is not in the order in which its tokens can be made.
        let order = merges.indices.shuffled(using: &source)
        merges = order.map { merges[$0] }
        for (rank, merge) in merges.enumerated() { ranks[[merge.left, merge.right]] = rank }
        let model = BytePairModel(
            vocabulary: try Self.vocabulary(tokens), merges: merges, unknown: nil, fusesUnknown: false,
            keepsWholeTokens: false)
        var workspace = BytePairModel.Workspace()
        var found = WordPieces()
        for length in (1...60).map({ $0 }) + [400] {
            let word = (0..<length).map { _ in UInt8.random(in: 0x61...0x64, using: &source) }
            model.split(word, word.count, &workspace, into: &found)
            let ids = (0..<found.count).map { found[$0].id }
            #expect(ids == merged(word, ranks, merges.map(\.merged)), "\(String(decoding: word, as: UTF8.self))")
            #expect(found[0].start == 0 && Int(found[found.count - 1].end) == length)
            for index in 1..<max(1, found.count) { #expect(found[index].start == found[index - 1].end) }
        }
    }

    @Test func byteAlphabetIsThatOfGPT2() {
        let characters = (0..<256).map { String(decoding: ByteAlphabet.character(of: UInt8($0)), as: UTF8.self) }
        #expect(Set(characters).count == 256)
        #expect(characters[0x20] == "Ġ" && characters[0x0A] == "Ċ" && characters[0x41] == "A")
        #expect(characters[0x00] == "\u{100}" && characters[0xAD] == "\u{143}" && characters[0xFF] == "ÿ")
    }

    /// The splitter against the expression itself. ICU's `\s` lacks U+000B and U+0085, so these are left out.
    @Test(arguments: 1...4 as ClosedRange<UInt64>) func wordsAreTheMatchesOfTheExpression(seed: UInt64) throws {
        let expression = try NSRegularExpression(
            pattern: #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#)
        var source = RandomGenerator(seed: seed)
        let parts = [
            " ", " ", "  ", "\n", "\t", "\u{A0}", "\u{3000}", "a", "Zé", "字", "й", "5", "²", "Ⅷ", "'", "'s", "'re",
            "'l", "'ll",
            "’", "!", "_", "\u{301}", "😀", "🇩🇪", "क्", "ſ",
        ]
        for _ in 0..<400 {
            let text = (0..<Int.random(in: 1...14, using: &source)).map { _ in
                parts.randomElement(using: &source) ?? ""
            }.joined()
            let expected = expression.matches(in: text, range: NSRange(text.startIndex..., in: text)).map {
                (text as NSString).substring(with: $0.range)
            }
            let bytes = Array(text.utf8)
            let found = bytes.withUnsafeBufferPointer { buffer -> [String] in
                guard let start = buffer.baseAddress else { return [] }
                let splitter = ByteLevelSplitter(ByteView(bytes: start, count: buffer.count))
                var words: [String] = []
                var position = 0
                while position < buffer.count {
                    let end = splitter.end(of: position)
                    words.append(String(decoding: bytes[position..<end], as: UTF8.self))
                    position = end
                }
                return words
            }
            #expect(found == expected, "\(text.debugDescription)")
        }
    }

    // MARK: Normalization

    @Test(arguments: ["NFC", "NFD", "NFKC", "NFKD"]) func formsAreThoseOfFoundation(name: String) throws {
        let form = try #require(UnicodeForm.named(name))
        let normalizer = TextNormalizer(steps: [.form(form)])
        var source = RandomGenerator(seed: 3)
        let blocks: [ClosedRange<UInt32>] = [
            0x20...0x7E, 0xA0...0x24F, 0x300...0x36F, 0x370...0x52F, 0x590...0x6FF, 0x900...0xDFF, 0x1100...0x11FF,
            0x1E00...0x22FF, 0x3040...0x30FF, 0xAC00...0xAD00, 0xF900...0xFAD9, 0xFB00...0xFFEF, 0x1D400...0x1D4FF,
        ]
        for _ in 0..<2000 {
            var text = ""
            for _ in 0..<Int.random(in: 1...12, using: &source) {
                guard let block = blocks.randomElement(using: &source),
                    let scalar = Unicode.Scalar(UInt32.random(in: block, using: &source)),
                    scalar.properties.generalCategory != .unassigned
                else { continue }
                text.unicodeScalars.append(scalar)
            }
            let expected =
                switch name {
                case "NFC": text.precomposedStringWithCanonicalMapping
                case "NFD": text.decomposedStringWithCanonicalMapping
                case "NFKC": text.decomposedStringWithCompatibilityMapping.precomposedStringWithCanonicalMapping
                default: text.decomposedStringWithCompatibilityMapping
                }
            let found = String(decoding: normalizer.normalized(text), as: UTF8.self)
            #expect(found.unicodeScalars.elementsEqual(expected.unicodeScalars), "\(text.debugDescription)")
        }
    }

    @Test func stepsOfANormalizer() {
        func normalized(_ text: String, _ steps: NormalizationStep...) -> String {
            String(decoding: TextNormalizer(steps: steps).normalized(text), as: UTF8.self)
        }
        #expect(normalized(" \u{3000}a b\n", .strip(left: true, right: true)) == "a b")
        #expect(normalized(" a ", .strip(left: false, right: true)) == " a")
        #expect(normalized("\n \u{A0}", .strip(left: true, right: false)).isEmpty)
        #expect(normalized("ÀB Ça", .lowercase) == "àb ça")
        #expect(normalized("a  b c   ", .replaceSpaces(with: Array("_".utf8))) == "a_b c_")
        #expect(normalized("aaa-aa", .replace(Array("aa".utf8), with: Array("é".utf8))) == "éa-é")
        #expect(normalized("a", .prepend(Array("▁".utf8))) == "▁a")
        #expect(normalized("", .prepend(Array("▁".utf8))).isEmpty)
        #expect(
            normalized(" A  B ", .strip(left: true, right: true), .lowercase, .replaceSpaces(with: [0x2D])) == "a-b")
    }

    // MARK: The memory of words

    @Test func cacheKeepsWords() {
        var source = RandomGenerator(seed: 4)
        var cache = WordCache()
        var pieces = WordPieces()
        var expected: [[UInt8]: [Int32]] = [:]
        for _ in 0..<20_000 {
            let word = (0..<Int.random(in: 1...12, using: &source)).map { _ in UInt8.random(in: 0...3, using: &source) }
            let hash = WordCache.hash(word, word.count)
            var output = IdentifierBuffer()
            let isKnown = cache.append(word, word.count, hash: hash, to: &output)
            #expect(isKnown == (expected[word] != nil))
            if isKnown {
                #expect(Array(output.view) == expected[word])
                continue
            }
            pieces.clear(capacity: 4)
            for place in 0..<Int.random(in: 0...4, using: &source) {
                pieces.append(Int32.random(in: 0..<1000, using: &source), place, place + 1)
            }
            expected[word] = (0..<pieces.count).map { pieces[$0].id }
            cache.insert(word, word.count, hash: hash, pieces)
        }
        #expect(expected.count > 5000)
    }
}
