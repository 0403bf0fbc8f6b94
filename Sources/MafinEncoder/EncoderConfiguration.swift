import Foundation

/// The configuration of a BERT encoder, as in its checkpoint's `config.json`.
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
    /// Number of position embeddings, which is the longest input in tokens.
    public var maximumPositions: Int
    /// Rows of the token type embedding matrix; single texts use row 0.
    public var tokenTypeCount: Int
    /// Added to the variance in layer normalisation.
    public var layerNormEpsilon: Float
    /// Probability of dropping an element of a layer's output, in training.
    public var hiddenDropout: Float
    /// Probability of dropping an attention weight, in training.
    public var attentionDropout: Float

    /// Width of one attention head.
    public var headSize: Int { hiddenSize / headCount }

    /// A configuration with the given sizes, and BERT's defaults for the rest.
    public init(
        hiddenSize: Int, layerCount: Int, headCount: Int, intermediateSize: Int, vocabularySize: Int,
        maximumPositions: Int = 512, tokenTypeCount: Int = 2, layerNormEpsilon: Float = 1e-12,
        hiddenDropout: Float = 0.1, attentionDropout: Float = 0.1
    ) {
        precondition(hiddenSize % headCount == 0, "\(headCount) heads do not divide width \(hiddenSize)")
        self.hiddenSize = hiddenSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.intermediateSize = intermediateSize
        self.vocabularySize = vocabularySize
        self.maximumPositions = maximumPositions
        self.tokenTypeCount = tokenTypeCount
        self.layerNormEpsilon = layerNormEpsilon
        self.hiddenDropout = hiddenDropout
        self.attentionDropout = attentionDropout
    }

    /// Reads `config.json` of a checkpoint folder.
    /// - Throws: ``EncoderError`` for a missing file, an impossible size, or an architecture that is not BERT.
    public init(modelFolder: URL) throws {
        let url = modelFolder.appendingPathComponent("config.json")
        let json = try JSONFile(url)
        func require(_ what: String, _ found: String, is expected: String, supported: String? = nil) throws {
            if found == expected { return }
            throw EncoderError.unsupported(path: url.path, what: what, found: found, supported: supported ?? expected)
        }
        try require("architecture (model_type)", json.string("model_type") ?? "none", is: "bert")
        try require("activation (hidden_act)", json.string("hidden_act") ?? "gelu", is: "gelu")
        try require("position_embedding_type", json.string("position_embedding_type") ?? "absolute", is: "absolute")
        try require(
            "is_decoder", "\(json.flag("is_decoder") ?? false)", is: "false",
            supported: "false: attention to both sides")
        hiddenSize = try json.size("hidden_size")
        layerCount = try json.size("num_hidden_layers")
        headCount = try json.size("num_attention_heads")
        intermediateSize = try json.size("intermediate_size")
        vocabularySize = try json.size("vocab_size")
        maximumPositions = try json.size("max_position_embeddings")
        tokenTypeCount = try json.size("type_vocab_size", default: 2)
        layerNormEpsilon = Float(json.number("layer_norm_eps") ?? 1e-12)
        guard layerNormEpsilon > 0, layerNormEpsilon < 1 else {
            throw EncoderError.configuration(
                path: url.path, key: "layer_norm_eps", expected: "a number between 0 and 1",
                found: "\(layerNormEpsilon)")
        }
        hiddenDropout = try json.probability("hidden_dropout_prob", default: 0.1)
        attentionDropout = try json.probability("attention_probs_dropout_prob", default: 0.1)
        guard hiddenSize % headCount == 0 else {
            throw EncoderError.configuration(
                path: url.path, key: "hidden_size", expected: "a multiple of num_attention_heads (\(headCount))",
                found: "\(hiddenSize)")
        }
    }
}

/// A JSON object read from a file, with errors that name the file and the key.
///
/// It is read by Foundation, not by `JSONScanner`: an export writes it back with another value, and the scanner has no writer. Nothing is lost,
/// since neither the order of the members nor the text of a number matters here.
struct JSONFile {
    let path: String
    let object: [String: Any]

    init(_ url: URL) throws {
        path = url.path
        object = try Self.read(url, as: "JSON object")
    }

    /// The value of a JSON file; `kind` says in the error what it should be.
    static func read<Value>(_ url: URL, as kind: String) throws -> Value {
        guard let data = FileManager.default.contents(atPath: url.path) else {
            throw EncoderError.file(path: url.path, reason: "cannot be read")
        }
        guard let value = try? JSONSerialization.jsonObject(with: data) as? Value else {
            throw EncoderError.file(path: url.path, reason: "is no \(kind)")
        }
        return value
    }

    func string(_ key: String) -> String? { object[key] as? String }

    func number(_ key: String) -> Double? { (object[key] as? NSNumber)?.doubleValue }

    func flag(_ key: String) -> Bool? { (object[key] as? NSNumber)?.boolValue }

    func size(_ key: String, default fallback: Int? = nil) throws -> Int {
        if object[key] == nil, let fallback { return fallback }
        guard let value = number(key), value >= 1, value < 1e9, value == value.rounded() else {
            throw EncoderError.configuration(
                path: path, key: key, expected: "a whole number above 0",
                found: object[key].map { "\($0)" } ?? "nothing")
        }
        return Int(value)
    }

    func probability(_ key: String, default fallback: Float) throws -> Float {
        guard let found = object[key] else { return fallback }
        guard let value = number(key), 0 <= value, value < 1 else {
            throw EncoderError.configuration(
                path: path, key: key, expected: "a probability below 1", found: "\(found)")
        }
        return Float(value)
    }
}
