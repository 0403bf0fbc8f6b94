import Foundation
import MafinBlackBox
import MafinEncoder
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinPipeline

@Suite struct LocalVectorCacheTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// An encoder with random weights.
    private func encoder(seed: UInt64, query: String = "") throws -> TextEncoder {
        let source = folder.url.appendingPathComponent("source")
        try folder.write("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nred\nfox\n", to: "source/vocab.txt")
        try folder.write(
            #"{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}"#, to: "source/tokenizer_config.json")
        try folder.write(
            """
            {"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, \
            "intermediate_size": 32, "vocab_size": 7, "max_position_embeddings": 20, "type_vocab_size": 2, \
            "hidden_act": "gelu", "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1, \
            "attention_probs_dropout_prob": 0.1}
            """, to: "source/config.json")
        let model = folder.url.appendingPathComponent("model-\(seed)")
        try FileManager.default.createDirectory(at: model, withIntermediateDirectories: true)
        try TransformerEncoder(architecture: Architecture.read(modelFolder: source), pooling: .mean, seed: seed)
            .save(to: model, tokenizerFrom: source)
        return try TextEncoder(modelFolder: model, prefixes: TextPrefixes(query: query))
    }

    @Test func whatDeterminesAVectorIsItsKey() throws {
        defer { try? FileManager.default.removeItem(at: folder.url) }
        let (one, other) = (try encoder(seed: 1), try encoder(seed: 2))
        let kept = folder.url.appendingPathComponent("cache")
        func vectors(_ encoder: TextEncoder, version: Int, weights: String, texts: [String] = ["red", "fox"]) throws
            -> Matrix
        {
            var cache = LocalVectorCache(folder: kept)
            cache.version = version
            return try cache.vectors(of: texts, as: .query, encoder: encoder, weights: weights)
        }
        func files() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: kept.path).count }
        let first = try vectors(one, version: 1, weights: "a")
        #expect(try first == one.embedUnnormalized(["red", "fox"], prefix: ""))
        // The same key is answered from disk, so another encoder with the same hash gets the stored vectors.
        #expect(try vectors(other, version: 1, weights: "a") == first)
        #expect(try files() == 1)
        // Another code version, other weights, another order of texts and another prefix each give a different key.
        let fresh = try other.embedUnnormalized(["red", "fox"], prefix: "")
        #expect(try vectors(other, version: 2, weights: "a") == fresh && fresh != first)
        #expect(try vectors(other, version: 1, weights: "b") == fresh)
        _ = try vectors(one, version: 1, weights: "a", texts: ["fox", "red"])
        _ = try vectors(encoder(seed: 1, query: "red "), version: 1, weights: "a")
        #expect(try files() == 5)
        // Another precision, and back.
        one.encoder.precision = .int8
        _ = try vectors(one, version: 1, weights: "a")
        #expect(try files() == 6)
        one.encoder.precision = .float32
        #expect(try vectors(one, version: 1, weights: "a") == first)
        #expect(try files() == 6)
        // The same weights in another configuration are another encoder.
        let configuration = one.folder.appendingPathComponent("config.json")
        try (Data(contentsOf: configuration) + Data("\n".utf8)).write(to: configuration)
        _ = try vectors(TextEncoder(modelFolder: one.folder), version: 1, weights: "a")
        #expect(try files() == 7)
    }
}
