/// Encodes a text step by step, as the Rust library does: for byte offsets, for added tokens that are looked for in normalized
/// text or as whole words, and for the few scripts whose marks must be sorted.
///
/// Slower than ``RowEncoder/appendFast(_:limit:)`` and always right; the tests hold one against the other.
struct CarefulEncoder {
    /// A token and the bytes of the text that it stands for.
    struct Piece: Equatable {
        let id: Int32
        let source: Range<Int>
    }

    private let settings: TokenizerSettings
    private let vocabulary: Vocabulary
    private let addedTokens: AddedTokens
    private let unicode = UnicodeProperties.shared

    init(_ tokenizer: WordPieceTokenizer) {
        settings = tokenizer.settings
        vocabulary = tokenizer.vocabulary
        addedTokens = tokenizer.addedTokens
    }

    /// All tokens of a text, special ones not included.
    func pieces(of text: String) -> [Piece] {
        var scalars: [UInt32] = []
        var sources: [Range<Int>] = []
        var offset = 0
        for scalar in text.unicodeScalars {
            let width = UTF8.width(scalar)
            scalars.append(scalar.value)
            sources.append(offset..<offset + width)
            offset += width
        }
        var pieces: [Piece] = []
        for segment in addedTokens.segments(ofRaw: scalars[...], unicode) {
            if let token = segment.token {
                pieces.append(Piece(id: token, source: span(sources, segment.range)))
                continue
            }
            var normalized = NormalizedText()
            normalized.append(scalars[segment.range], sources: sources, settings.normalizer, unicode)
            for part in addedTokens.segments(ofNormalized: normalized.scalars[...], unicode) {
                if let token = part.token {
                    pieces.append(Piece(id: token, source: span(normalized.sources, part.range)))
                } else {
                    appendWords(normalized, part.range, to: &pieces)
                }
            }
        }
        return pieces
    }

    /// BertPreTokenizer: words end at white space, and punctuation is a word of its own.
    private func appendWords(_ text: NormalizedText, _ range: Range<Int>, to pieces: inout [Piece]) {
        var start = range.lowerBound
        for index in range {
            let properties = unicode[text.scalars[index]]
            guard !properties.isDisjoint(with: [.whitespace, .punctuation]) else { continue }
            appendWord(text, start..<index, to: &pieces)
            if !properties.contains(.whitespace) { appendWord(text, index..<index + 1, to: &pieces) }
            start = index + 1
        }
        appendWord(text, start..<range.upperBound, to: &pieces)
    }

    private func appendWord(_ text: NormalizedText, _ range: Range<Int>, to pieces: inout [Piece]) {
        if range.isEmpty { return }
        var bytes: [UInt8] = []
        var sources: [Range<Int>] = []
        for index in range {
            for byte in utf8Bytes(text.scalars[index]) {
                bytes.append(byte)
                sources.append(text.sources[index])
            }
        }
        var ids = [Int32](repeating: 0, count: bytes.count)
        var ends = [Int](repeating: 0, count: bytes.count)
        let count = vocabulary.split(word: bytes, count: bytes.count, into: &ids, ends: &ends)
        var start = 0
        for index in 0..<count {
            pieces.append(Piece(id: ids[index], source: span(sources, start..<ends[index])))
            start = ends[index]
        }
    }

    /// From the first byte of the first source to the last of the last.
    private func span(_ sources: [Range<Int>], _ range: Range<Int>) -> Range<Int> {
        let start = sources[range.lowerBound].lowerBound
        return start..<max(start, sources[range.upperBound - 1].upperBound)
    }
}
