/// The sizes of BERT and its relatives with tables of positions and token types.
public struct BERTSizes: Sendable, Equatable {
    /// The sizes that all architectures have.
    public var configuration: EncoderConfiguration
    /// Rows of the token type embedding matrix; single texts use row 0.
    public var tokenTypeCount: Int
    /// Rows of the position embedding matrix.
    var positionRows: Int
    /// The row of a text's first token.
    var firstPosition = 0

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
    public static func bert(_ sizes: BERTSizes) -> Architecture { bert(sizes, name: "bert", prefix: "bert.") }

    private static func bert(_ sizes: BERTSizes, name: String, prefix: String) -> Architecture {
        Architecture(name: name, sizes.configuration, prefixes: [prefix]) { network in
            network.embed(
                words: "embeddings.word_embeddings",
                positions: (
                    "embeddings.position_embeddings", rows: sizes.positionRows, first: sizes.firstPosition
                ),
                tokenTypes: ("embeddings.token_type_embeddings", rows: sizes.tokenTypeCount),
                norm: "embeddings.LayerNorm")
            network.bertLayers()
            return network.network()
        }
    }

    /// BERT with a vector for each token and no sizes of its own.
    public static func bert(_ configuration: EncoderConfiguration) -> Architecture { bert(BERTSizes(configuration)) }

    /// RoBERTa, XLM-R and CamemBERT (Liu et al. 2019, Conneau et al. 2020): BERT whose texts begin at the position after that of padding.
    /// - Throws: ``EncoderError`` for an impossible size or another activation.
    static func roberta(_ json: JSONFile, name: String) throws -> Architecture {
        var sizes = try BERTSizes(json)
        sizes.firstPosition = try json.rowOfFirstToken(padding: json.index("pad_token_id", default: 1))
        sizes.configuration.maximumPositions -= sizes.firstPosition
        return bert(sizes, name: name, prefix: "roberta.")
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
