extension Architecture {
    /// ModernBERT (Warner et al. 2024): norms before branches, rotary positions, GeGLU, no biases. All but every third layer attend to a window.
    /// - Throws: ``EncoderError`` for an impossible size, biases, or another activation.
    static func modernBERT(_ json: JSONFile) throws -> Architecture {
        try json.require(
            "hidden_activation", is: "gelu", default: "gelu", named: "activation (hidden_activation)")
        for bias in ["attention_bias", "mlp_bias", "norm_bias"] { try json.refuse(bias, supported: "false: no biases") }
        var configuration = EncoderConfiguration(
            hiddenSize: 1, layerCount: try json.size("num_hidden_layers"), headCount: 1,
            intermediateSize: try json.size("intermediate_size"), vocabularySize: try json.size("vocab_size"),
            maximumPositions: try json.size("max_position_embeddings", default: 8192),
            layerNormEpsilon: try json.epsilon("norm_eps", default: 1e-5),
            hiddenDropout: try json.probability("mlp_dropout", default: 0),
            attentionDropout: try json.probability("attention_dropout", default: 0))
        configuration.hiddenSize = try json.size("hidden_size")
        configuration.headCount = try json.size("num_attention_heads")
        try configuration.checkHeads(json)
        return modernBERT(configuration, try ModernBERTAttention(json))
    }

    /// ModernBERT of any sizes.
    static func modernBERT(_ configuration: EncoderConfiguration, _ attention: ModernBERTAttention) -> Architecture {
        let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
        return Architecture(
            name: "modernbert", configuration, prefixes: ["model."],
            unusedTensors: ["head.", "decoder.", "classifier."],
            details: "\(attention)"
        ) { network in
            func rotary(_ base: Double) -> RotaryPositions {
                RotaryPositions(
                    headSize: configuration.headSize, maximumLength: configuration.maximumPositions, base: base)
            }
            let (full, window) = (rotary(attention.fullBase), rotary(attention.windowBase))
            network.embed(words: "embeddings.tok_embeddings", norm: "embeddings.norm", hasBias: false)
            for index in 0..<configuration.layerCount {
                let name = "layers.\(index)."
                let isFull = index % attention.fullEvery == 0
                network.layer { layer in
                    // The embeddings' norm serves the first layer.
                    if index > 0 { layer.normalize(name + "attn_norm", hasBias: false) }
                    layer.linear(.queryKeyValue, [name + "attn.Wqkv"], outputs: 3 * hidden, hasBias: false)
                    layer.attention(.rotary(isFull ? full : window), window: isFull ? nil : attention.window)
                    layer.linear(.attentionOutput, [name + "attn.Wo"], outputs: hidden, hasBias: false)
                    layer.add()
                    layer.normalize(name + "mlp_norm", hasBias: false)
                    layer.linear(.up, [name + "mlp.Wi"], outputs: 2 * intermediate, hasBias: false)
                    layer.gated(.gelu, activatesFirst: true)
                    layer.linear(.down, [name + "mlp.Wo"], outputs: hidden, hasBias: false)
                    layer.add()
                }
            }
            return network.network(finalNorm: ("final_norm", hasBias: false))
        }
    }
}

/// Which layers of ModernBERT attend to what, with which rotary positions.
struct ModernBERTAttention: Sendable, CustomStringConvertible {
    /// Every layer whose number is a multiple of this attends to all tokens.
    let fullEvery: Int
    /// The largest distance in the other layers.
    let window: Int
    let fullBase: Double
    let windowBase: Double

    init(fullEvery: Int = 3, window: Int = 64, fullBase: Double = 160_000, windowBase: Double = 10_000) {
        (self.fullEvery, self.window, self.fullBase, self.windowBase) = (fullEvery, window, fullBase, windowBase)
    }

    /// Reads the keys of transformers 4, or those of transformers 5, which has a base for each kind of layer.
    init(_ json: JSONFile) throws {
        fullEvery = try json.size("global_attn_every_n_layers", default: 3)
        window = try json.size("local_attention", default: 128) / 2
        let rope = json.object["rope_parameters"] as? [String: Any]
        func base(_ key: String, _ kind: String, _ fallback: Double) -> Double {
            json.number(key) ?? ((rope?[kind] as? [String: Any])?["rope_theta"] as? Double) ?? fallback
        }
        fullBase = base("global_rope_theta", "full_attention", 160_000)
        windowBase = base("local_rope_theta", "sliding_attention", 10_000)
    }

    var description: String {
        "full attention every \(fullEvery) layers, window \(window), bases \(fullBase) and \(windowBase)"
    }
}
