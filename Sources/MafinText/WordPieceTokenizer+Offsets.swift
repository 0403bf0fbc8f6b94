/// The ids of a text, each with the bytes of the text that it stands for.
public struct OffsetEncoding: Sendable, Equatable {
    /// The same ids as ``WordPieceTokenizer/encode(_:addSpecialTokens:maxLength:)`` gives.
    public var ids: [Int32]
    /// For each id, a range of the original text's UTF-8 bytes; `0..<0` for a token that was added around the text. Pieces of
    /// one character (the jamo of a Hangul syllable) share its bytes.
    public var byteRanges: [Range<Int>]
}

extension WordPieceTokenizer {
    /// The ids of one text with the places they come from, to show which part of a text did what.
    ///
    /// Some forty times slower than ``encode(_:addSpecialTokens:maxLength:)``, which keeps no places.
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
        let room = (maxLength ?? self.maxLength) - prefix.count - suffix.count
        precondition(room >= 0, "the maximum length must leave room for the special tokens")
        let all = CarefulEncoder(self).pieces(of: text)
        let kept = settings.truncatesLeft ? all.suffix(room) : all.prefix(room)
        return OffsetEncoding(
            ids: prefix + kept.map(\.id) + suffix,
            byteRanges: prefix.map { _ in 0..<0 } + kept.map(\.source) + suffix.map { _ in 0..<0 })
    }
}
