import Foundation
import MafinBlackBox
import MafinEncoder
import MafinNumerics
import MafinTestSupport
import Synchronization
import Testing

@Suite struct FrozenEncoderTests {
    /// A checkpoint of random weights over a vocabulary of a few words.
    private func writeCheckpoint(to folder: TemporaryFolder, seed: UInt64) throws -> URL {
        try folder.write(
            """
            {"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
             "intermediate_size": 32, "vocab_size": 9, "max_position_embeddings": 32, "type_vocab_size": 2,
             "hidden_act": "gelu", "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1,
             "attention_probs_dropout_prob": 0.1, "pad_token_id": 0}
            """, to: "source/config.json")
        try folder.write("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nquery\n:\nred\nfox\n", to: "source/vocab.txt")
        try folder.write(
            #"{"do_lower_case": true, "model_max_length": 32, "tokenizer_class": "BertTokenizer"}"#,
            to: "source/tokenizer_config.json")
        let source = folder.url.appendingPathComponent("source")
        let configuration = try Architecture.read(modelFolder: source)
        let encoder = TransformerEncoder(architecture: configuration, pooling: .mean, seed: seed)
        let model = folder.url.appendingPathComponent("model-\(seed)")
        try FileManager.default.createDirectory(at: model, withIntermediateDirectories: true)
        try encoder.save(to: model, tokenizerFrom: source)
        return model
    }

    private func items(_ texts: String...) -> [EmbeddingItem] {
        texts.enumerated().map { EmbeddingItem(id: "\($0)", text: $1) }
    }

    @Test func answersWithTheEncodersVectors() async throws {
        try await TemporaryFolder.with { folder in
            let model = try writeCheckpoint(to: folder, seed: 1)
            let blackBox = try await FrozenEncoder(modelFolder: model, prefixes: TextPrefixes(query: "query: "))
            let reference = try TextEncoder(modelFolder: model)
            let asked = items("red fox", "fox", "red fox")
            let documents = try await blackBox.embed(asked, as: .document)
            #expect(documents == (try reference.embed(asked.map(\.text), prefix: "")))
            #expect(documents.row(0) == documents.row(2))
            let queries = try await blackBox.embed(asked, as: .query)
            #expect(queries == (try reference.embed(["query: red fox", "query: fox", "query: red fox"], prefix: "")))
            #expect(blackBox.dimension == 16 && blackBox.identity.dimension == 16)
            #expect(blackBox.identity.queryPrefix == "query: " && blackBox.identity.truncation == "32 tokens")
            #expect(try await blackBox.embed([], as: .query).rows == 0)
        }
    }

    @Test func batchesCoverTheCall() async throws {
        try await TemporaryFolder.with { folder in
            let blackBox = try await FrozenEncoder(modelFolder: try writeCheckpoint(to: folder, seed: 1))
            let asked = (0..<1100).map { EmbeddingItem(id: "\($0)", text: $0 % 3 == 0 ? "red" : "fox red") }
            let whole = try await blackBox.embed(asked, as: .document)
            let seen = Mutex<[Int]>([])
            try await blackBox.embed(asked, as: .document) { answered in
                seen.withLock { $0 += answered.indices }
                #expect(answered.vectors == whole.selecting(rows: answered.indices))
            }
            #expect(seen.withLock { $0 } == Array(asked.indices))
        }
    }

    @Test func identityFollowsTheWeights() async throws {
        try await TemporaryFolder.with { folder in
            let one = try await FrozenEncoder(modelFolder: try writeCheckpoint(to: folder, seed: 1)).identity
            let again = try await FrozenEncoder(modelFolder: try writeCheckpoint(to: folder, seed: 1), name: "n")
                .identity
            let other = try await FrozenEncoder(modelFolder: try writeCheckpoint(to: folder, seed: 2)).identity
            #expect(again.model == "n" && again.differences(from: one).isEmpty)
            #expect(!other.differences(from: one).isEmpty)
            await #expect(throws: (any Error).self) { try await FrozenEncoder(modelFolder: folder.url) }
        }
    }

    static let miniLM: URL? = {
        let environment = ProcessInfo.processInfo.environment
        let folders = [environment["MAFIN_MODELS"], environment["HOME"].map { $0 + "/.cache/mafin-peers" }]
        return folders.compactMap { $0 }.map { URL(fileURLWithPath: $0).appendingPathComponent("all-MiniLM-L6-v2") }
            .first {
                FileManager.default.fileExists(atPath: $0.appendingPathComponent("model.safetensors").path)
            }
    }()

    /// Expected: `SentenceTransformer(folder).encode([text], normalize_embeddings=True)[0][:6]` of sentence-transformers.
    @Test(.enabled(if: miniLM != nil, "no all-MiniLM-L6-v2 in MAFIN_MODELS or ~/.cache/mafin-peers"))
    func agreesWithSentenceTransformers() async throws {
        let blackBox = try await FrozenEncoder(modelFolder: try #require(Self.miniLM))
        let vectors = try await blackBox.embed(items("How do statins work?", "query: Ärzte & café 日本"), as: .document)
        let expected: [[Float]] = [
            [-0.11178, 0.004483, -0.120912, 0.068877, 0.091736, 0.02625],
            [0.016949, 0.032343, 0.024265, 0.03468, -0.037479, 0.063965],
        ]
        for (row, values) in expected.enumerated() {
            for (found, value) in zip(vectors.row(row), values) { #expect(abs(found - value) < 2e-5) }
        }
    }
}
