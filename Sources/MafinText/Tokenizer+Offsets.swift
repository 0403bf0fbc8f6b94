/// The ids of a text, each with its range of bytes in the text.
public struct OffsetEncoding: Sendable, Equatable {
    /// The ids, as from ``Tokenizer/encode(_:addSpecialTokens:maxLength:)``.
    public var ids: [Int32]
    /// For each id, ``TokenPiece/byteRange``; `0..<0` for a special token that was added.
    public var byteRanges: [Range<Int>]
    /// For each id, ``TokenPiece/continuesWord``; `false` for a special token that was added.
    public var continuesWord: [Bool]
}

extension Tokenizer {
    /// The ids of one text with the bytes that they come from, to attribute scores to parts of a text.
    ///
    /// It is many times slower than ``encode(_:addSpecialTokens:maxLength:)``, which keeps no offsets.
    ///
    /// - Parameters:
    ///   - text: the text.
    ///   - addSpecialTokens: whether special tokens are added before and after the text.
    ///   - maxLength: largest number of ids, including special tokens; `nil`: the checkpoint's ``maxLength``.
    public func encodeWithOffsets(_ text: String, addSpecialTokens: Bool = true, maxLength: Int? = nil)
        -> OffsetEncoding
    {
        let row = RowFrame(frame, addSpecialTokens: addSpecialTokens, maxLength: maxLength)
        let all = pieces(of: text)
        let kept = row.truncatesLeft ? all.suffix(row.capacity) : all.prefix(row.capacity)
        let (before, after) = (row.prefix, row.suffix)
        return OffsetEncoding(
            ids: before + kept.map(\.id) + after,
            byteRanges: before.map { _ in 0..<0 } + kept.map(\.byteRange) + after.map { _ in 0..<0 },
            continuesWord: before.map { _ in false } + kept.map(\.continuesWord) + after.map { _ in false })
    }
}
