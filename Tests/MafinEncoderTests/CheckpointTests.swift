import Foundation
import MafinNumerics
import MafinTestSupport
import MafinText
import Testing

@testable import MafinEncoder

/// Checkpoint folders that can be read, and folders that are refused.
@Suite struct CheckpointTests {
    /// A copy of the small checkpoint that a test may spoil.
    private func withCopy(_ body: (URL) throws -> Void) async throws {
        try await TemporaryFolder.with { temporary in
            let folder = temporary.url.appendingPathComponent("checkpoint")
            try FileManager.default.copyItem(at: Golden.url("small-mean"), to: folder)
            try body(folder)
        }
    }

    private func edit(_ url: URL, _ change: (inout [String: Any]) -> Void) throws {
        var object = try JSONFile(url).object
        change(&object)
        try JSONSerialization.data(withJSONObject: object).write(to: url)
    }

    private func refusal(_ folder: URL) throws -> String {
        "\(try #require(#expect(throws: (any Error).self) { try TransformerEncoder(modelFolder: folder) }))"
    }

    @Test(
        arguments: [
            (
                "model_type", "t5",
                "architecture (model_type) 't5' is not supported (supported: bert, camembert, clip, clip_vision_model, dinov2,"
            ),
            ("hidden_act", "relu", "activation (hidden_act) 'relu' is not supported (supported: gelu)"),
            ("position_embedding_type", "relative_key", "position_embedding_type 'relative_key' is not supported"),
            ("hidden_size", 33, "'hidden_size' should be a multiple of num_attention_heads (4), found 33"),
            ("layer_norm_eps", -1, "'layer_norm_eps' should be a number between 0 and 1, found -1.0"),
            ("hidden_size", "32", "'hidden_size' should be a whole number above 0, found 32"),
            ("num_hidden_layers", 0, "'num_hidden_layers' should be a whole number above 0, found 0"),
            ("vocab_size", 10.5, "'vocab_size' should be a whole number above 0, found 10.5"),
            ("hidden_dropout_prob", 1, "'hidden_dropout_prob' should be a probability below 1, found 1"),
            ("is_decoder", true, "is_decoder 'true' is not supported"),
        ] as [(String, any Sendable, String)])
    func configurations(_ key: String, _ value: any Sendable, _ sentence: String) async throws {
        try await withCopy { folder in
            let url = folder.appendingPathComponent("config.json")
            try edit(url) { $0[key] = value }
            let found = try refusal(folder)
            #expect(found.hasPrefix("\(url.path): \(sentence)"), "\(found)")
        }
    }

    @Test func missingKeys() async throws {
        try await withCopy { folder in
            let url = folder.appendingPathComponent("config.json")
            try edit(url) { $0["model_type"] = nil }
            #expect(try refusal(folder).contains("architecture (model_type) 'none'"))
            try edit(url) {
                $0["model_type"] = "bert"
                $0["vocab_size"] = nil
            }
            #expect(try refusal(folder).contains("'vocab_size' should be a whole number above 0, found nothing"))
        }
    }

    @Test(arguments: ["config.json", "model.safetensors", "1_Pooling/config.json"])
    func missingFiles(_ name: String) async throws {
        try await withCopy { folder in
            let url = folder.appendingPathComponent(name)
            try FileManager.default.removeItem(at: url)
            #expect(try refusal(folder).hasPrefix("\(url.path): "))
        }
    }

    @Test(arguments: ["config.json", "model.safetensors", "1_Pooling/config.json", "modules.json"])
    func damagedFiles(_ name: String) async throws {
        try await withCopy { folder in
            let url = folder.appendingPathComponent(name)
            try Data("{\"cut\": ".utf8).write(to: url)
            #expect(try refusal(folder).hasPrefix("\(url.path): "))
        }
    }

