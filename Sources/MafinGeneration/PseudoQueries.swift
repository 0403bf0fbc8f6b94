import MafinNumerics
import MafinRetrieval

/// Queries without a language model: pieces of the passages themselves, as a baseline to beat.
///
/// Titles and headings are short and name a subject, as searches do. Sentences are the inverse cloze task (Lee et al. 2019), crops are
/// random cropping (Izacard et al. 2022). All share their words with the passage, and real queries often do not. So they teach the
/// vocabulary of a collection, but not how people ask.
public struct PseudoQueries: Sendable {
    /// The kinds of pieces, in the order in which they are taken from a passage.
    public var kinds: [GeneratedQuery.Origin]
    /// Maximum number of queries from one passage.
    public var perPassage: Int
    /// Random seed.
    public var seed: UInt64

    /// All kinds: the default.
    public static let allKinds: [GeneratedQuery.Origin] = [.title, .heading, .sentence, .crop]

    /// - Precondition: kinds that are copies of a passage, and a count of at least 1.
    public init(kinds: [GeneratedQuery.Origin] = allKinds, perPassage: Int = 3, seed: UInt64 = 1) {
        precondition(!kinds.isEmpty && kinds.allSatisfy(\.isCopy) && perPassage >= 1, "kinds of pieces of passages")
        self.kinds = kinds
        self.perPassage = perPassage
        self.seed = seed
    }

    /// The queries of some documents, by row.
    public func queries(of documents: [Document], rows: [Int]) -> [GeneratedQuery] {
        var titles: [String: Int] = [:]
        for document in documents where !document.title.isEmpty { titles[document.title, default: 0] += 1 }
        return rows.flatMap { row -> [GeneratedQuery] in
            let document = documents[row]
            var random = RandomGenerator(seed: RandomGenerator.mix(seed &+ UInt64(row) &* 0x9E37_79B9))
            var pieces: [(GeneratedQuery.Origin, [String])] = kinds.map { kind in
                switch kind {
                // A title that several passages share describes none of them.
                case .title: (kind, titles[document.title, default: 0] == 1 ? [document.title.oneLine] : [])
                case .heading: (kind, Self.headings(in: document.text).shuffled(using: &random))
                case .sentence: (kind, Self.sentences(in: document.text).shuffled(using: &random))
                default: (kind, Self.crops(of: document.text, count: perPassage, using: &random))
                }
            }
            // The kinds take turns.
            var taken: [(GeneratedQuery.Origin, String)] = []
            while taken.count < perPassage, pieces.contains(where: { !$0.1.isEmpty }) {
                for index in pieces.indices where !pieces[index].1.isEmpty && taken.count < perPassage {
                    taken.append((pieces[index].0, pieces[index].1.removeFirst()))
                }
            }
            return taken.enumerated().map { number, piece in
                GeneratedQuery(id: "g\(row + 1)-\(number + 1)", text: piece.1, passage: row, origin: piece.0)
            }
        }
    }

    // MARK: - Pieces

    /// Headings: lines with Markdown's `#`, and short lines that do not end like a sentence and are followed by a much longer line.
    static func headings(in text: String) -> [String] {
        let lines = text.split(separator: "\n").map { String($0).oneLine }.filter { !$0.isEmpty }
        return lines.indices.compactMap { index in
            let line = lines[index]
            if line.hasPrefix("#") { return String(line.drop { $0 == "#" }).trimmed }
            let words = line.split(separator: " ").count
            guard index + 1 < lines.count, (2...10).contains(words), line.count < lines[index + 1].count / 2,
                let last = line.last, !".!?:;,|".contains(last), line.contains(where: \.isLetter)
            else { return nil }
            return line
        }
    }

    /// Sentences of 6 to 32 words (18 to 160 characters in scripts without spaces between words).
    static func sentences(in text: String) -> [String] {
        var sentences: [String] = []
        var start = text.startIndex
        var index = text.startIndex
        func close(_ end: String.Index) {
            let sentence = String(text[start..<end]).oneLine
            let words = sentence.split(separator: " ").count
            let isWide = sentence.unicodeScalars.contains(where: \.isIdeographic)
            if isWide ? (18...160).contains(sentence.count) : (6...32).contains(words) { sentences.append(sentence) }
            start = end
        }
        while index < text.endIndex {
            let character = text[index]
            let next = text.index(after: index)
            let isEnd: Bool
            switch character {
            case ".", "!", "?": isEnd = next == text.endIndex || text[next].isWhitespace
            case "。", "！", "？": isEnd = true
            case "\n": isEnd = next == text.endIndex || text[next].isNewline
            default: isEnd = false
            }
            index = next
            if isEnd { close(next) }
        }
        close(text.endIndex)
        return sentences
    }

    /// Runs of 4 to 12 words (8 to 24 characters in scripts without spaces between words) from random places.
    static func crops(of text: String, count: Int, using random: inout RandomGenerator) -> [String] {
        let words = text.unicodeScalars.split { $0.properties.isWhitespace }.map(String.init)
        guard words.count >= 16 else {
            let characters = Array(text.oneLine)
            guard characters.count >= 32, text.unicodeScalars.contains(where: \.isIdeographic) else { return [] }
            return crops(characters, lengths: 8...24, count: count, using: &random).map { String($0) }
        }
        return crops(words, lengths: 4...12, count: count, using: &random).map { $0.joined(separator: " ") }
    }

    private static func crops<Element>(
        _ elements: [Element], lengths: ClosedRange<Int>, count: Int, using random: inout RandomGenerator
    ) -> [ArraySlice<Element>] {
        (0..<count).map { _ in
            let length = Int.random(in: lengths, using: &random)
            let start = Int.random(in: 0...(elements.count - length), using: &random)
            return elements[start..<start + length]
        }
    }
}
