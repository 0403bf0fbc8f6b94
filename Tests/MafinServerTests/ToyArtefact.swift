import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinRetrieval
import MafinServer
import MafinTestSupport

@testable import MafinPipeline

/// An artefact of two tiny encoders with random weights, an index of sixty documents, and a toy as the black box.
final class ToyArtefact: Sendable {
    static let localDimension = 32
    static let words = (0..<60).map { "w\($0)" } + (0..<20).map { "f\($0)" }
    /// A word whose embedding is not a number: a text with it has no vector.
    static let poison = "w59"

    let folder: TemporaryFolder
    let blackBox = ToyBlackBox()
    let lambda: Float
    /// The sources and their weights; `nil`: a black box and a local encoder.
    let system: ShippedSources?
    /// What ranks if the black box is not asked; `nil`: there is no stand-in.
    let offline: ShippedSources?

    var artefact: URL { folder.url.appendingPathComponent("ART") }
    var index: URL { folder.url.appendingPathComponent("INDEX") }

    static let documents: [Document] = (0..<58).map { number in
        var random = RandomGenerator(seed: UInt64(number))
        let text = (0..<(4 + number % 30)).map { _ in words[Int.random(in: 0..<59, using: &random)] }
        return Document(
            id: "d\(number)", title: number % 3 == 0 ? "w\(number) title" : "",
            text: "w\(number) " + text.joined(separator: " "))
    }

    init(lambda: Float = 0.3, seed: UInt64 = 7, isPoisoned: Bool = false) throws {
        folder = try TemporaryFolder()
        (self.lambda, system, offline) = (lambda, nil, nil)
        try write(seed: seed, isPoisoned: isPoisoned)
    }

    /// An artefact of any sources.
    /// - Parameter offline: those that rank if the black box is not asked, a stand-in among them; `nil`: there is none.
    init(
        _ sources: [(source: any ScoreSource, weight: Float)],
        offline: [(source: any ScoreSource, weight: Float)]? = nil
    ) throws {
        func shipped(_ sources: [(source: any ScoreSource, weight: Float)]) -> ShippedSources {
            ShippedSources(
                sources.map(\.source), mixture: Mixture(SourceWeights(sources.map { ($0.source.name, $0.weight) })))
        }
        folder = try TemporaryFolder()
        lambda = 0.3
        (system, self.offline) = (shipped(sources), offline.map(shipped))
        try write(seed: 7)
    }

    /// A stand-in with random heads.
    static func standIn(hasLocalHead: Bool = true) -> StandInSource {
        var random = RandomGenerator(seed: 21)
        func head(_ columns: Int) -> Matrix {
            let count = (localDimension + 1) * columns
            return Matrix(
                rows: localDimension + 1, columns: columns, values: (0..<count).map { _ in random.normal() })
        }
        return StandInSource(
            StandInHeads(blackBox: head(ToyBlackBox.dimension), local: hasLocalHead ? head(localDimension) : nil))
    }

    deinit { try? FileManager.default.removeItem(at: folder.url) }

