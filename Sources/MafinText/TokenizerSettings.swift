/// All that a checkpoint says of its tokenizer, but for the vocabulary.
struct TokenizerSettings: Sendable {
    var normalizer = NormalizerSettings()
    var addedTokens: [AddedToken] = []
    var unknownToken = "[UNK]"
    var continuationPrefix = "##"
    /// In scalars, after normalization.
    var maximumWordLength = 100
    /// What stands in front of each text and behind it, usually `[CLS]` and `[SEP]`.
    var prefix: [Int32] = []
    var suffix: [Int32] = []
    /// The most tokens a text may have, special ones included; `Int.max` if the checkpoint names no limit.
    var maximumLength = Int.max
    /// Whether a text that is too long loses its start instead of its end.
    var truncatesLeft = false
    /// What `decode` takes off the front of a token that continues a word.
    var decoderPrefix = "##"
    /// Whether `decode` closes up the spaces in front of punctuation and contractions.
    var cleansDecodedText = true
}
