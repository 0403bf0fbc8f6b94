import MafinText

/// The words of a text as an encoder reads them.
package struct WordRanges: Sendable {
    /// The ids of the whole text, prefix and special tokens included.
    package let ids: [Int32]
    /// The place of each word among ``ids``, and among the text's bytes without prefix; ascending, apart from each other.
    package private(set) var words: [(tokens: Range<Int>, bytes: Range<Int>)] = []
    private let bytes: [UInt8]

    package init(_ text: String, prefix: String, tokenizer: any Tokenizer, maximumLength: Int) {
        let encoding = tokenizer.encodeWithOffsets(prefix + text, maxLength: maximumLength)
        ids = encoding.ids
        bytes = Array(text.utf8)
        let prefixLength = prefix.utf8.count
        for (place, range) in encoding.byteRanges.enumerated() where range.lowerBound >= prefixLength && !range.isEmpty
        {
            let range = range.lowerBound - prefixLength..<range.upperBound - prefixLength
            if let last = words.last, last.tokens.upperBound == place,
                encoding.continuesWord[place] || range.lowerBound < last.bytes.upperBound
            {
                words[words.count - 1] = (
                    last.tokens.lowerBound..<place + 1,
                    last.bytes.lowerBound..<max(last.bytes.upperBound, range.upperBound)
                )
            } else {
                words.append((place..<place + 1, range))
            }
        }
    }

    /// The whole text, and a row for each range of ``ids`` with the text that is left without it.
    package func batch(without ranges: [Range<Int>]) -> TokenBatch {
        var batch = TokenBatch(rows: [ids])
        for range in ranges { batch.append(ids[..<range.lowerBound] + ids[range.upperBound...]) }
        return batch
    }

    /// The words and what lies between them, end to end the whole text. Shares are by word; what lies between has none.
    package func pieces<Share>(_ shares: [Int: Share]) -> [(text: String, share: Share?)] {
        var pieces: [(text: String, share: Share?)] = []
        func append(_ range: Range<Int>, _ share: Share?) {
            guard !range.isEmpty else { return }
            pieces.append((String(decoding: bytes[range], as: UTF8.self), share))
        }
        var end = 0
        for (word, place) in words.enumerated() {
            append(end..<place.bytes.lowerBound, nil)
            append(place.bytes, shares[word])
            end = place.bytes.upperBound
        }
        append(end..<bytes.count, nil)
        return pieces
    }
}
