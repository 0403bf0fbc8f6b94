/// The ids of a text, each with its range of bytes in the text.
public struct OffsetEncoding: Sendable, Equatable {
    /// The ids, as from ``WordPieceTokenizer/encode(_:addSpecialTokens:maxLength:)``.
    public var ids: [Int32]
    /// For each id, its range of the original text's UTF-8 bytes; `0..<0` for a special token that was added. Several
    /// pieces of one character (the jamo of a Hangul syllable) have the same range.
    public var byteRanges: [Range<Int>]
}

extension WordPieceTokenizer {
    /// The ids of one text with the bytes that they come from, to attribute scores to parts of a text.
    ///
    /// It is about forty times slower than ``encode(_:addSpecialTokens:maxLength:)``, which keeps no offsets.
    ///
    /// - Parameters:
    ///   - text: the text.
    ///   - addSpecialTokens: whether `[CLS]` is added before and `[SEP]` after the text.
    ///   - maxLength: largest number of ids, including special tokens; `nil`: the checkpoint's ``maxLength``.
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
