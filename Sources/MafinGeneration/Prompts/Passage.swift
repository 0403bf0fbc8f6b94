import MafinNumerics
import MafinRetrieval

/// The part of a document that is shown to a language model: its title, and its text up to a maximum length.
struct Passage: Sendable, Hashable {
    /// Row among the documents of the corpus.
    let row: Int
    let title: String
    let text: String

    /// Minimum number of characters of a passage.
    static let minimumCharacters = 40

    /// The passage of a document; nil if its text is too short. For a text above the maximum, the seed chooses where the passage begins: at
    /// the next beginning of a sentence, if there is one.
    init?(_ document: Document, row: Int, maximumBytes: Int, seed: UInt64) {
        let text = document.text.trimmed
        guard text.unicodeScalars.count >= Self.minimumCharacters else { return nil }
        self.row = row
        title = document.title.oneLine
        guard text.utf8.count > maximumBytes else {
            self.text = text
            return
        }
        var random = RandomGenerator(seed: RandomGenerator.mix(seed &+ UInt64(row)))
        let latest = text.utf8.count - maximumBytes
        // Half of the time from the beginning, because most texts say there what they are about.
        let start = random.uniform() < 0.5 ? 0 : Int.random(in: 0...latest, using: &random)
        self.text = Self.excerpt(of: text, from: start, maximumBytes: maximumBytes)
    }

    /// Its text in a prompt.
    var shown: String { (title.isEmpty ? "" : "\nTitle: \(title)\n") + "\n<passage>\n\(text)\n</passage>\n\n" }

    private static func excerpt(of text: String, from start: Int, maximumBytes: Int) -> String {
        let bytes = Array(text.utf8)
        func isInsideScalar(_ index: Int) -> Bool { index < bytes.count && bytes[index] & 0xC0 == 0x80 }
        var start = start
        if start > 0 {
            let limit = min(bytes.count, start + maximumBytes / 4)
            let end = (start..<limit).first { index in
                index + 1 < bytes.count
                    && [UInt8(ascii: "."), UInt8(ascii: "?"), UInt8(ascii: "!"), 0x0A].contains(bytes[index])
                    && [0x20, 0x0A].contains(bytes[index + 1])
            }
            start = end.map { $0 + 2 } ?? start
            while isInsideScalar(start) { start += 1 }
        }
        var stop = min(bytes.count, start + maximumBytes)
        while isInsideScalar(stop) { stop -= 1 }
        return String(decoding: bytes[min(start, stop)..<stop], as: UTF8.self).trimmed
    }
}
