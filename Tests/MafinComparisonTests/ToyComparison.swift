import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import MafinTestSupport

@testable import MafinComparison

/// A comparison that trains in moments: 40 documents, an encoder of one layer, a black box that adds up vectors of words.
struct ToyComparison {
    let folder: TemporaryFolder
    let training: CollectionTraining
    let qrels: Qrels
    let store: ComparisonStore

    private static let words = (0..<40).map { "w\($0)" } + (0..<12).map { "f\($0)" }

    /// - Parameter leaks: whether a query of test has the text of one of train, which stays.
    init(steps: Int = 2, leaks: Bool = false) async throws {
        folder = try TemporaryFolder()
        try Self.writeCollection(folder, leaks: leaks)
        try Self.writeEncoder(folder)
        let collection = try RetrievalCollection(contentsOf: folder.url.appendingPathComponent("data"))
        let splits = JudgedSplits(collection, seed: 1, allowsLeaks: leaks)
        var settings = CollectionTraining.Settings()
        settings.mode = .query
        settings.options.steps = steps
        settings.options.evaluations = 1
        settings.options.checkpointSeconds = 0
        training = try CollectionTraining(
            collection: collection, splits: splits,
            vectors: try await BlackBoxVectors(
                asking: WordSums(), documents: collection.documents, queries: collection.queries),
            released: ReleasedEncoder(name: "toy", folder: folder.url.appendingPathComponent("encoder")),
            settings: settings, cache: LocalVectorCache(folder: folder.url.appendingPathComponent("cache")))
        qrels = try splits.qrels(.test)
        store = ComparisonStore(folder: folder.url.appendingPathComponent("REPORT"))
    }

    func remove() { try? FileManager.default.removeItem(at: folder.url) }

    /// Two trainings of each requested method. Finished parts are in ``store``.
    func comparison(
        _ systems: [String]?, seeds: Int = 2, allowsLeaks: Bool = false,
        onEvent: @escaping (Comparison.Event) -> Void = { _ in }, isCancelled: @escaping () -> Bool = { false }
    ) throws -> Comparison {
        var request = ComparisonPlan.Request()
        request.systems = systems
        request.seeds = seeds
        request.seconds = 1_000
        let plan = ComparisonPlan(request, data: [:], blackBox: WordSums.toy)
        if try store.storedPlan() == nil { try store.write(plan) }
        return try Comparison(
            training, plan: plan, store: store, qrels: qrels, allowsLeaks: allowsLeaks, isCancelled: isCancelled,
            onEvent: onEvent)
    }

    func url(_ path: String) -> URL { store.folder.appendingPathComponent(path) }

    func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: url(path).path) }

    private static func writeCollection(_ folder: TemporaryFolder, leaks: Bool) throws {
        let documents = (0..<40).map {
            #"{"_id": "d\#($0)", "title": "", "text": "w\#($0) w\#(($0 * 7 + 3) % 40) f\#($0 % 12)"}"#
        }
        try folder.write(documents.joined(separator: "\n"), to: "data/corpus.jsonl")
        var queries = (0..<40).map { #"{"_id": "q\#($0)", "text": "w\#($0) f\#(($0 + 5) % 12)"}"# }
        if leaks { queries[30] = #"{"_id": "q30", "text": "W0, f5?"}"# }
        try folder.write(queries.joined(separator: "\n"), to: "data/queries.jsonl")
        for (name, range) in [("train", 0..<20), ("dev", 20..<30), ("test", 30..<40)] {
            let lines = ["query-id\tcorpus-id\tscore"] + range.map { "q\($0)\td\($0)\t1" }
            try folder.write(lines.joined(separator: "\n"), to: "data/qrels/\(name).tsv")
        }
    }

    private static func writeEncoder(_ folder: TemporaryFolder) throws {
        let vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + words
        try folder.write(vocabulary.map { $0 + "\n" }.joined(), to: "source/vocab.txt")
        try folder.write(
            #"{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}"#, to: "source/tokenizer_config.json")
        try folder.write(
            """
            {"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, \
            "vocab_size": \(vocabulary.count), "max_position_embeddings": 40, "type_vocab_size": 2, "hidden_act": "gelu", \
            "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
            """, to: "source/config.json")
        let source = folder.url.appendingPathComponent("source")
        let encoder = TransformerEncoder(
            architecture: try Architecture.read(modelFolder: source), pooling: .mean, seed: 5)
        let target = folder.url.appendingPathComponent("encoder")
        try FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
        try encoder.save(to: target, tokenizerFrom: source)
    }

    /// A black box: the sum of the vectors of a text's words, each drawn from its bytes.
    struct WordSums: BlackBox {
        static let toy = BlackBoxIdentity(provider: "toy", model: "word sums", dimension: 16, normalisation: .unit)
        var identity: BlackBoxIdentity { Self.toy }

        func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
            Matrix(rows: items.count, columns: 16, values: items.flatMap { Self.vector($0.text) })
        }

        private static func vector(_ text: String) -> [Float] {
            var sum = [Float](repeating: 0, count: 16)
            for word in text.split(separator: " ") {
                var random = RandomGenerator(seed: word.utf8.reduce(UInt64(7)) { ($0 &* 31) &+ UInt64($1) })
                for column in sum.indices { sum[column] += random.normal() }
            }
            let norm = sum.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return sum.map { $0 / norm }
        }
    }
}
