import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinRetrieval
import MafinTestSupport

@testable import MafinPipeline

/// An artefact of tiny encoders with random weights: black box, local encoder and BM25, and a stand-in; and an index of forty documents.
///
/// If `MAFIN_TOY_FOLDER` is set, the tests write it there and leave it, for the fuzzer (`Scripts/fuzz-c.sh`) and the sample program.
struct ToyModel {
    static let (localDimension, blackBoxDimension) = (32, 6)
    static let words = (0..<60).map { "w\($0)" }
    static let weights: [(SourceName, Float)] = [(.blackBox, 0.6), (.local, 0.4), (.bm25, 0.1)]
    static let documents: [Document] = (0..<40).map { number in
        var random = RandomGenerator(seed: UInt64(number))
        let text = (0..<(3 + number % 20)).map { _ in words[Int.random(in: 0..<59, using: &random)] }
        return Document(
            id: "d\(number)", title: number % 3 == 0 ? "w\(number)" : "",
            text: "w\(number) " + text.joined(separator: " "))
    }

    let folder: URL
    var artefact: URL { folder.appendingPathComponent("ART") }
    var index: URL { folder.appendingPathComponent("INDEX") }
    var encoder: URL { artefact.appendingPathComponent(EncoderRecord.documentFolder) }

    /// The black box's vector of a text: how often each letter class occurs, with a constant.
    static func blackBox(_ text: String) -> [Float] {
        var vector = [Float](repeating: 0.25, count: blackBoxDimension)
        for byte in text.utf8 { vector[Int(byte) % blackBoxDimension] += 1 }
        return vector
    }

    /// Writes artefact and index.
    init(in folder: URL) async throws {
        self.folder = folder
        let source = folder.appendingPathComponent("source")
        try FileManager.default.createDirectory(at: source, withIntermediateDirectories: true)
        try Self.writeConfiguration(to: source)
        let architecture = try Architecture.read(modelFolder: source)
        func save(_ seed: UInt64) -> (URL) throws -> Void {
            { folder in
                try TransformerEncoder(architecture: architecture, pooling: .mean, seed: seed).save(
                    to: folder, tokenizerFrom: source)
            }
        }
        func record(_ folder: String) -> EncoderRecord {
            EncoderRecord(
                name: "toy", folder: folder, dimension: Self.localDimension, pooling: "mean", queryPrefix: "w1 ",
                documentPrefix: "w2 ", maximumLength: 32)
        }
        let asking: [any ScoreSource] = [
            BlackBoxVectorSource(dimension: Self.blackBoxDimension),
            LocalVectorSource(dimension: Self.localDimension),
            LexicalSource(texts: Self.documents.map(\.textForEncoding), language: .english),
        ]
        let mixture = Mixture(SourceWeights(Self.weights.map { ($0.0, $0.1) }))
        let all = asking + [Self.standIn()]
        let offline = Mixture(SourceWeights([(.standIn, 0.7), (.local, 0.3), (.bm25, 0.1)]))
        var manifest = ArtefactManifest(
            blackBox: Self.identity, blackBoxDimension: Self.blackBoxDimension,
            mixing: mixture.padded(to: all.map(\.name)), documentEncoder: record(EncoderRecord.documentFolder),
            queryEncoder: record(EncoderRecord.queryFolder),
            verdict: Verdict(lambda: 0.4, metric: "nDCG@10", difference: nil, queries: 0))
        manifest.offline = ArtefactManifest.Offline(
            encoder: record(EncoderRecord.standInFolder), mixing: offline.padded(to: all.map(\.name)))
        try Artefact.write(
            manifest, to: artefact, sources: all, saveDocumentEncoder: save(1), saveQueryEncoder: save(2),
            saveStandIn: save(3))
        let model = try ArtefactModel(artefact: artefact, released: { _ in throw CancellationError() })
        try await SearchIndex.write(
            model, documents: Self.documents, collection: "toy", asking: ToyBlackBox(), to: index)
    }

    static let identity = BlackBoxIdentity(
        provider: "toy", model: "toy", dimension: blackBoxDimension, normalisation: .unit)

    private final class ToyBlackBox: BlackBox {
        var identity: BlackBoxIdentity { ToyModel.identity }

        func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
            Matrix(
                rows: items.count, columns: ToyModel.blackBoxDimension,
                values: items.flatMap { ToyModel.blackBox($0.text) })
        }
    }

    private static func standIn() -> StandInSource {
        var random = RandomGenerator(seed: 21)
        func head(_ columns: Int) -> Matrix {
            Matrix(
                rows: localDimension + 1, columns: columns,
                values: (0..<(localDimension + 1) * columns).map { _ in random.normal() })
        }
        return StandInSource(StandInHeads(blackBox: head(blackBoxDimension), local: nil))
    }

    private static func writeConfiguration(to folder: URL) throws {
        let vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + words
        func write(_ text: String, _ name: String) throws {
            try Data(text.utf8).write(to: folder.appendingPathComponent(name))
        }
        try write(vocabulary.map { $0 + "\n" }.joined(), "vocab.txt")
        try write(#"{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}"#, "tokenizer_config.json")
        try write(
            """
            {"model_type": "bert", "hidden_size": \(localDimension), "num_hidden_layers": 1, "num_attention_heads": 2, \
            "intermediate_size": 64, "vocab_size": \(vocabulary.count), "max_position_embeddings": 40, \
            "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1, \
            "attention_probs_dropout_prob": 0.1}
            """, "config.json")
    }
}
