import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import MafinTestSupport
import Synchronization

@testable import MafinWorkflows

/// A collection, an artefact beside an old black box, and a new black box, all with vectors that are made here.
///
/// A query asks for one document. The better a black box is, the nearer the query's vector is to the document's.
struct MigrationWorld {
    static let documents = 240
    static let dimension = 24

    /// How the new space is made.
    enum Space {
        /// The old document vectors, rotated, with better queries.
        case rotation
        /// Other document vectors, with better queries.
        case unrelated
        /// Other document vectors, and queries that have nothing to do with them.
        case noise
    }

    let folder: TemporaryFolder
    let old: TableBlackBox
    let new: TableBlackBox

    init(_ space: Space, isLabelled: Bool = true) throws {
        folder = try TemporaryFolder()
        let old = Self.normal(Self.documents, seed: 1)
        let rotation = Self.normal(Self.dimension, seed: 2).polarFactor()
        let new = space == .rotation ? Matrix.multiply(old, transposed: rotation) : Self.normal(Self.documents, seed: 3)
        self.old = TableBlackBox("old", documents: old, queries: Self.queries(near: old, noise: 2.2, seed: 4))
        self.new = TableBlackBox(
            "new", documents: new,
            queries: space == .noise
                ? Self.normal(Self.documents, seed: 6) : Self.queries(near: new, noise: 0.3, seed: 5))
        try writeCollection(isLabelled: isLabelled)
        try writeArtefact()
    }

    func remove() { try? FileManager.default.removeItem(at: folder.url) }

    func path(_ name: String) -> String { folder.url.appendingPathComponent(name).path }

    /// The migration with stored vectors on both sides.
    func migration(
        oldIsStored: Bool = true, newIsStored: Bool = true,
        price: MigrationSide.Pricing? = nil, context: WorkflowContext = WorkflowContext()
    ) -> MigrationWorkflow {
        let (old, new) = (old, new)
        var migration = MigrationWorkflow(
            artefact: path("ART"), data: path("data"), context: context,
            openOld: { _ in MigrationSide(old, source: nil, isStored: oldIsStored) },
            openNew: { MigrationSide(new, source: nil, isStored: newIsStored, price: price) })
        migration.sample = 120
        return migration
    }

    private static func normal(_ rows: Int, seed: UInt64) -> Matrix {
        var generator = RandomGenerator(seed: seed)
        return Matrix(
            rows: rows, columns: dimension, values: (0..<rows * dimension).map { _ in generator.normal() })
    }

    private static func queries(near documents: Matrix, noise: Float, seed: UInt64) -> Matrix {
        var rows = normal(documents.rows, seed: seed)
        for index in rows.values.indices { rows.values[index] = documents.values[index] + noise * rows.values[index] }
        return rows
    }

    /// Query i asks for document i. 80 queries are for training, 60 for dev and 100 for test.
    private func writeCollection(isLabelled: Bool) throws {
        func line(_ id: String, _ text: String) -> String { "{\"_id\": \"\(id)\", \"text\": \"\(text)\"}\n" }
        let rows = 0..<Self.documents
        try folder.write(rows.map { line("d\($0)", "word\($0) of a text") }.joined(), to: "data/corpus.jsonl")
        try folder.write(rows.map { line("q\($0)", "question number\($0)") }.joined(), to: "data/queries.jsonl")
        guard isLabelled else { return }
        for (split, rows) in [("train", 0..<80), ("dev", 80..<140), ("test", 140..<240)] {
            let labels = rows.map { "q\($0)\td\($0)\t1\n" }
            try folder.write("query-id\tcorpus-id\tscore\n" + labels.joined(), to: "data/qrels/\(split).tsv")
        }
    }

    /// Makes the vectors of an artefact shorter, in its place.
    func reduce(_ name: String = "ART", to dimensions: Int, asking blackBox: any BlackBox) async throws {
        guard let size = try IndexSize(dimensions: dimensions, target: nil) else { return }
        _ = try await ReductionWorkflow(
            artefact: path(name), data: path("data"), output: path(name), size: size, context: WorkflowContext(),
            openBlackBox: { _ in blackBox }
        ).run()
    }

    /// An artefact whose only dense source has moved some documents.
    func writeMovedDocuments(to name: String) throws {
        let moved = MovedDocuments(
            ids: ["d0"], vectors: Matrix(rows: 1, columns: Self.dimension, repeating: 0.2),
            name: SourceName(rawValue: "nudge-n"))
        try ship([moved, Self.words], [1, 0.1], to: name)
    }

    private static var words: LexicalSource {
        let texts = (0..<documents).map { "word\($0) of a text" }
        return LexicalSource(
            BM25Weighting(LexicalStatistics(of: InvertedIndex(texts: texts, analyzer: TextAnalyzer()))))
    }

    private func writeArtefact() throws {
        let adapter = AdapterSource(
            Adapter(shape: .linear, dimension: Self.dimension, seed: 1), mapsDocuments: false,
            name: SourceName(rawValue: "linear-adapter"))
        try ship(
            [BlackBoxVectorSource(dimension: Self.dimension), adapter, Self.words], [1, 0.5, 0.1], to: "ART")
    }

    private func ship(_ sources: [any ScoreSource], _ weights: [Float], to name: String) throws {
        let mixture = Mixture(SourceWeights(zip(sources, weights).map { ($0.name, $1) }))
        try Artefact.ship(
            ShippedSources(sources, mixture: mixture),
            Artefact.Shipment(
                system: "sum", blackBox: old.identity, blackBoxSource: nil, blackBoxDimension: Self.dimension,
                data: [], verdict: Verdict(lambda: nil, metric: "nDCG@10", difference: (0.1, 0.05, 0.15), queries: 2),
                knownQueries: KnownQueries((0..<140).map { Query(id: "q\($0)", text: "question number\($0)") })),
            encoderFrom: nil, to: folder.url.appendingPathComponent(name))
    }
}

/// Answers from tables: row i is the vector of `d<i>` or `q<i>`. It counts what it is asked.
final class TableBlackBox: BlackBox {
    let identity: BlackBoxIdentity
    private let tables: (documents: Matrix, queries: Matrix)
    private let asked = Mutex<[TextRole: Int]>([:])

    init(_ model: String, documents: Matrix, queries: Matrix) {
        identity = BlackBoxIdentity(
            provider: "tables", model: model, dimension: documents.columns, normalisation: .unit)
        tables = (documents, queries)
    }

    /// The same tables by text: the vector of `<prefix>7` is that of row 7. A search has no id of its query.
    func byText(_ prefix: String) -> any BlackBox { ByText(base: self, prefix: prefix) }

    private struct ByText: BlackBox {
        let base: TableBlackBox
        let prefix: String
        var identity: BlackBoxIdentity { base.identity }

        func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
            try await base.embed(
                items.map { EmbeddingItem(id: "q" + $0.text.dropFirst(prefix.count), text: $0.text) }, as: role)
        }
    }

    /// Number of texts that it was asked for.
    func asked(_ role: TextRole) -> Int { asked.withLock { $0[role] ?? 0 } }

    func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
        asked.withLock { $0[role, default: 0] += items.count }
        let rows = items.map { Int($0.id.dropFirst()) ?? 0 }
        return (role == .query ? tables.queries : tables.documents).selecting(rows: rows).normalizedRows().matrix
    }
}
