import Foundation
import MafinNumerics
import MafinTestSupport
import MafinText
import Testing

@testable import MafinEncoder

/// The sentence-transformers layout.
@Suite struct ExportTests {
    private static let python = ProcessInfo.processInfo.environment["MAFIN_PYTHON"] ?? ""

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

    /// Python's sentence-transformers loads our folders and computes our vectors.
    @Test(.enabled(if: !python.isEmpty, "set MAFIN_PYTHON to a Python that has sentence-transformers"))
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
            let output = try Self.run(
                Self.python, ["-c", Self.program] + encoders.map(\.folder.path), input: JSONEncoder().encode(texts))
            let line = try #require(output.split(separator: "\n").last { $0.hasPrefix("ANSWER") }, "\(output)")
            let answers = try JSONDecoder().decode([Answer].self, from: Data(line.dropFirst(6).utf8))
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

    /// The output of a program; if it fails, the error has its messages.
    private static func run(_ program: String, _ arguments: [String], input: Data) throws -> String {
        let process = Process()
        let (stdin, stdout) = (Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(["HF_HUB_OFFLINE": "1"]) { $1 }
        (process.standardInput, process.standardOutput) = (stdin, stdout)
        try process.run()
        try stdin.fileHandleForWriting.write(contentsOf: input)
        try stdin.fileHandleForWriting.close()
        let output = try stdout.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        let text = String(decoding: output, as: UTF8.self)
        try #require(process.terminationStatus == 0, "\(program) failed: \(text)")
        return text
    }
}
