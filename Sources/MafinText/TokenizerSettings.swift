/// The settings of a checkpoint's tokenizer, without the vocabulary.
struct TokenizerSettings: Sendable {
    var normalizer = NormalizerSettings()
    var addedTokens: [AddedToken] = []
    var unknownToken = "[UNK]"
    var continuationPrefix = "##"
    /// Longer words are unknown; in scalars, after normalization.
    var maximumWordLength = 100
    /// Ids before and after each text, usually `[CLS]` and `[SEP]`.
    var prefix: [Int32] = []
    var suffix: [Int32] = []
    /// Largest number of tokens of a text, including special tokens; `Int.max` if the checkpoint has no limit.
    var maximumLength = Int.max
    /// Whether texts that are too long are cut at the start instead of the end.
    var truncatesLeft = false
    /// The prefix that `decode` removes from a token that continues a word.
    var decoderPrefix = "##"
    /// Whether `decode` removes the spaces before punctuation and contractions.
    var cleansDecodedText = true
}
