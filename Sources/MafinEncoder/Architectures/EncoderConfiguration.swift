import Foundation

/// The sizes that all architectures have, as in a checkpoint's `config.json`.
public struct EncoderConfiguration: Sendable, Equatable {
    /// Width of the token vectors.
    public var hiddenSize: Int
    /// Number of transformer layers.
    public var layerCount: Int
    /// Number of attention heads in a layer. It divides `hiddenSize`.
    public var headCount: Int
    /// Width of the feed-forward layer.
    public var intermediateSize: Int
    /// Rows of the word embedding matrix.
    public var vocabularySize: Int
    /// The longest input in tokens.
    public var maximumPositions: Int
    /// Added to the variance in normalisation.
    public var layerNormEpsilon: Float
    /// Probability of dropping an element of a branch's output, in training.
    public var hiddenDropout: Float
    /// Probability of dropping an attention weight, in training.
    public var attentionDropout: Float

    /// Width of one attention head.
    public var headSize: Int { hiddenSize / headCount }

    /// A configuration with the given sizes, and BERT's defaults for the rest.
    public init(
        hiddenSize: Int, layerCount: Int, headCount: Int, intermediateSize: Int, vocabularySize: Int,
        maximumPositions: Int = 512, layerNormEpsilon: Float = 1e-12, hiddenDropout: Float = 0.1,
        attentionDropout: Float = 0.1
    ) {
        precondition(hiddenSize % headCount == 0, "\(headCount) heads do not divide width \(hiddenSize)")
        self.hiddenSize = hiddenSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.intermediateSize = intermediateSize
        self.vocabularySize = vocabularySize
        self.maximumPositions = maximumPositions
        self.layerNormEpsilon = layerNormEpsilon
        self.hiddenDropout = hiddenDropout
        self.attentionDropout = attentionDropout
    }

    /// Reads the sizes under the names that BERT's relatives share.
    /// - Throws: ``EncoderError`` for a missing or impossible size.
    init(_ json: JSONFile) throws {
        hiddenSize = try json.size("hidden_size")
        layerCount = try json.size("num_hidden_layers")
        headCount = try json.size("num_attention_heads")
        intermediateSize = try json.size("intermediate_size")
        vocabularySize = try json.size("vocab_size")
        maximumPositions = try json.size("max_position_embeddings")
        layerNormEpsilon = try json.epsilon("layer_norm_eps", default: 1e-12)
        hiddenDropout = try json.probability("hidden_dropout_prob", default: 0.1)
        attentionDropout = try json.probability("attention_probs_dropout_prob", default: 0.1)
        try checkHeads(json)
    }

    /// - Throws: ``EncoderError/configuration(path:key:expected:found:)`` if the heads do not divide the width.
    func checkHeads(_ json: JSONFile) throws {
        guard hiddenSize % headCount == 0 else {
            throw EncoderError.configuration(
                path: json.path, key: "hidden_size", expected: "a multiple of num_attention_heads (\(headCount))",
                found: "\(hiddenSize)")
        }
    }
}
