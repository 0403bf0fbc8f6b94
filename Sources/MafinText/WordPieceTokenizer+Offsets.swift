/// The ids of a text, each with its bytes in the text.
public struct OffsetEncoding: Sendable, Equatable {
    /// The same ids as ``WordPieceTokenizer/encode(_:addSpecialTokens:maxLength:)`` gives.
    public var ids: [Int32]
    /// For each id, a range of the original text's UTF-8 bytes; `0..<0` for a token that was added around the text. Pieces of
    /// one character (the jamo of a Hangul syllable) share its bytes.
    public var byteRanges: [Range<Int>]
}

extension WordPieceTokenizer {
    /// The ids of one text with the bytes that they come from, to attribute scores to parts of a text.
    ///
    /// About forty times slower than ``encode(_:addSpecialTokens:maxLength:)``, which keeps no offsets.
    ///
    /// - Parameters:
    ///   - text: any text
    ///   - addSpecialTokens: put `[CLS]` in front and `[SEP]` behind
    ///   - maxLength: the most ids, special tokens included; nil for the checkpoint's ``maxLength``
    public func encodeWithOffsets(_ text: String, addSpecialTokens: Bool = true, maxLength: Int? = nil)
        -> OffsetEncoding
    {
        let prefix = addSpecialTokens ? settings.prefix : []
        let suffix = addSpecialTokens ? settings.suffix : []
        let capacity = (maxLength ?? self.maxLength) - prefix.count - suffix.count
        precondition(capacity >= 0, "the maximum length must leave room for the special tokens")
        let all = StepwiseEncoder(self).pieces(of: text)
        let kept = settings.truncatesLeft ? all.suffix(capacity) : all.prefix(capacity)
        return OffsetEncoding(
            ids: prefix + kept.map(\.id) + suffix,
            byteRanges: prefix.map { _ in 0..<0 } + kept.map(\.source) + suffix.map { _ in 0..<0 })
    }
}
