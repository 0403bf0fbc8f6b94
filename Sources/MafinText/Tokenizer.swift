import Foundation

/// Text to token ids, as a checkpoint defines it. ``readTokenizer(modelFolder:)`` reads the right kind.
///
/// All kinds give the same ids as Python `tokenizers` (WordPiece, Unigram and byte-level BPE from `tokenizer.json`) or
/// `sentencepiece` (a `.model` file). A kind implements ``rows(of:addSpecialTokens:maxLength:)`` and ``pieces(of:)``;
/// callers use the methods below, which are the same for all kinds.
///
/// ```swift
/// let tokenizer = try readTokenizer(modelFolder: folder)
/// let batch = tokenizer.batchEncode(["how do statins work", "a second text"])
/// encoder.embed(batch)
/// ```
public protocol Tokenizer: Sendable {
    /// The special tokens around each text, and the longest text.
    var frame: TokenFrame { get }

    /// The largest id plus 1, which is the number of rows that an embedding matrix needs.
    var vocabularySize: Int { get }

    /// The ids of texts, computed on this thread. There is one row per text, in the order of the texts.
    ///
    /// - Parameters:
    ///   - texts: the texts. An empty text gives only the special tokens.
    ///   - addSpecialTokens: whether the special tokens of ``frame`` are added.
    ///   - maxLength: largest number of ids of a row, including special tokens; `nil`: that of ``frame``.
    func rows(of texts: ArraySlice<String>, addSpecialTokens: Bool, maxLength: Int?) -> TokenBatch

    /// All tokens of a text, without special tokens and uncut, with the bytes that they come from.
    func pieces(of text: String) -> [TokenPiece]
}

/// The special tokens around each text, and the longest text.
public struct TokenFrame: Sendable, Equatable {
    /// Ids before each text, usually `[CLS]` or `<s>`.
    public var prefix: [Int32] = []
    /// Ids after each text, usually `[SEP]` or `</s>`.
    public var suffix: [Int32] = []
    /// Largest number of tokens of a text, including special tokens. `Int.max` if no file of the checkpoint has a limit.
    public var maximumLength = Int.max
    /// Whether texts that are too long are cut at the start instead of the end.
    public var truncatesLeft = false
}

/// A token of a text, and where it comes from.
public struct TokenPiece: Sendable, Equatable {
    /// The id of the token.
    public var id: Int32
    /// The range of the text's UTF-8 bytes that it stands for, without spaces at its ends. Several pieces of one
    /// character have the same range.
    public var byteRange: Range<Int>
    /// Whether the token continues the word of the token before it.
    public var continuesWord: Bool
}

extension Tokenizer {
    /// Largest number of tokens of a text, including special tokens. It comes from `sentence_bert_config.json`,
    /// `tokenizer_config.json` or the truncation in `tokenizer.json`, in this order of precedence, and is at most the
    /// number of the encoder's positions. `Int.max` if no file has a limit.
    public var maxLength: Int { frame.maximumLength }

    /// Number of special tokens that are added to each text (2 for `[CLS]` and `[SEP]`). No maximum length may be below
    /// it.
    public var specialTokenCount: Int { frame.prefix.count + frame.suffix.count }

    /// The ids of one text.
    ///
    /// - Parameters:
    ///   - text: the text. An empty text gives only the special tokens.
    ///   - addSpecialTokens: whether special tokens are added before and after the text.
    ///   - maxLength: largest number of ids, including special tokens; `nil`: the checkpoint's ``maxLength``. A longer
    ///     text is cut before its last special tokens are added. Must not be below ``specialTokenCount`` if special
    ///     tokens are added.
    public func encode(_ text: String, addSpecialTokens: Bool = true, maxLength: Int? = nil) -> [Int32] {
        rows(of: [text], addSpecialTokens: addSpecialTokens, maxLength: maxLength).ids
    }
}

/// Reads the tokenizer of a checkpoint.
///
/// | files | kind |
/// |---|---|
/// | `tokenizer.json` | BERT WordPiece, Unigram, byte-level BPE |
/// | `vocab.txt` with `tokenizer_config.json` | BERT WordPiece |
/// | `vocab.json` with `merges.txt` | RoBERTa's byte-level BPE |
/// | `sentencepiece.bpe.model`, `spiece.model` or `tokenizer.model` | Unigram of XLM-RoBERTa or T5 |
///
/// The first row whose files exist is read. `tokenizer_config.json`, `sentence_bert_config.json` and `config.json` are
/// read too if they exist.
///
/// - Parameter modelFolder: the folder of the checkpoint.
/// - Throws: ``TokenizerError`` with the file and what was found in it.
public func readTokenizer(modelFolder: URL) throws -> any Tokenizer {
    try TokenizerFolder(folder: modelFolder).read()
}

/// The files that define a tokenizer. An export copies them, and caches hash them.
public enum TokenizerFiles {
    /// SentencePiece models, in the order in which they are looked for.
    public static let sentencePieceModels = ["sentencepiece.bpe.model", "spiece.model", "tokenizer.model"]

    /// All names.
    public static let names =
        ["tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt"] + sentencePieceModels
}
