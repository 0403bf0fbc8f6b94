import Foundation
import MafinEncoder
import MafinNumerics
import MafinTestSupport

/// Everything that a training needs, so small that it takes a fraction of a second: a collection, a black box's
/// vectors, an encoder.
///
/// Each document has its own word. Its queries use another word for it (`j3` for `w3`), which only training can learn.
/// Documents and queries share common words. The black box knows half of the documents.
struct TinyWorld {
    /// The folder with `data`, `vectors` and `model`.
    let folder: TemporaryFolder

    static let documents = 60
    static let queriesOfDocument = 6
    /// Dimension of the black box's and the encoder's vectors.
    static let blackBoxDimension = 16
    static let localDimension = 32

    /// Flags to train on it, relative to the folder.
    static let training = [
        "--data", "data", "--black-box", "vectors:vectors", "--encoder", "model", "--learning-rate", "0.01",
        "--threads", "2",
    ]

    /// Writes everything to a new folder, which the caller removes.
    init() throws {
        folder = try TemporaryFolder()
        try writeData()
        try writeVectors()
        try Self.writeModel(to: folder, name: "model", width: Self.localDimension, seed: 7)
    }

    func remove() { try? FileManager.default.removeItem(at: folder.url) }

    func url(_ path: String) -> URL { folder.url.appendingPathComponent(path) }

    /// Runs the program in the folder.
    func mafin(_ arguments: [String], environment: [String: String] = [:]) async throws -> Program.Outcome {
        try await Program.run(arguments, in: folder, environment: environment)
    }

    /// Ids of the queries in the order of their file, each with its split.
    static let queries: [(id: String, document: Int, split: String)] = (0..<documents).flatMap { document in
        (0..<queriesOfDocument).map { number in
            ("q\(document)-\(number)", document, number < 4 ? "train" : number == 4 ? "dev" : "test")
        }
    }

    /// A query's text.
    static func text(ofQuery number: Int) -> String {
        let document = queries[number].document
        return "j\(document) \(text(ofDocument: document)) " + fillers(2, seed: UInt64(number))
    }

    /// Gives a query the text of another one, in different case.
    func askAgain(query: Int, as other: Int, in data: String = "data") throws {
        let queries = url("\(data)/queries.jsonl")
        let text = try String(contentsOf: queries, encoding: .utf8)
        try text.replacingOccurrences(
            of: "\"" + Self.text(ofQuery: query) + "\"", with: "\"" + Self.text(ofQuery: other).uppercased() + "\""
        ).write(to: queries, atomically: true, encoding: .utf8)
    }

    /// A document's text: common words, which its queries have too.
    private static func text(ofDocument number: Int) -> String { fillers(4, seed: UInt64(1000 + number)) }

    private static func fillers(_ count: Int, seed: UInt64) -> String {
        var random = RandomGenerator(seed: seed)
        return (0..<count).map { _ in "f\(Int.random(in: 0..<20, using: &random))" }.joined(separator: " ")
    }

    /// One JSON object to a line.
    static func lines(_ objects: [[String: String]]) -> String {
        objects.map { object in
            "{" + object.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \"\($0.value)\"" }.joined(separator: ", ")
                + "}\n"
        }.joined()
    }

    private func writeData() throws {
        try folder.write(
            Self.lines(
                (0..<Self.documents).map {
                    ["_id": "d\($0)", "title": "w\($0)", "text": "w\($0) " + Self.text(ofDocument: $0)]
                }), to: "data/corpus.jsonl")
        try folder.write(
            Self.lines(Self.queries.indices.map { ["_id": Self.queries[$0].id, "text": Self.text(ofQuery: $0)] }),
            to: "data/queries.jsonl")
        for split in ["train", "dev", "test"] {
            let labels = Self.queries.filter { $0.split == split }.map { "\($0.id)\td\($0.document)\t1\n" }
            try folder.write(
                "query-id\tcorpus-id\tscore\n" + labels.joined(), to: "data/qrels/\(split).tsv")
        }
    }

    private func writeVectors() throws {
        var random = RandomGenerator(seed: 3)
        func row(near centre: [Float], noise: Float) -> [Float] { centre.map { $0 + noise * random.normal() } }
        let origin = [Float](repeating: 0, count: Self.blackBoxDimension)
        let documents = (0..<Self.documents).map { _ in row(near: origin, noise: 1) }
        let queries = Self.queries.map { row(near: documents[$0.document], noise: 1.6) }
        for (name, rows, ids) in [
            ("corpus", documents, (0..<Self.documents).map { "d\($0)" }), ("queries", queries, Self.queries.map(\.id)),
        ] {
            try folder.write(ids.map { $0 + "\n" }.joined(), to: "vectors/\(name).ids")
            try NumPyFile.write(
                Matrix(rows: rows.count, columns: Self.blackBoxDimension, values: rows.flatMap { $0 }).normalizedRows()
                    .matrix, to: url("vectors/\(name).npy"))
        }
    }

    /// A BERT of one layer with random weights and a vocabulary of the words of these texts.
    static func writeModel(to folder: TemporaryFolder, name: String, width: Int, seed: UInt64) throws {
        let words =
            ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + (0..<documents).map { "w\($0)" }
            + (0..<documents).map { "j\($0)" } + (0..<20).map { "f\($0)" }
        try folder.write(words.map { $0 + "\n" }.joined(), to: "\(name)/vocab.txt")
        try folder.write(
            #"{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}"#, to: "\(name)/tokenizer_config.json")
        try folder.write(
            """
            {"model_type": "bert", "hidden_size": \(width), "num_hidden_layers": 1, "num_attention_heads": 2, \
            "intermediate_size": \(2 * width), "vocab_size": \(words.count), "max_position_embeddings": 32, \
            "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1, \
            "attention_probs_dropout_prob": 0.1}
            """, to: "\(name)/config.json")
        let url = folder.url.appendingPathComponent(name)
        let encoder = TransformerEncoder(
            architecture: try Architecture.read(modelFolder: url), pooling: .mean, seed: seed)
        let saved = try TemporaryFolder()
        defer { try? FileManager.default.removeItem(at: saved.url) }
        try encoder.save(to: saved.url, tokenizerFrom: url)
        for part in ["model.safetensors", "modules.json", "1_Pooling", "2_Normalize"] {
            try FileManager.default.moveItem(
                at: saved.url.appendingPathComponent(part), to: url.appendingPathComponent(part))
        }
    }
}
