/// Offsets of the parameters in the one block that holds all of them.
///
/// Word embeddings come first. They are the sparse part, because a step uses only a few of their rows. Everything else
/// is the dense part. The query, key and value matrices of a layer are adjacent, so that one product computes all
/// three.
struct ParameterLayout: Sendable {
    /// A parameter, by its name in Hugging Face checkpoints.
    struct Tensor: Sendable {
        var name: String
        var shape: [Int]
        var offset: Int
        var count: Int { shape.reduce(1, *) }
        /// Biases and layer normalisation are not decayed.
        var decays: Bool { !name.hasSuffix("bias") && !name.contains("LayerNorm") }
    }

    /// Offsets of one layer's parameters. Weights are (outputs, inputs), as PyTorch stores them.
    struct Layer: Sendable {
        var queryKeyValueWeight = 0
        var queryKeyValueBias = 0
        var attentionOutputWeight = 0
        var attentionOutputBias = 0
        var attentionNormGain = 0
        var attentionNormBias = 0
        var upWeight = 0
        var upBias = 0
        var downWeight = 0
        var downBias = 0
        var outputNormGain = 0
        var outputNormBias = 0
        /// One past the layer's last parameter.
        var end = 0
    }

    private(set) var tensors: [Tensor] = []
    private(set) var layers: [Layer] = []
    let wordEmbeddings = 0
    private(set) var positionEmbeddings = 0
    private(set) var tokenTypeEmbeddings = 0
    private(set) var embeddingNormGain = 0
    private(set) var embeddingNormBias = 0
    /// Number of parameters.
    private(set) var count = 0
    /// Where the dense part begins: the size of the word embedding matrix.
    let denseStart: Int

    init(_ configuration: EncoderConfiguration) {
        let hidden = configuration.hiddenSize
        let intermediate = configuration.intermediateSize
        denseStart = configuration.vocabularySize * hidden
        _ = add("embeddings.word_embeddings.weight", [configuration.vocabularySize, hidden])
        positionEmbeddings = add("embeddings.position_embeddings.weight", [configuration.maximumPositions, hidden])
        tokenTypeEmbeddings = add("embeddings.token_type_embeddings.weight", [configuration.tokenTypeCount, hidden])
        embeddingNormGain = add("embeddings.LayerNorm.weight", [hidden])
        embeddingNormBias = add("embeddings.LayerNorm.bias", [hidden])
        for index in 0..<configuration.layerCount {
            let prefix = "encoder.layer.\(index)."
            var layer = Layer()
            layer.queryKeyValueWeight = add(prefix + "attention.self.query.weight", [hidden, hidden])
            _ = add(prefix + "attention.self.key.weight", [hidden, hidden])
            _ = add(prefix + "attention.self.value.weight", [hidden, hidden])
            layer.queryKeyValueBias = add(prefix + "attention.self.query.bias", [hidden])
            _ = add(prefix + "attention.self.key.bias", [hidden])
            _ = add(prefix + "attention.self.value.bias", [hidden])
            layer.attentionOutputWeight = add(prefix + "attention.output.dense.weight", [hidden, hidden])
            layer.attentionOutputBias = add(prefix + "attention.output.dense.bias", [hidden])
            layer.attentionNormGain = add(prefix + "attention.output.LayerNorm.weight", [hidden])
            layer.attentionNormBias = add(prefix + "attention.output.LayerNorm.bias", [hidden])
            layer.upWeight = add(prefix + "intermediate.dense.weight", [intermediate, hidden])
            layer.upBias = add(prefix + "intermediate.dense.bias", [intermediate])
            layer.downWeight = add(prefix + "output.dense.weight", [hidden, intermediate])
            layer.downBias = add(prefix + "output.dense.bias", [hidden])
            layer.outputNormGain = add(prefix + "output.LayerNorm.weight", [hidden])
            layer.outputNormBias = add(prefix + "output.LayerNorm.bias", [hidden])
            layer.end = count
            layers.append(layer)
        }
    }

    private mutating func add(_ name: String, _ shape: [Int]) -> Int {
        let tensor = Tensor(name: name, shape: shape, offset: count)
        tensors.append(tensor)
        count += tensor.count
        return tensor.offset
    }
}
