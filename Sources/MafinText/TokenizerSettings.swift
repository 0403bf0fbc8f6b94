/// The settings of a checkpoint's WordPiece tokenizer, without the vocabulary.
struct TokenizerSettings: Sendable {
    var normalizer = NormalizerSettings()
    var addedTokens: [AddedToken] = []
    var unknownToken = "[UNK]"
    var continuationPrefix = "##"
    /// Longer words are unknown; in scalars, after normalization.
    var maximumWordLength = 100
    var frame = TokenFrame()
    /// The prefix that `decode` removes from a token that continues a word.
    var decoderPrefix = "##"
    /// Whether `decode` removes the spaces before punctuation and contractions.
    var cleansDecodedText = true
}
