/// The sizes of BERT and its relatives with tables of positions and token types.
public struct BERTSizes: Sendable, Equatable {
    /// The sizes that all architectures have.
    public var configuration: EncoderConfiguration
    /// Rows of the token type embedding matrix; single texts use row 0.
    public var tokenTypeCount: Int
    /// Rows of the position embedding matrix.
    var positionRows: Int

    /// Sizes with BERT's two token types, and a position for each token.
    public init(_ configuration: EncoderConfiguration, tokenTypeCount: Int = 2) {
        self.configuration = configuration
        self.tokenTypeCount = tokenTypeCount
        positionRows = configuration.maximumPositions
    }

    /// - Throws: ``EncoderError`` for an impossible size, or a network that attends to one side only or is otherwise no plain encoder.
    init(_ json: JSONFile) throws {
        try json.require("hidden_act", is: "gelu", default: "gelu", named: "activation (hidden_act)")
        try json.require("position_embedding_type", is: "absolute", default: "absolute")
        try json.refuse("is_decoder", supported: "false: attention to both sides")
        self.init(try EncoderConfiguration(json), tokenTypeCount: try json.size("type_vocab_size", default: 2))
    }
}

extension Architecture {
    /// BERT (Devlin et al. 2019): MiniLM, bge, e5, gte.
    public static func bert(_ sizes: BERTSizes) -> Architecture {
        Architecture(name: "bert", sizes.configuration, prefixes: ["bert."]) { network in
            network.embed(
                words: "embeddings.word_embeddings",
                positions: ("embeddings.position_embeddings", rows: sizes.positionRows, first: 0),
                tokenTypes: ("embeddings.token_type_embeddings", rows: sizes.tokenTypeCount),
                norm: "embeddings.LayerNorm")
            network.bertLayers()
            return network.network()
        }
    }

    /// BERT with a vector for each token and no sizes of its own.
    public static func bert(_ configuration: EncoderConfiguration) -> Architecture { bert(BERTSizes(configuration)) }

    /// RoBERTa, XLM-R and CamemBERT (Liu et al. 2019, Conneau et al. 2020): BERT whose texts begin at position 2, after the row of padding.
    static func roberta(_ sizes: BERTSizes, name: String) -> Architecture {
        var configuration = sizes.configuration
        configuration.maximumPositions -= 2
        return Architecture(name: name, configuration, prefixes: ["roberta."]) { network in
            network.embed(
                words: "embeddings.word_embeddings",
                positions: ("embeddings.position_embeddings", rows: sizes.positionRows, first: 2),
                tokenTypes: ("embeddings.token_type_embeddings", rows: sizes.tokenTypeCount),
                norm: "embeddings.LayerNorm")
            network.bertLayers()
            return network.network()
        }
    }
}

extension NetworkBuilder {
    /// BERT's layers under their usual names.
    fileprivate mutating func bertLayers() {
        let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
        for index in 0..<configuration.layerCount {
            let name = "encoder.layer.\(index)."
            layer { layer in
                layer.linear(
                    .queryKeyValue, ["query", "key", "value"].map { name + "attention.self." + $0 }, outputs: 3 * hidden
                )
                layer.attention()
                layer.linear(.attentionOutput, [name + "attention.output.dense"], outputs: hidden)
                layer.addAndNormalize(name + "attention.output.LayerNorm")
                layer.linear(.up, [name + "intermediate.dense"], outputs: intermediate)
                layer.gelu()
                layer.linear(.down, [name + "output.dense"], outputs: hidden)
                layer.addAndNormalize(name + "output.LayerNorm")
            }
        }
    }
}
