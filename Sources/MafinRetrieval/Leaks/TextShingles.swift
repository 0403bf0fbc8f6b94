import MafinNumerics

/// The set of short overlapping pieces of a text, by which texts are compared (Broder 1997, "On the resemblance and
/// containment of documents").
public enum TextShingles: Sendable, Hashable, CustomStringConvertible {
    /// Runs of this many characters of the normalised text. For queries, which are too short for runs of words and may
    /// differ only in an ending.
    case characters(Int)
    /// Runs of this many words. For passages and documents.
    case words(Int)

    /// `5-character shingles` or `3-word shingles`.
    public var description: String {
        switch self {
        case .characters(let count): "\(count)-character shingles"
        case .words(let count): "\(count)-word shingles"
        }
    }

    /// A text in lower case, reduced to its words (letters, digits and underscores, also single ones) with one space
    /// between them. Texts that differ only in case, punctuation or white space become equal.
    public static func normalized(_ text: String) -> String {
        var bytes: [UInt8] = []
        TextAnalyzer.forEachWord(in: text, minimumLength: 1) { word in
            if !bytes.isEmpty { bytes.append(UInt8(ascii: " ")) }
            bytes.append(contentsOf: word)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The hashes of the distinct pieces of a normalised text, ascending. A text that is shorter than a piece has one
    /// piece, and an empty text has none. Two different pieces have the same hash with a probability of about 2⁻⁶⁴.
    func hashes(ofNormalized text: String) -> [UInt64] {
        var tokens: [UInt64] = []
        let length: Int
        switch self {
        case .characters(let count):
            length = count
            tokens = text.unicodeScalars.map { UInt64($0.value) }
        case .words(let count):
            length = count
            for word in text.utf8.split(separator: UInt8(ascii: " ")) {
                tokens.append(word.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 })
            }
        }
        precondition(length >= 1, "shingles of \(length)")
        guard !tokens.isEmpty else { return [] }
        var found: [UInt64] = []
        for start in 0...max(0, tokens.count - length) {
            var hash: UInt64 = 0
            for token in tokens[start..<min(start + length, tokens.count)] {
                hash = RandomGenerator.mix(hash &+ token &+ 0x9E37_79B9_7F4A_7C15)
            }
            found.append(hash)
        }
        found.sort()
        var distinct: [UInt64] = []
        for hash in found where hash != distinct.last { distinct.append(hash) }
        return distinct
    }
}
