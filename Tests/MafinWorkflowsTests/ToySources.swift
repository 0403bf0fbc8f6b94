import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import MafinTestSupport
import Synchronization

/// An artefact without local encoder, whose sources are the black box, an adapter of queries, BM25 and a memory; and its
/// collection on disk. It may have a stand-in, which ranks with BM25.
struct ToySources {
    static let dimension = 8
    static let weights = SourceWeights([
        (.blackBox, 2), (adapterName, 0.5), (.bm25, 0.75), (SourceName(rawValue: "query-memory-wide"), 3),
    ])
    static let offlineWeights = SourceWeights([(.standIn, 2), (.bm25, 0.5)])
    /// Columns of the stand-in's encoder.
    static let width = 32
    static let adapterName = SourceName(rawValue: "linear-adapter")

    let folder: TemporaryFolder
    let blackBox = CountingBlackBox()
    let documents: [Document]
    let queries: [Query]

    /// Each document has a word of its own, which its queries share. Train and dev know the first half of the documents.
    init(hasStandIn: Bool = false) throws {
        folder = try TemporaryFolder()
        documents = (0..<20).map { Document(id: "d\($0)", title: "", text: "word\($0) common\($0 % 3) text") }
        queries = (0..<40).map { Query(id: "q\($0)", text: "word\($0 % 20) common\($0 % 5) question\($0)") }
        try writeCollection()
        try writeArtefact(hasStandIn: hasStandIn)
    }

    func remove() { try? FileManager.default.removeItem(at: folder.url) }

    var data: String { folder.url.appendingPathComponent("data").path }
    var artefact: String { folder.url.appendingPathComponent("ART").path }

    func model() throws -> ArtefactModel {
        try ArtefactModel(artefact: URL(fileURLWithPath: artefact), released: { _ in throw CancellationError() })
    }

    private func writeCollection() throws {
        func line(_ id: String, _ text: String) -> String { "{\"_id\": \"\(id)\", \"text\": \"\(text)\"}\n" }
        try folder.write(documents.map { line($0.id, $0.text) }.joined(), to: "data/corpus.jsonl")
        try folder.write(queries.map { line($0.id, $0.text) }.joined(), to: "data/queries.jsonl")
        for (split, rows) in [("train", 0..<8), ("dev", 8..<10), ("test", 20..<40)] {
            let labels = rows.map { "q\($0)\td\($0 % 20)\t1\n" }
            try folder.write("query-id\tcorpus-id\tscore\n" + labels.joined(), to: "data/qrels/\(split).tsv")
        }
    }

    private func writeArtefact(hasStandIn: Bool) throws {
        var adapter = Adapter(shape: .linear, dimension: Self.dimension, seed: 1)
        var random = RandomGenerator(seed: 5)
        for place in adapter.weights.indices { adapter.weights[place] = 0.3 * random.normal() }
        let statistics = LexicalStatistics(of: InvertedIndex(texts: documents.map(\.text), analyzer: TextAnalyzer()))
        let memory = QueryMemory(
            QueryMemory.Known(
                queries: CountingBlackBox.matrix(queries[..<10].map(\.text), .query),
                answers: (0..<10).map { ["d\($0)"] }), bandwidth: 0.1, name: SourceName(rawValue: "query-memory-wide"))
        let lexical = LexicalSource(BM25Weighting(statistics))
        let mixture = Mixture(Self.weights, origin: .calibrated, fittedQueries: 2, newDocuments: 0.25)
        try Artefact.ship(
            ShippedSources(
                [
                    BlackBoxVectorSource(dimension: Self.dimension),
                    AdapterSource(adapter, mapsDocuments: false, name: Self.adapterName),
                    lexical, memory,
                ], mixture: mixture),
            Artefact.Shipment(
                system: "toy-sum", blackBox: blackBox.identity, blackBoxSource: nil, blackBoxDimension: Self.dimension,
                data: [], verdict: Verdict(lambda: nil, metric: "nDCG@10", difference: (0.1, 0.05, 0.15), queries: 2),
                knownQueries: KnownQueries(Array(queries[..<10]))),
            standIn: hasStandIn ? try standIn(beside: lexical) : nil, encoderFrom: nil,
            to: URL(fileURLWithPath: artefact))
    }
}

