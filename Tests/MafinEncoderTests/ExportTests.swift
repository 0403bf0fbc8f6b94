import Foundation
import MafinNumerics
import MafinTestSupport
import MafinText
import Testing

@testable import MafinEncoder

/// The sentence-transformers layout.
@Suite struct ExportTests {

    /// A trained encoder and its export.
    private func export(
        _ source: URL, vocabulary: Int, to folder: URL, normalizes: Bool = true
    ) throws -> TransformerEncoder {
        let encoder = try TransformerEncoder(modelFolder: source)
        let loss = GoldenLoss(kind: .infoNCE, grades: Matrix(rows: 2, columns: 2))
        let batch = randomBatch(lengths: [3, 5, 8, 2], vocabulary: vocabulary, seed: 1)
        _ = try encoder.train(loss, [batch], rates: [1e-3, 1e-3])
        try AtomicFile.replaceDirectory(at: folder) {
            try encoder.save(to: $0, tokenizerFrom: source, normalizes: normalizes)
        }
        return encoder
    }

    @Test(arguments: [Pooling.mean, .firstToken]) func readsItsOwnExport(_ pooling: Pooling) async throws {
        let source = try Golden.url("small-\(pooling.rawValue)")
        let batch = randomBatch(lengths: [1, 40, 7], vocabulary: 100, seed: 2)
        try await TemporaryFolder.with { temporary in
            let folder = temporary.url.appendingPathComponent("export")
            let encoder = try export(source, vocabulary: 100, to: folder)
            let again = try TransformerEncoder(modelFolder: folder)
            #expect(differingElements(again.weights(), encoder.weights()) == 0)
            #expect(again.pooling == pooling && again.configuration == encoder.configuration)
            #expect(differingElements(try again.embed(batch).values, try encoder.embed(batch).values) == 0)
            #expect(try WordPieceTokenizer(modelFolder: folder).encode("ak bl") == [2, 5, 16, 3])
        }
    }

    @Test func saysThatItsWeightsAreSinglePrecision() async throws {
        try await TemporaryFolder.with { temporary in
            let source = temporary.url.appendingPathComponent("source")
            try FileManager.default.copyItem(at: Golden.url("small-cls"), to: source)
            let url = source.appendingPathComponent("config.json")
            var object = try JSONFile(url).object
            object["torch_dtype"] = "float16"
            try JSONSerialization.data(withJSONObject: object).write(to: url)
            let folder = temporary.url.appendingPathComponent("export")
            _ = try export(source, vocabulary: 100, to: folder)
            let saved = try JSONFile(folder.appendingPathComponent("config.json"))
            #expect(saved.string("torch_dtype") == "float32")
            #expect(saved.number("layer_norm_eps") == 1e-12 && saved.number("hidden_dropout_prob") == 0.1)
        }
    }

    /// If the length of a vector has a meaning, readers of the layout must not normalise it.
    @Test func leavesLengthsAloneWhereTheyMeanSomething() async throws {
        try await TemporaryFolder.with { temporary in
            let source = try Golden.url("small-mean")
            let folder = temporary.url.appendingPathComponent("export")
            let encoder = try TransformerEncoder(modelFolder: source)
            try AtomicFile.replaceDirectory(at: folder) {
                try encoder.save(to: $0, tokenizerFrom: source, normalizes: false)
            }
            let modules = try String(contentsOf: folder.appendingPathComponent("modules.json"), encoding: .utf8)
            #expect(modules.contains("models.Pooling") && !modules.contains("Normalize"))
            #expect(!FileManager.default.fileExists(atPath: folder.appendingPathComponent("2_Normalize").path))
            #expect(try TransformerEncoder(modelFolder: folder).weights() == encoder.weights())
        }
    }

    @Test func needsAConfiguration() async throws {
        try await TemporaryFolder.with { temporary in
            let encoder = try TransformerEncoder.small()
            #expect(throws: EncoderError.self) { try encoder.save(to: temporary.url, tokenizerFrom: temporary.url) }
        }
    }

    private struct Answer: Decodable {
        var ids: [[Int32]]
        var vectors: [[Float]]
    }

