extension Architecture {
    /// The vision network of CLIP (Radford et al. 2021) with its projection, as transformers writes it alone.
    /// - Throws: ``EncoderError`` for an impossible size or another activation.
    static func clipVision(_ json: JSONFile, side: Int?) throws -> Architecture {
        try clip(vision: json, name: "clip_vision_model", projection: json.size("projection_dim", default: 512), side)
    }

    /// The vision network of a whole CLIP: openai/clip-vit-base-patch32. Its text network is not used, and is exported unchanged.
    /// - Throws: ``EncoderError`` for an impossible size, another activation, or a configuration without a vision network.
    static func clip(_ json: JSONFile, side: Int?) throws -> Architecture {
        guard let vision = json.object("vision_config") else {
            throw EncoderError.configuration(
                path: json.path, key: "vision_config", expected: "the sizes of the vision network", found: "nothing")
        }
        // transformers writes only what differs from its defaults, those of clip-vit-base-patch32.
        let defaults: [String: Any] = [
            "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
            "image_size": 224, "patch_size": 32,
        ]
        return try clip(
            vision: vision.filling(defaults), name: "clip", projection: json.size("projection_dim", default: 512), side)
    }

    private static func clip(vision json: JSONFile, name: String, projection: Int, _ side: Int?) throws -> Architecture
    {
        let activation = json.string("hidden_act") ?? "quick_gelu"
        guard ["quick_gelu", "gelu"].contains(activation) else {
            throw EncoderError.unsupported(
                path: json.path, what: "activation (hidden_act)", found: activation, supported: "quick_gelu, gelu")
        }
        let prefix = "vision_model."
        var network = try VisionTransformer(
            json,
            EncoderConfiguration(
                vision: json, intermediate: json.size("intermediate_size"), epsilon: 1e-5,
                attentionDropout: "attention_dropout"),
            side: side,
            names: VisionTransformer.Names(
                classToken: (prefix + "embeddings.class_embedding", 1),
                positions: (prefix + "embeddings.position_embedding.weight", 2),
                patches: (prefix + "embeddings.patch_embedding", hasBias: false),
                // The hub's files have this name.
                firstNorm: prefix + "pre_layrnorm", layer: prefix + "encoder.layers.", attentionNorm: "layer_norm1",
                queryKeyValue: ["q_proj", "k_proj", "v_proj"].map { "self_attn." + $0 },
                output: "self_attn.out_proj", outputNorm: "layer_norm2", up: "mlp.fc1", down: "mlp.fc2",
                lastNorm: prefix + "post_layernorm"))
        network.isQuickGELU = activation == "quick_gelu"
        network.projection = projection
        return network.architecture(
            name, prefixes: [], unused: ["text_model.", "text_projection.", "logit_scale"])
    }
}
