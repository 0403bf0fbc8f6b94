/// A tokenizer of Unigram or byte-level BPE. The steps are: split at added tokens, normalize, split into words, split each
/// word into tokens.
struct SubwordTokenizer: Tokenizer {
    /// How the normalized text is split into words.
    enum WordRule: Sendable {
        /// Spaces become marks, and words begin at marks: `Metaspace` of `tokenizers`.
        case marks(MarkRule)
        /// The expression of GPT-2: `ByteLevel` of `tokenizers`.
        case byteLevel(addsSpace: Bool, splits: Bool)
        /// The normalizer has written the marks already. Words begin at marks, or nowhere.
        case marked(splits: Bool)

        /// Whether a mark is put in front of what begins where the text begins, and nowhere else.
        var marksFirstOnly: Bool { if case .marks(let rule) = self { rule.prefix == .first } else { false } }
    }

    /// The settings of `Metaspace`.
    struct MarkRule: Sendable {
        enum Prefix: String, Sendable { case always, first, never }

        var mark = SpaceMark.standard
        /// Whether a mark is put in front of each part, of the first part, or of none.
        var prefix = Prefix.always
        /// Whether each mark begins a word. Otherwise a part is one word.
        var splits = true
        /// Whether parts are what lies between white space (`WhitespaceSplit`). Otherwise the whole text is one part.
        var splitsAtSpace = false
    }

    enum Model: Sendable {
        case unigram(UnigramModel)
        case bytePair(BytePairModel)

        var vocabulary: Vocabulary {
            switch self {
            case .unigram(let model): model.vocabulary
            case .bytePair(let model): model.vocabulary
            }
        }

        /// ``UnigramModel/isContinuous``
        var isContinuous: Bool { if case .unigram(let model) = self { model.isContinuous } else { false } }
    }

    let frame: TokenFrame
    let addedTokens: AddedTokens
    let normalizer: TextNormalizer
    let words: WordRule
    let model: Model

    var vocabularySize: Int { addedTokens.vocabularySize(atLeast: model.vocabulary.size) }

    func rows(of texts: ArraySlice<String>, addSpecialTokens: Bool, maxLength: Int?) -> TokenBatch {
        let row = RowFrame(frame, addSpecialTokens: addSpecialTokens, maxLength: maxLength)
        var encoder = SubwordEncoder(self, tracksSources: false)
        var offsets = [0]
        offsets.reserveCapacity(texts.count + 1)
        for text in texts {
            let start = row.open(&encoder.output)
            encoder.append(text, limit: row.limit(from: start))
            row.close(&encoder.output, start)
            offsets.append(encoder.output.count)
        }
        return TokenBatch(ids: Array(encoder.output.view), offsets: offsets)
    }

    func pieces(of text: String) -> [TokenPiece] {
        var encoder = SubwordEncoder(self, tracksSources: true)
        encoder.append(text, limit: .max)
        let bytes = Array(text.utf8)
        var pieces: [TokenPiece] = []
        pieces.reserveCapacity(encoder.output.count)
        for (id, range) in zip(encoder.output.view, encoder.sources) {
            let continues = pieces.last.map { Self.continuesWord(range, after: $0.byteRange, in: bytes) } ?? false
            pieces.append(TokenPiece(id: id, byteRange: range, continuesWord: continues))
        }
        return pieces
    }

    /// Whether a token continues the word of the token before it: both share a character, or letters, digits or marks
    /// meet. Each ideograph is a word, as for WordPiece.
    private static func continuesWord(_ range: Range<Int>, after last: Range<Int>, in text: [UInt8]) -> Bool {
        if range.isEmpty { return false }
        if range.lowerBound < last.upperBound { return true }
        guard range.lowerBound == last.upperBound, range.lowerBound > 0 else { return false }
        var before = range.lowerBound - 1
        while before > 0, text[before] & 0xC0 == 0x80 { before -= 1 }
        return text.withUnsafeBufferPointer { text in
            guard let start = text.baseAddress else { return false }
            return [before, range.lowerBound].allSatisfy { position in
                let scalar = decodeScalar(start + position).scalar
                return !TextClasses.shared[scalar].isDisjoint(with: [.letter, .number, .extending])
                    && !UnicodeProperties.shared[scalar].contains(.ideograph)
            }
        }
    }
}
