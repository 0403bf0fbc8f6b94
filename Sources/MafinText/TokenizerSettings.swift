/// The settings of a checkpoint's tokenizer, without the vocabulary.
struct TokenizerSettings: Sendable {
    var normalizer = NormalizerSettings()
    var addedTokens: [AddedToken] = []
    var unknownToken = "[UNK]"
    var continuationPrefix = "##"
    /// In scalars, after normalization.
    var maximumWordLength = 100
    /// Ids in front of each text and behind it, usually `[CLS]` and `[SEP]`.
    var prefix: [Int32] = []
    var suffix: [Int32] = []
    /// The most tokens of a text, special tokens included; `Int.max` if the checkpoint has no limit.
    var maximumLength = Int.max
    /// Whether a text that is too long loses its start instead of its end.
    var truncatesLeft = false
    /// The prefix that `decode` removes from a token that continues a word.
    var decoderPrefix = "##"
    /// Whether `decode` removes the spaces in front of punctuation and contractions.
    var cleansDecodedText = true
}
