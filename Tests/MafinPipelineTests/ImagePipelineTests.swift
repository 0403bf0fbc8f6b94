import Foundation
import MafinBlackBox
import MafinEncoder
import MafinImages
import MafinNumerics
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinMethod
@testable import MafinPipeline

/// The whole path with pictures: a random vision encoder is trained beside stored vectors, written, loaded, evaluated and searched.
@Suite("Pipeline of images") struct ImagePipelineTests {
    /// Gives each picture a vector near that of its class, by its id.
    private struct BadBlackBox: BlackBox {
        let identity = BlackBoxIdentity(
            provider: "toy", model: "classes", dimension: PictureWorld.dimension, normalisation: .none)

        func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
            let rows = items.map { item -> [Float] in
                #expect(item.image != nil && item.text.isEmpty)
                return PictureWorld.blackBox(Int(item.id.dropFirst()) ?? 0, isQuery: role == .query)
            }
            return Matrix(rows: items.count, columns: PictureWorld.dimension, values: rows.flatMap { $0 })
        }
    }

    private func training(
        _ world: PictureWorld, trained: TrainedPart = TrainedPart(),
        augmentation: ImageAugmentation = ImageAugmentation()
    ) async throws -> (training: CollectionTraining, vectors: BlackBoxVectors, cache: LocalVectorCache) {
        let collection = try RetrievalCollection(contentsOf: world.data)
        #expect(collection.hasImages && !collection.documentsHaveText)
        let vectors = try await BlackBoxVectors(
            asking: BadBlackBox(), documents: collection.documents, queries: collection.queries)
        var settings = CollectionTraining.Settings()
        (settings.trained, settings.augmentation) = (trained, augmentation)
        (settings.options.steps, settings.options.evaluations, settings.learningRate) = (40, 4, 3e-3)
        settings.mode = .block
        let cache = LocalVectorCache(folder: world.folder.url.appendingPathComponent("cache"))
        let released = try ReleasedEncoder(name: "toy", folder: world.model)
        return (
            try CollectionTraining(
                collection: collection, splits: JudgedSplits(collection), vectors: vectors, released: released,
                settings: settings, cache: cache), vectors, cache
        )
    }

    @Test func trainWriteLoadEvaluateSearch() async throws {
        let world = try PictureWorld()
        defer { world.remove() }
        let (training, vectors, cache) = try await training(world)
        #expect(training.settings.options.dropout == 0 && training.data.queries.isAugmented)
        let trained = try training.train(.mafin, checkpointFolder: nil)
        let folder = world.folder.url.appendingPathComponent("ART")
        try trained.write(to: folder)
        let model = try ArtefactModel(artefact: folder) { _ in world.model }
        let record = try #require(model.manifest.documentEncoder)
        #expect(record.imageSide == 16 && record.maximumLength == nil && record.folder == EncoderRecord.documentFolder)
        #expect(try ImageProcessor(folder: folder.appendingPathComponent(EncoderRecord.documentFolder)).side == 16)

        let collection = training.collection
        let split = try MeasuredSplit("test", of: collection, for: model.artefact)
        let evaluation = try ArtefactEvaluation(
            of: model, on: split, vectors: vectors, cache: cache, released: { _ in world.model })
        #expect(evaluation.omitted.contains { $0.name == "bm25" && $0.reason == "documents or queries have no text" })
        #expect(!evaluation.systems.contains { $0.name == "bm25" })
        let report = try evaluation.report()
        let figures = Dictionary(
            uniqueKeysWithValues: report.systems.map { ($0.name, $0.metrics[.nDCG(cutoff: 10)] ?? 0) })
        let (alone, mafin) = (try #require(figures["black-box"]), try #require(figures["artefact"]))
        #expect(mafin > alone + 0.1, "\(figures)")

        // A search by a picture ranks as the evaluation does.
        let search = try ArtefactSearch(
            model, documents: collection.documents, blackBox: vectors.documentVectors, cache: cache)
        let run = try #require(evaluation.systems.first { $0.name == "artefact" }?.run)
        for query in split.queries.prefix(5) {
            let hits = try search.hits(
                query.item, blackBoxVector: Array(vectors.queryVectors(of: [query]).values), count: 10)
            let expected = try #require(run[query.id]).prefix(10)
            #expect(hits.map(\.id) == expected.map(\.id))
            #expect(hits.allSatisfy { $0.image == "images/\($0.id).png" && $0.text.isEmpty })
        }
        #expect(throws: EncoderError.input(row: 0, expected: "an image", found: "a text")) {
            try search.hits("a text", blackBoxVector: nil, count: 1)
        }
    }

    /// The same seed gives the same weights; without augmentation they are others. Low-rank terms of the encoder's linear layers are trained alone.
    @Test func augmentationIsSeededAndTermsAreTrained() async throws {
        let world = try PictureWorld()
        defer { world.remove() }
        func weights(_ augmentation: ImageAugmentation, _ trained: TrainedPart) async throws -> [Float] {
            let (training, _, _) = try await training(world, trained: trained, augmentation: augmentation)
            return try training.train(.mafin, checkpointFolder: nil).encoder.encoder.weights()
        }
        let terms = TrainedPart(lowRank: LowRankOptions(rank: 2))
        let first = try await weights(ImageAugmentation(), terms)
        #expect(try await weights(ImageAugmentation(), terms) == first)
        #expect(try await weights(.off, terms) != first)
        let whole = try TransformerEncoder(modelFolder: world.model, imageSide: 16)
        #expect(first.count < whole.trainedParameterCount / 4)
    }

    /// Vectors are cached by the pictures' contents, for each side of images.
    @Test func vectorsAreCachedByContent() async throws {
        let world = try PictureWorld()
        defer { world.remove() }
        let documents = try RetrievalCollection(contentsOf: world.data).documents.map(\.item)
        let folder = world.folder.url.appendingPathComponent("cache")
        let cache = LocalVectorCache(folder: folder)
        func files() -> Int { (try? FileManager.default.contentsOfDirectory(atPath: folder.path).count) ?? 0 }
        func vectors(_ items: [Item], side: Int?) throws -> Matrix {
            let encoder = try TextEncoder(modelFolder: world.model, imageSide: side)
            return try cache.vectors(of: items, as: .document, encoder: encoder, weights: "w")
        }
        let first = try vectors(documents, side: nil)
        #expect(try vectors(documents, side: 16) == first && files() == 1)
        #expect(try vectors(documents, side: 20) != first && files() == 2)
        #expect(try vectors(Array(documents.dropLast()), side: nil).rows == documents.count - 1 && files() == 3)
    }

    @Test func anEncoderOfImagesIsABlackBox() async throws {
        let world = try PictureWorld()
        defer { world.remove() }
        let collection = try RetrievalCollection(contentsOf: world.data)
        let blackBox = try await FrozenEncoder(modelFolder: world.model)
        let vectors = try await blackBox.embed(collection.documents.map { EmbeddingItem($0) }, as: .document)
        let encoder = try TextEncoder(modelFolder: world.model)
        #expect(vectors == (try encoder.embed(collection.documents.map(\.item), prefix: "")))
        await #expect(throws: BlackBoxError.self) {
            try await blackBox.embed([EmbeddingItem(id: "1", text: "a text")], as: .query)
        }
    }
}
