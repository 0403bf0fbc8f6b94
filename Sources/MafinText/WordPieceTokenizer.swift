import Foundation

/// BERT's WordPiece tokenizer, as a checkpoint defines it: the same ids as Python `tokenizers` for every text.
///
/// Read from `tokenizer.json`, else from `vocab.txt` with `tokenizer_config.json`; any other kind of tokenizer is refused by
/// name. Steps: split at literal added tokens (`[SEP]`, …), clean, make ideographs words, strip accents, lower-case, split at
/// white space and punctuation, then take the longest piece of the vocabulary from the left, again and again.
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
    /// `config.json` where they are there.
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

    /// The most tokens of a text, special ones included: what `sentence_bert_config.json` says, else
    /// `tokenizer_config.json`, else the truncation in `tokenizer.json`, and never more than the encoder's positions;
    /// `Int.max` where none of them says anything.
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
}
