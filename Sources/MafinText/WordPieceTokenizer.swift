import Foundation

/// BERT's WordPiece tokenizer, as defined by a checkpoint.
///
/// It is read from `tokenizer.json`, or from `vocab.txt` with `tokenizer_config.json`. The steps are: split at added
/// tokens (`[SEP]`, …), clean, make ideographs words, strip accents, lower-case, split at white space and punctuation.
/// Then each word is split into the longest pieces of the vocabulary, from the left.
public struct WordPieceTokenizer: Tokenizer {
    let settings: TokenizerSettings
    let vocabulary: Vocabulary
    let addedTokens: AddedTokens
    let tables: ActionTables

    /// Reads the tokenizer of a checkpoint, which must be WordPiece. ``readTokenizer(modelFolder:)`` reads any kind, and
    /// says which files are read.
    ///
    /// - Parameter modelFolder: the folder of the checkpoint.
    /// - Throws: ``TokenizerError`` with the file and what was found in it.
    public init(modelFolder: URL) throws {
        let tokenizer = try readTokenizer(modelFolder: modelFolder)
        guard let wordPiece = tokenizer as? WordPieceTokenizer else {
            throw TokenizerError.unsupported(
                path: modelFolder.path, component: "the tokenizer", found: "another kind", expected: "WordPiece")
        }
        self = wordPiece
    }

    init(settings: TokenizerSettings, vocabulary: Vocabulary) throws(Vocabulary.Failure) {
        self.settings = settings
        self.vocabulary = vocabulary
        addedTokens = try AddedTokens(settings.addedTokens) { content in
            var text = NormalizedText()
            text.append(content.unicodeScalars.map(\.value)[...], sources: nil, settings.normalizer, .shared)
            return text.scalars.flatMap(utf8Bytes)
        }
        tables = ActionTables(settings: settings.normalizer, vocabulary: vocabulary, addedTokens: addedTokens)
    }

    /// The special tokens around each text, and the longest text.
    public var frame: TokenFrame { settings.frame }

    /// The largest id plus 1, which is the number of rows that an embedding matrix needs.
    public var vocabularySize: Int { addedTokens.vocabularySize(atLeast: vocabulary.size) }

    /// The ids of texts, computed on this thread.
    public func rows(of texts: ArraySlice<String>, addSpecialTokens: Bool, maxLength: Int?) -> TokenBatch {
        var encoder = RowEncoder(self, maxLength: maxLength, addSpecialTokens: addSpecialTokens)
        var offsets = [0]
        offsets.reserveCapacity(texts.count + 1)
        for text in texts {
            encoder.append(text)
            offsets.append(encoder.output.count)
        }
        return TokenBatch(ids: Array(encoder.output.view), offsets: offsets)
    }

    /// All tokens of a text with the bytes that they come from.
    public func pieces(of text: String) -> [TokenPiece] {
        StepwiseEncoder(self).pieces(of: text).map {
            TokenPiece(id: $0.id, byteRange: $0.source, continuesWord: continuesWord($0.id))
        }
    }

    /// The id of a token, written as in the vocabulary (`"##ing"` for a piece that continues a word); `nil` if there is
    /// none.
    public func convertTokenToId(_ token: String) -> Int32? {
        addedTokens.tokens.first { $0.content.utf8.elementsEqual(token.utf8) }?.id
            ?? vocabulary.identifier(of: token.utf8)
    }

    /// The token with this id, written as in the vocabulary; `nil` if there is none.
    public func convertIdToToken(_ id: Int32) -> String? {
        addedTokens.tokens.first { $0.id == id }?.content ?? vocabulary.token(id)
    }

    /// Whether a token continues the word of the token before it, as `##ing` does.
    private func continuesWord(_ id: Int32) -> Bool {
        convertIdToToken(id)?.utf8.starts(with: settings.decoderPrefix.utf8) ?? false
    }
}
