import Foundation

/// BERT's WordPiece tokenizer, as a checkpoint defines it: the same ids as Python `tokenizers` for every text.
///
/// Read from `tokenizer.json`, else from `vocab.txt` with `tokenizer_config.json`; other kinds of tokenizers are refused.
/// Steps: split at added tokens (`[SEP]`, …), clean, make ideographs words, strip accents, lower-case, split at white space and
/// punctuation, then split each word into the longest pieces of the vocabulary from the left.
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
    /// Files used: `tokenizer.json`, or else `vocab.txt`; `tokenizer_config.json`, `sentence_bert_config.json` and
    /// `config.json` where they exist.
    ///
    /// - Parameter modelFolder: the folder of the checkpoint
    /// - Throws: ``TokenizerError``, which names the file and what was found in it
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

    /// The most tokens of a text, special tokens included: from `sentence_bert_config.json`, else `tokenizer_config.json`, else the
    /// truncation in `tokenizer.json`, and at most the encoder's positions; `Int.max` if no file has a limit.
    public var maxLength: Int { settings.maximumLength }

    /// How many tokens are put around each text (2: `[CLS]` and `[SEP]`). No maximum length may be below it.
    public var specialTokenCount: Int { settings.prefix.count + settings.suffix.count }

    /// One more than the largest id that encoding can give: the rows that an embedding matrix needs.
    public var vocabularySize: Int {
        addedTokens.tokens.reduce(vocabulary.size) { max($0, Int($1.id) + 1) }
    }

    /// The ids of one text.
    ///
    /// - Parameters:
    ///   - text: any text; the empty one gives the special tokens alone
    ///   - addSpecialTokens: put `[CLS]` in front and `[SEP]` behind
    ///   - maxLength: the most ids, special tokens included; nil for the checkpoint's ``maxLength``. A longer text is cut
    ///     before `[SEP]` is added. Not below ``specialTokenCount`` where special tokens are added.
    public func encode(_ text: String, addSpecialTokens: Bool = true, maxLength: Int? = nil) -> [Int32] {
        var encoder = RowEncoder(self, maxLength: maxLength, addSpecialTokens: addSpecialTokens)
        encoder.append(text)
        return Array(encoder.output.view)
    }

    /// The id of a token as the vocabulary writes it (`"##ing"` for a piece that continues a word); nil if there is none.
    public func convertTokenToId(_ token: String) -> Int32? {
        addedTokens.tokens.first { $0.content.utf8.elementsEqual(token.utf8) }?.id
            ?? vocabulary.identifier(of: token.utf8)
    }

    /// The token with this id, as the vocabulary writes it; nil if there is none.
    public func convertIdToToken(_ id: Int32) -> String? {
        addedTokens.tokens.first { $0.id == id }?.content ?? vocabulary.token(id)
    }

    /// Whether a token continues the word of the token before it, as `##ing` does.
    public func continuesWord(_ id: Int32) -> Bool {
        convertIdToToken(id)?.utf8.starts(with: settings.decoderPrefix.utf8) ?? false
    }
}