    /// Writes the artefact and replaces an existing one.
    /// - Parameter seed: the seed of the query encoder; the document encoder is always the same.
    func write(seed: UInt64, isPoisoned: Bool = false) throws {
        let source = folder.url.appendingPathComponent("source")
        try Self.writeTokenizer(folder)
        let configuration = try Architecture.read(modelFolder: source)
        func encoder(_ seed: UInt64) -> TransformerEncoder {
            let encoder = TransformerEncoder(architecture: configuration, pooling: .mean, seed: seed)
            guard isPoisoned, let row = Self.vocabulary.firstIndex(of: Self.poison) else { return encoder }
            var weights = encoder.weights()
            for column in 0..<Self.localDimension { weights[row * Self.localDimension + column] = .nan }
            encoder.restore(weights: weights)
            return encoder
        }
        func record(_ folder: String) -> EncoderRecord {
            EncoderRecord(
                name: "toy", folder: folder, dimension: Self.localDimension, pooling: "mean", queryPrefix: "f1 ",
                documentPrefix: "f2 ", maximumLength: 32)
        }
        let all = system.map { $0.adding(offline?.sources ?? []) }
        let hasLocal = all?.usesLocalEncoder ?? true
        var manifest = ArtefactManifest(
            blackBox: blackBox.identity, blackBoxDimension: ToyBlackBox.dimension,
            mixing: all?.mixture ?? Mixture(MixtureWeights(lambda: lambda, temperature: 0.05)),
            documentEncoder: hasLocal ? record("document-encoder") : nil,
            queryEncoder: hasLocal ? record("query-encoder") : nil,
            verdict: Verdict(lambda: lambda, metric: "nDCG@10", difference: nil, queries: 0))
        if let all, let offline {
            manifest.offline = ArtefactManifest.Offline(
                encoder: record(EncoderRecord.standInFolder),
                mixing: offline.mixture.padded(to: all.sources.map(\.name)))
        }
        try Artefact.write(
            manifest, to: artefact, sources: all?.sources,
            saveDocumentEncoder: hasLocal ? { try encoder(1).save(to: $0, tokenizerFrom: source) } : nil,
            saveQueryEncoder: hasLocal ? { try encoder(seed).save(to: $0, tokenizerFrom: source) } : nil,
            saveStandIn: offline == nil ? nil : { try encoder(99).save(to: $0, tokenizerFrom: source) })
    }

    func model() throws -> ArtefactModel {
        try ArtefactModel(artefact: artefact, released: { _ in throw CancellationError() })
    }

    func writeIndex(_ options: SearchIndex.WritingOptions = .init(blockSize: 13)) async throws {
        let model = try model()
        try await SearchIndex.write(
            model, documents: Self.documents, collection: "toy",
            asking: model.documentInputs.contains(.blackBox) ? blackBox : nil, to: index, options: options)
    }

    /// A service over it.
    func service(
        _ options: ServiceOptions = ServiceOptions(), keys: KeyRing? = nil, withIndex: Bool = false,
        log: ServiceLog = .none, cache: (@Sendable () -> CacheFigures)? = nil,
        spending: (@Sendable () async -> SpendingFigures?)? = nil
    ) async throws -> MafinService {
        var options = options
        options.name = "toy"
        return try await MafinService(options: options, keys: keys ?? KeyRing(), log: log) { [self] _ in
            let model = try model()
            return LoadedArtefact(
                model: model, blackBox: model.manifest.asksBlackBox ? blackBox : nil, index: withIndex ? index : nil,
                cache: cache, spending: spending)
        }
    }

    /// The joint vector of a text, put together by hand from the halves of this one text.
    func expected(_ text: String, _ role: TextRole, lambda: Float? = nil) throws -> [Float] {
        let model = try model()
        let local = try model.localVectors(of: [text], as: role).values
        let norm = Float(local.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot())
        let share = lambda ?? self.lambda
        let (left, right): (Float, Float) = role == .query ? (1 - share, share) : (1, 1)
        return ToyBlackBox.vector(text, role).map { left * $0 } + local.map { right * $0 / norm }
    }

    private static let vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + words + ["title"]

    private static func writeTokenizer(_ folder: TemporaryFolder) throws {
        try folder.write(vocabulary.map { $0 + "\n" }.joined(), to: "source/vocab.txt")
        try folder.write(
            #"{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}"#, to: "source/tokenizer_config.json")
        try folder.write(
            """
            {"model_type": "bert", "hidden_size": \(localDimension), "num_hidden_layers": 1, "num_attention_heads": 2, \
            "intermediate_size": 64, "vocab_size": \(vocabulary.count), "max_position_embeddings": 40, \
            "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1, \
            "attention_probs_dropout_prob": 0.1}
            """, to: "source/config.json")
    }
}
