extension Architecture {
    /// MPNet (Song et al. 2020): all-mpnet-base-v2. Positions are added to the embeddings, and numbers for buckets of distances to the scores.
    /// - Throws: ``EncoderError`` for an impossible size or another activation.
    static func mpnet(_ json: JSONFile) throws -> Architecture {
        try json.require("hidden_act", is: "gelu", default: "gelu", named: "activation (hidden_act)")
        var configuration = try EncoderConfiguration(json)
        let rows = configuration.maximumPositions
        let buckets = try json.size("relative_attention_num_buckets", default: 32)
        // Padding has position 1, whatever the configuration says of it.
        let first = try json.rowOfFirstToken(padding: 1)
        configuration.maximumPositions -= first
        return mpnet(configuration, positions: (rows, first), buckets: buckets)
    }

    private static func mpnet(
        _ configuration: EncoderConfiguration, positions: (rows: Int, first: Int), buckets: Int
    ) -> Architecture {
        let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
        return Architecture(name: "mpnet", configuration, prefixes: ["mpnet."], details: "\(buckets) buckets") {
            network in
            network.embed(
                words: "embeddings.word_embeddings",
                positions: ("embeddings.position_embeddings", rows: positions.rows, first: positions.first),
                norm: "embeddings.LayerNorm")
            let distances = network.distanceTable("encoder.relative_attention_bias", buckets: buckets)
            for index in 0..<configuration.layerCount {
                let name = "encoder.layer.\(index)."
                network.layer { layer in
                    layer.linear(
                        .queryKeyValue, ["q", "k", "v"].map { name + "attention.attn." + $0 }, outputs: 3 * hidden)
                    layer.attention(distances: distances, buckets: buckets)
                    layer.linear(.attentionOutput, [name + "attention.attn.o"], outputs: hidden)
                    layer.addAndNormalize(name + "attention.LayerNorm")
                    layer.linear(.up, [name + "intermediate.dense"], outputs: intermediate)
                    layer.gelu()
                    layer.linear(.down, [name + "output.dense"], outputs: hidden)
                    layer.addAndNormalize(name + "output.LayerNorm")
                }
            }
            return network.network()
        }
    }
}
