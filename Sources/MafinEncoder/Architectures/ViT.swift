/// The sizes and names that vision transformers share: a class token and patches, norms before branches, one norm at the end
/// (Dosovitskiy et al. 2021).
struct VisionTransformer: Sendable {
    var configuration: EncoderConfiguration
    var images: ImageShape
    /// Patches along a side in the table of positions.
    var grid: Int
    var queryKeyValueHasBias = true
    var names: Names
    /// Whether the branches are multiplied by learned factors.
    var hasLayerScale = false
    /// CLIP's approximation of GELU instead of GELU.
    var isQuickGELU = false
    /// Columns of an embedding behind CLIP's projection; `nil`: the width of the network.
    var projection: Int?

    /// Names of tensors; those of a layer without its prefix.
    struct Names: Sendable {
        /// The class token and its shape; the table of positions, and whether its shape begins with 1.
        var classToken: (name: String, dimensions: Int)
        var positions: (name: String, dimensions: Int)
        var patches: (name: String, hasBias: Bool)
        /// The norm of the first rows; `nil`: none.
        var firstNorm: String?
        var layer, attentionNorm: String
        var queryKeyValue: [String]
        var output, outputNorm, up, down, lastNorm: String
        var attentionScale = "layer_scale1.lambda1"
        var outputScale = "layer_scale2.lambda1"
    }

    /// Reads the sizes of images and patches.
    /// - Parameters:
    ///   - json: the object with the sizes of the vision network.
    ///   - side: pixels of a side of the images; `nil`: as the configuration says.
    /// - Throws: ``EncoderError`` for an impossible size, or images that are not square or have other channels.
    init(_ json: JSONFile, _ configuration: EncoderConfiguration, side: Int?, names: Names) throws {
        guard try json.size("num_channels", default: ImageShape.channels) == ImageShape.channels else {
            throw EncoderError.configuration(
                path: json.path, key: "num_channels", expected: "3", found: "\(json.number("num_channels") ?? 0)")
        }
        let (trainedSide, patch) = (try json.size("image_size"), try json.size("patch_size"))
        guard trainedSide >= patch, side ?? trainedSide >= patch else {
            throw EncoderError.configuration(
                path: json.path, key: "image_size", expected: "at least patch_size (\(patch))",
                found: "\(min(trainedSide, side ?? trainedSide))")
        }
        self.configuration = configuration
        images = ImageShape(side: side ?? trainedSide, patch: patch)
        grid = trainedSide / patch
        self.names = names
        self.configuration.maximumPositions = images.tokens
        self.configuration.vocabularySize = 0
        try configuration.checkHeads(json)
    }

    func architecture(_ name: String, prefixes: [String], unused: [String]) -> Architecture {
        Architecture(
            name: name, configuration, images: images, prefixes: prefixes, unusedTensors: unused,
            details: "\(images), positions \(grid) x \(grid)"
        ) { network in
            let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
            func shape(_ rows: Int?, _ dimensions: Int) -> [Int] {
                let own = rows.map { [$0, hidden] } ?? [hidden]
                return [Int](repeating: 1, count: dimensions - own.count) + own
            }
            network.embed(
                images, classToken: (names.classToken.name, shape(nil, names.classToken.dimensions)),
                positions: (names.positions.name, shape(1 + grid * grid, names.positions.dimensions), grid),
                patches: names.patches, norm: names.firstNorm)
            for index in 0..<configuration.layerCount {
                let prefix = "\(names.layer)\(index)."
                network.layer { layer in
                    func end(_ scale: String) { hasLayerScale ? layer.add(scaledBy: prefix + scale) : layer.add() }
                    layer.normalize(prefix + names.attentionNorm)
                    layer.linear(
                        .queryKeyValue, names.queryKeyValue.map { prefix + $0 }, outputs: 3 * hidden,
                        hasBias: queryKeyValueHasBias)
                    layer.attention()
                    layer.linear(.attentionOutput, [prefix + names.output], outputs: hidden)
                    end(names.attentionScale)
                    layer.normalize(prefix + names.outputNorm)
                    layer.linear(.up, [prefix + names.up], outputs: intermediate)
                    if isQuickGELU { layer.quickGELU() } else { layer.gelu() }
                    layer.linear(.down, [prefix + names.down], outputs: hidden)
                    end(names.outputScale)
                }
            }
            return network.network(
                finalNorm: (names.lastNorm, hasBias: true),
                projected: projection.map { (name: "visual_projection", outputs: $0) })
        }
    }
}

extension Architecture {
    /// ViT (Dosovitskiy et al. 2021): google/vit-base-patch16-224, DINO.
    /// - Throws: ``EncoderError`` for an impossible size or another activation.
    static func vit(_ json: JSONFile, side: Int?) throws -> Architecture {
        try json.require("hidden_act", is: "gelu", default: "gelu", named: "activation (hidden_act)")
        var network = try VisionTransformer(
            json, EncoderConfiguration(vision: json, intermediate: json.size("intermediate_size")), side: side,
            names: VisionTransformer.Names(
                classToken: ("embeddings.cls_token", 3), positions: ("embeddings.position_embeddings", 3),
                patches: ("embeddings.patch_embeddings.projection", hasBias: true),
                layer: "encoder.layer.", attentionNorm: "layernorm_before",
                queryKeyValue: ["query", "key", "value"].map { "attention.attention." + $0 },
                output: "attention.output.dense", outputNorm: "layernorm_after", up: "intermediate.dense",
                down: "output.dense", lastNorm: "layernorm"))
        network.queryKeyValueHasBias = json.flag("qkv_bias") ?? true
        return network.architecture(
            "vit", prefixes: ["vit."], unused: ["pooler.", "classifier.", "embeddings.mask_token"])
    }
}

extension EncoderConfiguration {
    /// Reads the sizes of a vision network, apart from its images.
    /// - Throws: ``EncoderError`` for a missing or impossible size.
    init(
        vision json: JSONFile, intermediate: Int, epsilon: Float = 1e-12,
        attentionDropout: String = "attention_probs_dropout_prob"
    ) throws {
        self.init(
            hiddenSize: 1, layerCount: try json.size("num_hidden_layers"), headCount: 1,
            intermediateSize: intermediate, vocabularySize: 0, maximumPositions: 1,
            layerNormEpsilon: try json.epsilon("layer_norm_eps", default: epsilon),
            hiddenDropout: try json.probability("hidden_dropout_prob", default: 0),
            attentionDropout: try json.probability(attentionDropout, default: 0))
        hiddenSize = try json.size("hidden_size")
        headCount = try json.size("num_attention_heads")
    }
}
