extension Architecture {
    /// DINOv2 (Oquab et al. 2023): facebook/dinov2-small, -base and -large. The class token behind the last norm is the image's vector.
    /// - Throws: ``EncoderError`` for an impossible size, another activation, or gated feed-forward layers (dinov2-giant).
    static func dinov2(_ json: JSONFile, side: Int?) throws -> Architecture {
        try json.require("hidden_act", is: "gelu", default: "gelu", named: "activation (hidden_act)")
        try json.refuse("use_swiglu_ffn", supported: "false: feed-forward layers without a gate")
        let hidden = try json.size("hidden_size")
        var network = try VisionTransformer(
            json,
            EncoderConfiguration(
                vision: json, intermediate: hidden * json.size("mlp_ratio", default: 4), epsilon: 1e-6),
            side: side,
            names: VisionTransformer.Names(
                classToken: ("embeddings.cls_token", 3), positions: ("embeddings.position_embeddings", 3),
                patches: ("embeddings.patch_embeddings.projection", hasBias: true),
                layer: "encoder.layer.", attentionNorm: "norm1",
                queryKeyValue: ["query", "key", "value"].map { "attention.attention." + $0 },
                output: "attention.output.dense", outputNorm: "norm2", up: "mlp.fc1", down: "mlp.fc2",
                lastNorm: "layernorm"))
        network.queryKeyValueHasBias = json.flag("qkv_bias") ?? true
        network.hasLayerScale = true
        return network.architecture(
            "dinov2", prefixes: ["dinov2."], unused: ["embeddings.mask_token", "classifier."])
    }
}