    @Test func weightsOfOtherShapes() async throws {
        try await withCopy { folder in
            try edit(folder.appendingPathComponent("config.json")) { $0["vocab_size"] = 99 }
            #expect(
                try refusal(folder)
                    == "\(folder.path)/model.safetensors: tensor 'embeddings.word_embeddings.weight' has shape [100, 32], expected [99, 32]"
            )
            try edit(folder.appendingPathComponent("config.json")) {
                $0["vocab_size"] = 100
                $0["num_hidden_layers"] = 3
            }
            #expect(try refusal(folder).contains("model.safetensors: no tensor 'encoder.layer.2."))
        }
    }

    @Test(arguments: ["Dense", "LSTM", "WeightedLayerPooling"]) func otherModules(_ name: String) async throws {
        try await withCopy { folder in
            let url = folder.appendingPathComponent("modules.json")
            var modules = try #require(
                JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [[String: Any]])
            modules.append(["idx": 3, "name": "3", "path": "3_\(name)", "type": "sentence_transformers.models.\(name)"])
            try JSONSerialization.data(withJSONObject: modules).write(to: url)
            #expect(try refusal(folder).hasPrefix("\(url.path): module 'sentence_transformers.models.\(name)' is not"))
        }
    }

    @Test func otherPoolings() async throws {
        try await withCopy { folder in
            let url = folder.appendingPathComponent("1_Pooling/config.json")
            for (change, name) in [
                (
                    ["pooling_mode_mean_tokens": false, "pooling_mode_mean_sqrt_len_tokens": true],
                    "mean_sqrt_len_tokens"
                ),
                (["pooling_mode_mean_tokens": true], "mean_sqrt_len_tokens + mean_tokens"),
                (["pooling_mode_mean_tokens": false, "pooling_mode_mean_sqrt_len_tokens": false], ""),
            ] {
                try edit(url) { $0.merge(change) { $1 } }
                #expect(
                    try refusal(folder)
                        == "\(url.path): pooling '\(name)' is not supported (supported: mean, cls, lasttoken, max)")
            }
            // As later versions of sentence-transformers write it.
            try Data(#"{"pooling_mode": "cls"}"#.utf8).write(to: url)
            #expect(try TransformerEncoder(modelFolder: folder).pooling == .firstToken)
            try Data(#"{"pooling_mode": "weightedmean"}"#.utf8).write(to: url)
            #expect(try refusal(folder).contains("pooling 'weightedmean'"))
        }
    }

    @Test func noPoolingModule() async throws {
        try await withCopy { folder in
            let url = folder.appendingPathComponent("modules.json")
            try Data(#"[{"type": "sentence_transformers.models.Transformer", "path": ""}]"#.utf8).write(to: url)
            #expect(try refusal(folder).hasPrefix("\(url.path): "))
            // A folder of plain transformers has none of the files. The pooling is then mean, as in
            // sentence-transformers.
            try FileManager.default.removeItem(at: url)
            #expect(try TransformerEncoder(modelFolder: folder).pooling == .mean)
        }
    }

    @Test func tooManyFrozenLayers() throws {
        let folder = try Golden.url("small-mean")
        let error = #expect(throws: EncoderError.self) {
            try TransformerEncoder(modelFolder: folder, trained: TrainedPart(frozenLayers: 3))
        }
        #expect(error?.description == "\(folder.path): 'frozen layers' should be at most 2, found 3")
    }

    /// Names with the prefix of models with a head, and a pooler, which is not used but exported.
    @Test func prefixedNamesAndThePooler() async throws {
        let golden = try Golden("small-mean")
        let expected = try TransformerEncoder.small().embed(golden.batch("first"))
        try await withCopy { folder in
            let url = folder.appendingPathComponent("model.safetensors")
            let file = try SafeTensorsFile(url)
            var tensors: [(name: String, shape: [Int], values: [Float])] = try file.names.map {
                ("bert." + $0, try #require(file.shape(of: $0)), try file.floats(of: $0))
            }
            let pooler = (0..<1024).map { Float($0) }
            tensors.append(("bert.pooler.dense.weight", [32, 32], pooler))
            tensors.append(("cls.predictions.bias", [1], [1]))
            try tensors.flatMap(\.values).withUnsafeBufferPointer { all in
                var start = 0
                try SafeTensorsFile.write(
                    tensors.map { tensor in
                        defer { start += tensor.values.count }
                        return .init(
                            name: tensor.name, shape: tensor.shape,
                            values: .init(rebasing: all[start..<start + tensor.values.count]))
                    }, to: url)
            }
            let encoder = try TransformerEncoder(modelFolder: folder)
            #expect(try encoder.embed(golden.batch("first")) == expected)
            let copy = folder.appendingPathComponent("copy")
            try FileManager.default.createDirectory(at: copy, withIntermediateDirectories: true)
            try encoder.save(to: copy, tokenizerFrom: folder)
            let saved = try SafeTensorsFile(copy.appendingPathComponent("model.safetensors"))
            #expect(saved.names == (file.names + ["pooler.dense.weight"]).sorted())
            #expect(try saved.floats(of: "pooler.dense.weight", shape: [32, 32]) == pooler)
        }
    }
}
