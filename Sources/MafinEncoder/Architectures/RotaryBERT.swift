/// NomicBERT and GTE: BERT's layers with rotary positions and gated activations.
private struct RotaryBERT: Sendable {
    var configuration: EncoderConfiguration
    /// Rows of the token type embeddings; 0: none.
    var tokenTypeCount: Int
    /// Base of the angles.
    var base: Double
    var names: Names
    var function: GatedActivation.Function
    /// Whether the projections of attention, and the last one of the feed-forward layer, have biases.
    var attentionHasBias: Bool
    var downHasBias: Bool

    /// Names of tensors; those of a layer without its prefix.
    struct Names: Sendable {
        var embeddingNorm, layer, queryKeyValue, output, attentionNorm: String
        /// The factor of the activation, and then what is activated.
        var up: [String]
        var down, outputNorm: String
    }

    func architecture(_ name: String, prefixes: [String]) -> Architecture {
        Architecture(
            name: name, configuration, prefixes: prefixes,
            unusedTensors: ["pooler.", "lm_head.", "cls.", "classifier."],
            details: "base \(base), \(function)"
        ) { network in
            let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
            let rotary = RotaryPositions(
                headSize: configuration.headSize, maximumLength: configuration.maximumPositions, base: base)
            let types: (name: String, rows: Int)? =
                tokenTypeCount > 0 ? (name: "embeddings.token_type_embeddings", rows: tokenTypeCount) : nil
            network.embed(words: "embeddings.word_embeddings", tokenTypes: types, norm: names.embeddingNorm)
            for index in 0..<configuration.layerCount {
                let prefix = "\(names.layer)\(index)."
                network.layer { layer in
                    layer.linear(
                        .queryKeyValue, [prefix + names.queryKeyValue], outputs: 3 * hidden, hasBias: attentionHasBias)
                    layer.attention(.rotary(rotary))
                    layer.linear(.attentionOutput, [prefix + names.output], outputs: hidden, hasBias: attentionHasBias)
                    layer.addAndNormalize(prefix + names.attentionNorm)
                    layer.linear(.up, names.up.map { prefix + $0 }, outputs: 2 * intermediate, hasBias: false)
                    layer.gated(function, activatesFirst: false)
                    layer.linear(.down, [prefix + names.down], outputs: hidden, hasBias: downHasBias)
                    layer.addAndNormalize(prefix + names.outputNorm)
                }
            }
            return network.network()
        }
    }
}

extension Architecture {
    /// NomicBERT (Nussbaum et al. 2024): nomic-embed-text. The hub's files have GPT-2's names of sizes; both are read.
    /// - Throws: ``EncoderError`` for an impossible size, norms before branches, or a part of the rows that is not turned.
    static func nomicBERT(_ json: JSONFile) throws -> Architecture {
        let isHub = json.object["n_embd"] != nil
        func size(_ key: String, hub: String) throws -> Int { try json.size(isHub ? hub : key) }
        if isHub {
            try json.require("activation_function", is: "swiglu", default: "swiglu")
            for flag in [
                "prenorm", "use_rms_norm", "rotary_emb_interleaved", "qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias",
            ] {
                try json.refuse(flag, supported: "false")
            }
            guard (json.number("rotary_emb_fraction") ?? 1) == 1 else {
                throw EncoderError.configuration(
                    path: json.path, key: "rotary_emb_fraction", expected: "1",
                    found: "\(json.number("rotary_emb_fraction") ?? 0)")
            }
        } else {
            try json.require("hidden_act", is: "silu", default: "silu", named: "activation (hidden_act)")
        }
        var configuration = EncoderConfiguration(
            hiddenSize: 1, layerCount: try size("num_hidden_layers", hub: "n_layer"), headCount: 1,
            intermediateSize: try size("intermediate_size", hub: "n_inner"),
            vocabularySize: try json.size("vocab_size"),
            // Beyond this the angles would have to be scaled.
            maximumPositions: try isHub
                ? json.size("max_trained_positions", default: 2048)
                : json.size("max_position_embeddings", default: 2048),
            layerNormEpsilon: try json.epsilon(isHub ? "layer_norm_epsilon" : "layer_norm_eps", default: 1e-12),
            hiddenDropout: try json.probability(isHub ? "resid_pdrop" : "hidden_dropout_prob", default: 0),
            attentionDropout: try json.probability(isHub ? "attn_pdrop" : "attention_probs_dropout_prob", default: 0))
        configuration.hiddenSize = try size("hidden_size", hub: "n_embd")
        configuration.headCount = try size("num_attention_heads", hub: "n_head")
        try configuration.checkHeads(json)
        return RotaryBERT(
            configuration: configuration, tokenTypeCount: Int(json.number("type_vocab_size") ?? 2),
            base: json.ropeTheta(hub: "rotary_emb_base", default: 1000),
            names: RotaryBERT.Names(
                embeddingNorm: "emb_ln", layer: "encoder.layers.", queryKeyValue: "attn.Wqkv", output: "attn.out_proj",
                attentionNorm: "norm1", up: ["mlp.fc11", "mlp.fc12"], down: "mlp.fc2", outputNorm: "norm2"),
            function: .silu, attentionHasBias: false, downHasBias: false
        ).architecture("nomic_bert", prefixes: ["nomic_bert.", "bert."])
    }

    /// GTE's second encoder (Zhang et al. 2024, "mGTE"): gte-base-en-v1.5, without scaled angles.
    /// - Throws: ``EncoderError`` for an impossible size, another activation, or scaled angles.
    static func gte(_ json: JSONFile) throws -> Architecture {
        try json.require("hidden_act", is: "gelu", default: "gelu", named: "activation (hidden_act)")
        if let scaling = json.object["rope_scaling"] as? [String: Any] {
            throw EncoderError.unsupported(
                path: json.path, what: "rope_scaling", found: "\(scaling["type"] ?? "\(scaling)")", supported: "none")
        }
        return RotaryBERT(
            configuration: try EncoderConfiguration(json), tokenTypeCount: Int(json.number("type_vocab_size") ?? 1),
            base: json.ropeTheta(hub: "rope_theta", default: 160_000),
            names: RotaryBERT.Names(
                embeddingNorm: "embeddings.LayerNorm", layer: "encoder.layer.", queryKeyValue: "attention.qkv_proj",
                output: "attention.o_proj", attentionNorm: "attn_ln", up: ["mlp.up_gate_proj"], down: "mlp.down_proj",
                outputNorm: "mlp_ln"),
            function: .gelu, attentionHasBias: true, downHasBias: true
        ).architecture(json.string("model_type") ?? "new", prefixes: ["new."])
    }
}

extension JSONFile {
    /// The base of rotary angles, under the hub's key or that of transformers 5.
    fileprivate func ropeTheta(hub: String, default fallback: Double) -> Double {
        number(hub) ?? ((object["rope_parameters"] as? [String: Any])?["rope_theta"] as? Double) ?? fallback
    }
}
