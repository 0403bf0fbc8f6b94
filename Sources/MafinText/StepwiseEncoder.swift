/// Encodes a text in the steps of the Rust library. It is needed for byte offsets, for added tokens that match only
/// normalized text or whole words, and for the few scripts whose combining marks must be sorted.
///
/// It is slower than ``RowEncoder/appendFast(_:limit:)``, which cannot encode every text. Tests compare the two.
struct StepwiseEncoder {
    /// A token and the range of the text's bytes that it stands for.
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

    /// All tokens of a text without special tokens.
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
        var word = Word()
        for segment in addedTokens.segments(of: scalars, addedTokens.raw) {
            if let token = segment.token {
                pieces.append(Piece(id: token, source: span(sources, segment.range)))
                continue
            }
            var normalized = NormalizedText()
            normalized.append(scalars[segment.range], sources: sources, settings.normalizer, unicode)
            for part in addedTokens.segments(of: normalized.scalars, addedTokens.normalized) {
                if let token = part.token {
                    pieces.append(Piece(id: token, source: span(normalized.sources, part.range)))
                } else {
                    appendWords(normalized, part.range, &word, to: &pieces)
                }
            }
        }
        return pieces
    }

    /// BertPreTokenizer: words end at white space, and punctuation is a word of its own.
    private func appendWords(_ text: NormalizedText, _ range: Range<Int>, _ word: inout Word, to pieces: inout [Piece])
    {
        var start = range.lowerBound
        for index in range {
            let properties = unicode[text.scalars[index]]
            guard !properties.isDisjoint(with: [.whitespace, .punctuation]) else { continue }
            appendWord(text, start..<index, &word, to: &pieces)
            if !properties.contains(.whitespace) { appendWord(text, index..<index + 1, &word, to: &pieces) }
            start = index + 1
        }
        appendWord(text, start..<range.upperBound, &word, to: &pieces)
    }

    /// Memory for one word, reused for the next.
    private struct Word {
        /// The word in UTF-8. `scalars` has the index of the normalized scalar of each byte.
        var bytes: [UInt8] = []
        var scalars: [Int] = []
        var ids: [Int32] = []
        var ends: [Int] = []
    }

    private func appendWord(_ text: NormalizedText, _ range: Range<Int>, _ word: inout Word, to pieces: inout [Piece]) {
        if range.isEmpty { return }
        word.bytes.removeAll(keepingCapacity: true)
        word.scalars.removeAll(keepingCapacity: true)
        for index in range {
            for byte in encodedScalar(text.scalars[index]) {
                word.bytes.append(byte)
                word.scalars.append(index)
            }
        }
        // A word has at most as many pieces as scalars.
        if word.ids.count < range.count {
            word.ids = [Int32](repeating: 0, count: range.count)
            word.ends = [Int](repeating: 0, count: range.count)
        }
        let count = vocabulary.split(word: word.bytes, count: word.bytes.count, into: &word.ids, ends: &word.ends)
        var start = 0
        for index in 0..<count {
            let scalars = word.scalars[start]..<word.scalars[word.ends[index] - 1] + 1
            pieces.append(Piece(id: word.ids[index], source: span(text.sources, scalars)))
            start = word.ends[index]
        }
    }

    /// The bytes from the first source to the last.
    private func span(_ sources: [Range<Int>], _ range: Range<Int>) -> Range<Int> {
        let start = sources[range.lowerBound].lowerBound
        return start..<max(start, sources[range.upperBound - 1].upperBound)
    }
}