extension ToySources {
    /// A stand-in with random weights, and BM25.
    private func standIn(beside lexical: LexicalSource) throws -> Artefact.ShippedStandIn {
        let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "text"] + (0..<20).map { "word\($0)" }
        try folder.write(words.map { $0 + "\n" }.joined(), to: "encoder/vocab.txt")
        try folder.write(
            #"{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}"#, to: "encoder/tokenizer_config.json")
        try folder.write(
            """
            {"model_type": "bert", "hidden_size": \(Self.width), "num_hidden_layers": 1, "num_attention_heads": 2, \
            "intermediate_size": 64, "vocab_size": \(words.count), "max_position_embeddings": 40, \
            "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1, \
            "attention_probs_dropout_prob": 0.1}
            """, to: "encoder/config.json")
        let source = folder.url.appendingPathComponent("encoder")
        let configuration = try Architecture.read(modelFolder: source)
        var random = RandomGenerator(seed: 6)
        let head = (0..<(Self.width + 1) * Self.dimension).map { _ in random.normal() }
        let heads = StandInHeads(blackBox: Matrix(rows: Self.width + 1, columns: Self.dimension, values: head))
        let record = try JSONDecoder().decode(
            EncoderRecord.self,
            from: Data(
                """
                {"name": "toy", "folder": "stand-in", "weightsFile": "model.safetensors", "weightsSHA256": "", \
                "dimension": \(Self.width), "pooling": "mean", "queryPrefix": "", "documentPrefix": "", "maximumLength": 32}
                """.utf8))
        return Artefact.ShippedStandIn(
            sources: ShippedSources(
                [StandInSource(heads), lexical], mixture: Mixture(Self.offlineWeights, origin: .calibrated)),
            encoder: record,
            asking: [
                Sureness.Point(threshold: 0, asked: 0, metric: 0.25),
                Sureness.Point(threshold: 0.5, asked: 0.125, metric: 0.375),
            ]
        ) {
            try TransformerEncoder(architecture: configuration, pooling: .mean, seed: 4).save(
                to: $0, tokenizerFrom: source)
        }
    }
}

/// A black box whose vectors depend only on the texts. It counts what it is asked.
final class CountingBlackBox: BlackBox {
    private let texts = Mutex(0)
    /// Texts whose vectors are stored, as those of a cache are.
    private let stored = Mutex<Set<String>>([])

    /// Number of texts that it was asked for.
    var asked: Int { texts.withLock { $0 } }

    var identity: BlackBoxIdentity {
        BlackBoxIdentity(provider: "toy", model: "toy", dimension: ToySources.dimension, normalisation: .unit)
    }

    /// Stores the vectors of texts.
    func store(_ texts: [String]) { stored.withLock { $0.formUnion(texts) } }

    func known(_ items: [EmbeddingItem], as role: TextRole) async throws -> AnsweredRows {
        let found = stored.withLock { stored in items.indices.filter { stored.contains(items[$0].text) } }
        return AnsweredRows(indices: found, vectors: Self.matrix(found.map { items[$0].text }, role))
    }

    func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        texts.withLock { $0 += items.count }
        return Self.matrix(items.map(\.text), role)
    }

    static func matrix(_ texts: [String], _ role: TextRole) -> Matrix {
        Matrix(rows: texts.count, columns: ToySources.dimension, values: texts.flatMap { vector($0, role) })
    }

    private static func vector(_ text: String, _ role: TextRole) -> [Float] {
        var random = RandomGenerator(seed: (text + role.rawValue).utf8.reduce(7) { ($0 &* 31) &+ UInt64($1) })
        let raw = (0..<ToySources.dimension).map { _ in random.normal() }
        let length = raw.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return raw.map { $0 / length }
    }
}
