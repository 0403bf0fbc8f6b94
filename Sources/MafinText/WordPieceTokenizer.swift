import Foundation

/// BERT's WordPiece tokenizer, as defined by a checkpoint. It gives the same ids as Python `tokenizers` for every text.
///
/// It is read from `tokenizer.json`, or from `vocab.txt` with `tokenizer_config.json`. Other kinds of tokenizers are
/// refused. The steps are: split at added tokens (`[SEP]`, …), clean, make ideographs words, strip accents, lower-case,
/// split at white space and punctuation. Then each word is split into the longest pieces of the vocabulary, from the
/// left.
///
/// ```swift
/// let tokenizer = try WordPieceTokenizer(modelFolder: folder)
/// let batch = tokenizer.batchEncode(["how do statins work", "a second text"])
/// encoder.embed(batch)
/// ```
public struct WordPieceTokenizer: Sendable {
    let settings: TokenizerSettings
    let vocabulary: Vocabulary
    let addedTokens: AddedTokens
    let tables: ActionTables

    /// Reads the tokenizer of a checkpoint.
    ///
    /// The files are `tokenizer.json`, or `vocab.txt` if that does not exist, and `tokenizer_config.json`,
    /// `sentence_bert_config.json` and `config.json` if they exist.
    ///
    /// - Parameter modelFolder: the folder of the checkpoint.
    /// - Throws: ``TokenizerError`` with the file and what was found in it.
    public init(modelFolder: URL) throws {
        let (settings, vocabulary) = try TokenizerFolder(folder: modelFolder).read()
        self.init(settings: settings, vocabulary: vocabulary)
    }

    init(settings: TokenizerSettings, vocabulary: Vocabulary) {
        self.settings = settings
        self.vocabulary = vocabulary
        addedTokens = AddedTokens(settings.addedTokens, settings: settings.normalizer, unicode: .shared)
        tables = ActionTables(settings: settings.normalizer, vocabulary: vocabulary, addedTokens: addedTokens)
    }

    /// Largest number of tokens of a text, including special tokens. It comes from `sentence_bert_config.json`,
    /// `tokenizer_config.json` or the truncation in `tokenizer.json`, in this order of precedence, and is at most the
    /// number of the encoder's positions. `Int.max` if no file has a limit.
    public var maxLength: Int { settings.maximumLength }

    /// Number of special tokens that are added to each text (2: `[CLS]` and `[SEP]`). No maximum length may be below
    /// it.
    public var specialTokenCount: Int { settings.prefix.count + settings.suffix.count }

    /// The largest id plus 1, which is the number of rows that an embedding matrix needs.
    public var vocabularySize: Int {
        addedTokens.tokens.reduce(vocabulary.size) { max($0, Int($1.id) + 1) }
    }

    /// The ids of one text.
    ///
    /// - Parameters:
    ///   - text: the text. An empty text gives only the special tokens.
    ///   - addSpecialTokens: whether `[CLS]` is added before and `[SEP]` after the text.
    ///   - maxLength: largest number of ids, including special tokens; `nil`: the checkpoint's ``maxLength``. A longer
    ///     text is cut before `[SEP]` is added. Must not be below ``specialTokenCount`` if special tokens are added.
    public func encode(_ text: String, addSpecialTokens: Bool = true, maxLength: Int? = nil) -> [Int32] {
        var encoder = RowEncoder(self, maxLength: maxLength, addSpecialTokens: addSpecialTokens)
        encoder.append(text)
        return Array(encoder.output.view)
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
    public func continuesWord(_ id: Int32) -> Bool {
        convertIdToToken(id)?.utf8.starts(with: settings.decoderPrefix.utf8) ?? false
    }
}