    private static let program = """
        import json, sys
        from sentence_transformers import SentenceTransformer
        texts = json.load(sys.stdin)
        answers = []
        for folder in sys.argv[1:]:
            model = SentenceTransformer(folder, device="cpu")
            ids = [model.tokenizer(text)["input_ids"] for text in texts]
            answers.append({"ids": ids, "vectors": model.encode(texts).tolist()})
        print("ANSWER" + json.dumps(answers))
        """

    private static let adapterProgram = """
        import json, sys, torch
        from peft import PeftModel
        from transformers import BertModel
        base, adapter = sys.argv[1:]
        model = PeftModel.from_pretrained(BertModel.from_pretrained(base, add_pooling_layer=False), adapter).eval()
        answers = []
        with torch.no_grad():
            for ids in json.load(sys.stdin):
                states = model(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids))).last_hidden_state
                answers.append(states[0].mean(0).tolist())
        print("ANSWER" + json.dumps(answers))
        """

    /// PEFT loads low-rank terms and trained norms from our folder, and computes our vectors.
    @Test(.enabled(if: Python.path != nil, "set MAFIN_PYTHON to a Python that has peft"), arguments: [true, false])
    func peftLoadsLowRankTerms(trainsNorms: Bool) async throws {
        let source = try Golden.url("small-mean")
        let options = LowRankOptions(rank: 3, alpha: 6, trainsNorms: trainsNorms)
        let encoder = try TransformerEncoder(modelFolder: source, trained: TrainedPart(lowRank: options))
        let golden = try Golden("small-mean")
        let batches = [try golden.batch("first"), try golden.batch("second")]
        let released = try encoder.embed(batches[0])
        _ = try encoder.train(golden.loss(.listwise), batches, rates: [Float](repeating: 1e-2, count: 6))
        let expected = try encoder.embed(batches[0])
        #expect(largestDifference(expected.values, released.values) > 1e-2, "the terms say something")
        try await TemporaryFolder.with { folder in
            try encoder.saveAdapter(to: folder.url, base: source.path)
            let (ids, ends) = (batches[0].ids, batches[0].offsets)
            let rows = zip(ends, ends.dropFirst()).map { ids[$0..<$1].map(Int.init) }
            let answers: [[Float]] = try Python.answer(
                Self.adapterProgram, [source.path, folder.url.path], input: rows)
            #expect(largestDifference(answers.flatMap { $0 }, expected.values) < 1e-4)
        }
    }

    /// Python's sentence-transformers loads our folders and computes our vectors.
    @Test(.enabled(if: Python.path != nil, "set MAFIN_PYTHON to a Python that has sentence-transformers"))
    func sentenceTransformersLoadsIt() async throws {
        let texts = [
            "ak bl cm dn", "a", "The quay crane is greased every second Thursday, never after rain.", "br ci dj ak",
        ]
        try await TemporaryFolder.with { temporary in
            let small = try Golden.url("small-mean")
            var sources = [(try Golden.url("small-cls"), 100, true), (small, 100, true), (small, 100, false)]
            if let model = TestModel.folder() { sources.append((model, 30522, true)) }
            var encoders: [(encoder: TransformerEncoder, folder: URL, isUnit: Bool)] = []
            for (index, (source, vocabulary, isUnit)) in sources.enumerated() {
                let folder = temporary.url.appendingPathComponent("export-\(index)")
                let encoder = try export(source, vocabulary: vocabulary, to: folder, normalizes: isUnit)
                encoders.append((encoder, folder, isUnit))
            }
            let answers: [Answer] = try Python.answer(Self.program, encoders.map(\.folder.path), input: texts)
            #expect(answers.count == encoders.count)
            for ((encoder, folder, isUnit), answer) in zip(encoders, answers) {
                let emitted = try encoder.embed(TokenBatch(rows: answer.ids))
                let expected = isUnit ? emitted.normalizedRows().matrix : emitted
                #expect(largestDifference(expected.values, answer.vectors.flatMap { $0 }) < 1e-4)
                let tokenizer = try WordPieceTokenizer(modelFolder: folder)
                #expect(texts.map { tokenizer.encode($0) } == answer.ids, "the tokenizer came along")
            }
        }
    }

}
