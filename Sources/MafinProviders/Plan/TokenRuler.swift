import Foundation
import MafinText

/// Counts the tokens of texts before they are sent: exactly if the model's tokenizer is available, else as an estimate.
public struct TokenRuler: Sendable {
    private let tokenizer: (any Tokenizer)?
    private let bytesPerToken: Double

    /// A ruler that estimates.
    /// - Parameter bytesPerToken: approximate UTF-8 bytes of a token.
    public init(bytesPerToken: Double = 3) {
        precondition(bytesPerToken > 0, "a token has at least some bytes")
        tokenizer = nil
        self.bytesPerToken = bytesPerToken
    }

    /// A ruler that counts with a checkpoint's tokenizer, special tokens included.
    public init(tokenizer: any Tokenizer) {
        self.tokenizer = tokenizer
        bytesPerToken = 3
    }

    /// The ruler of a profile: its tokenizer if the profile names a folder with one, else its estimate.
    /// - Parameter folder: a tokenizer's folder that replaces the profile's.
    /// - Throws: `TokenizerError`
    public init(_ profile: ProviderProfile, tokenizer folder: String? = nil) throws {
        if let folder = folder ?? profile.tokens.tokenizer {
            let path = folder.hasPrefix("~/") ? NSString(string: folder).expandingTildeInPath : folder
            self.init(tokenizer: try readTokenizer(modelFolder: URL(fileURLWithPath: path)))
        } else {
            self.init(bytesPerToken: profile.tokens.bytesPerToken)
        }
    }

    /// Whether counts are exact.
    public var isExact: Bool { tokenizer != nil }

    /// The assumed bytes of a token if counts are estimates; nil if they are exact.
    public var estimate: Double? { tokenizer == nil ? bytesPerToken : nil }

    /// Tokens of each text, for booking money: exact, or an upper estimate.
    func maximumCounts(of texts: [String]) -> [Int] {
        isExact
            ? counts(of: texts) : texts.map { TokenEstimate.upperBound(of: $0, bytesPerToken: bytesPerToken) }
    }

    /// Tokens of each text: exact, or typical for its bytes.
    public func counts(of texts: [String]) -> [Int] {
        guard let tokenizer else {
            return texts.map { TokenEstimate.typical(bytes: $0.utf8.count, bytesPerToken: bytesPerToken) }
        }
        let batch = tokenizer.batchEncode(texts, maxLength: Int.max)
        return (0..<texts.count).map { batch.offsets[$0 + 1] - batch.offsets[$0] }
    }

    /// The text cut into pieces of at most `limit` tokens each, with `prefix` before each; one piece if it fits.
    ///
    /// Cuts are made at white space if there is some in the last quarter of a piece, and never within a Unicode scalar.
    public func pieces(of text: String, prefix: String = "", limit: Int) -> [String] {
        guard counts(of: [prefix + text])[0] > limit else { return [text] }
        guard let tokenizer else {
            let room = Double(limit - 1) * bytesPerToken - Double(prefix.utf8.count)
            return Self.pieces(of: text, maximumBytes: max(1, Int(room)))
        }
        let room = max(1, limit - tokenizer.encode(prefix, maxLength: Int.max).count)
        let ranges = tokenizer.encodeWithOffsets(text, addSpecialTokens: false, maxLength: Int.max).byteRanges
        guard ranges.count > room else { return [text] }
        var first = 0
        return Self.pieces(of: text) { start, count in
            while first < ranges.count, ranges[first].lowerBound < start { first += 1 }
            return max(1, (first + room < ranges.count ? ranges[first + room].lowerBound : count) - start)
        }
    }

    /// The text cut into pieces of at most `maximumBytes` UTF-8 bytes (a single character may be longer).
    static func pieces(of text: String, maximumBytes: Int) -> [String] { pieces(of: text) { _, _ in maximumBytes } }

    /// - Parameter maximumBytes: the maximum length of a piece, from its first byte and the number of bytes of the text.
    private static func pieces(of text: String, maximumBytes: (Int, Int) -> Int) -> [String] {
        let bytes = Array(text.utf8)
        var pieces: [String] = []
        var start = 0
        while start < bytes.count {
            let end = cut(bytes, from: start, maximumBytes: maximumBytes(start, bytes.count))
            pieces.append(String(decoding: bytes[start..<end], as: UTF8.self))
            start = end
        }
        return pieces
    }

    /// The first of those pieces.
    static func firstPiece(of text: String, maximumBytes: Int) -> String {
        // A cut does not depend on what follows it.
        let bytes = Array(text.utf8.prefix(maximumBytes + 5))
        return String(decoding: bytes[..<cut(bytes, from: 0, maximumBytes: maximumBytes)], as: UTF8.self)
    }

    /// The end of the piece that begins at `start`.
    private static func cut(_ bytes: [UInt8], from start: Int, maximumBytes: Int) -> Int {
        guard bytes.count - start > maximumBytes else { return bytes.count }
        func isInsideScalar(_ index: Int) -> Bool { bytes[index] & 0xC0 == 0x80 }
        var end = start + maximumBytes
        while end > start, isInsideScalar(end) { end -= 1 }
        if end == start {  // a piece has at least one scalar
            end = start + 1
            while end < bytes.count, isInsideScalar(end) { end += 1 }
        }
        let latest = start + maximumBytes / 4 * 3
        guard latest < end else { return end }
        let space = bytes[latest..<end].lastIndex { $0 == 0x20 || (0x09...0x0D).contains($0) }
        return space.map { $0 + 1 } ?? end
    }
}
