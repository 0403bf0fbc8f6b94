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
    /// Pictures in classes, each with its two colours and noise. The black box knows their classes badly, the encoder not at all.
    struct World {
        static let classes = 8
        static let documentsOfClass = 5
        static let queriesOfClass = 10
        static let dimension = 12

        let folder: TemporaryFolder
        var data: URL { folder.url.appendingPathComponent("data") }
        var model: URL { folder.url.appendingPathComponent("model") }

        init() throws {
            folder = try TemporaryFolder()
            var random = RandomGenerator(seed: 11)
            func name(_ kind: String, _ number: Int) -> String { "images/\(kind)\(number).png" }
            for (kind, file, count) in [
                ("d", "corpus", Self.classes * Self.documentsOfClass), ("q", "queries", Self.classes * Self.queriesOfClass),
            ] {
                var lines = ""
                for number in 0..<count {
                    let path = name(kind, number)
                    let picture = Self.picture(of: number % Self.classes, &random)
                    try FileManager.default.createDirectory(
                        at: data.appendingPathComponent("images"), withIntermediateDirectories: true)
                    try picture.png(name: path).write(to: data.appendingPathComponent(path))
                    lines += "{\"_id\": \"\(kind)\(number)\", \"image\": \"\(path)\"}\n"
                }
                try folder.write(lines, to: "data/\(file).jsonl")
            }
            for (split, range) in [("train", 0..<6), ("dev", 6..<8), ("test", 8..<10)] {
                var labels = "query-id\tcorpus-id\tscore\n"
                for query in 0..<Self.classes * Self.queriesOfClass where range.contains(query / Self.classes) {
                    for document in 0..<Self.documentsOfClass {
                        labels += "q\(query)\td\(document * Self.classes + query % Self.classes)\t1\n"
                    }
                }
                try folder.write(labels, to: "data/qrels/\(split).tsv")
            }
            try writeModel()
        }

        func remove() { try? FileManager.default.removeItem(at: folder.url) }

        private static func picture(of kind: Int, _ random: inout RandomGenerator) -> PixelImage {
            let colours = [kind & 1, kind >> 1 & 1, kind >> 2 & 1].map { Float($0) * 120 + 60 }
            let pixels = (0..<20 * 20).flatMap { place in
                (0..<3).map { channel in
                    // The lower half has the colours of the upper half, the other way round.
                    let value = place < 200 ? colours[channel] : colours[2 - channel]
                    return UInt8(min(255, max(0, value + 30 * random.normal())))
                }
            }
            return PixelImage(width: 20, height: 20, pixels: pixels)
        }

        private func writeModel() throws {
            try folder.write(
                """
                {"model_type": "dinov2", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "mlp_ratio": 2, \
                "hidden_act": "gelu", "image_size": 20, "patch_size": 4, "layer_norm_eps": 1e-6}
                """, to: "model/config.json")
            try ImageProcessor(
                resize: .shortestEdge(18), filter: .bicubic, crop: 16, mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25]
            ).write(to: model)
            let encoder = TransformerEncoder(
                architecture: try Architecture.read(modelFolder: model), pooling: .firstToken, seed: 5)
            let saved = folder.url.appendingPathComponent("saved")
            try FileManager.default.createDirectory(at: saved, withIntermediateDirectories: true)
            try encoder.save(to: saved, tokenizerFrom: model)
            try FileManager.default.moveItem(
                at: saved.appendingPathComponent("model.safetensors"), to: model.appendingPathComponent("model.safetensors"))
        }
    }

    /// Gives each picture a vector near that of its class, by its id.
    private struct BadBlackBox: BlackBox {
        let identity = BlackBoxIdentity(provider: "toy", model: "classes", dimension: World.dimension, normalisation: .none)

        func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
            let rows = items.map { item -> [Float] in
                #expect(item.image != nil && item.text.isEmpty)
                let number = Int(item.id.dropFirst()) ?? 0
                var random = RandomGenerator(seed: UInt64(number % World.classes))
                var own = RandomGenerator(seed: UInt64(number) &+ (role == .query ? 5000 : 9000))
                return (0..<World.dimension).map { _ in random.normal() + 1.6 * own.normal() }
            }
            return Matrix(rows: items.count, columns: World.dimension, values: rows.flatMap { $0 })
        }
    }

    private func training(
        _ world: World, trained: TrainedPart = TrainedPart(), augmentation: ImageAugmentation = ImageAugmentation()
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
        let world = try World()
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
        #expect(evaluation.omitted.contains { $0.name == "bm25" && $0.reason == "the documents have no text" })
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
        let world = try World()
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
        let world = try World()
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
        let world = try World()
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
