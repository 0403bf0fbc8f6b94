import Foundation
import MafinBlackBox
import MafinEncoder
import MafinImages
import MafinMethod
import MafinNumerics
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinPipeline
@testable import MafinServer

/// A service of an artefact whose local encoder reads images.
@Suite struct PictureServingTests {
    /// Gives each picture a vector by its content.
    private struct ByContent: BlackBox {
        let identity = BlackBoxIdentity(provider: "toy", model: "content", dimension: 6, normalisation: .unit)

        func embed(_ items: [EmbeddingItem], as role: TextRole) async throws -> Matrix {
            let values = items.flatMap { item -> [Float] in
                var random = RandomGenerator(seed: UInt64((item.image?.contentHash ?? "").prefix(12), radix: 16) ?? 0)
                return (0..<6).map { _ in random.normal() }
            }
            return Matrix(rows: items.count, columns: 6, values: values).normalizedRows().matrix
        }
    }

    @Test func searchesAndEmbedsPictures() async throws {
        let world = try PictureWorld()
        defer { world.remove() }
        let artefact = world.folder.url.appendingPathComponent("ART")
        let index = world.folder.url.appendingPathComponent("INDEX")
        let encoder = try TextEncoder(modelFolder: world.model)
        let record = EncoderRecord(
            name: "toy", folder: EncoderRecord.documentFolder, dimension: 32, pooling: "cls", maximumLength: nil,
            imageSide: PictureWorld.encodedSide)
        try Artefact.write(
            ArtefactManifest(
                blackBox: ByContent().identity, blackBoxDimension: 6,
                mixing: Mixture(MixtureWeights(lambda: 0.4, temperature: 0.05)), documentEncoder: record,
                verdict: Verdict(lambda: 0.4, metric: "nDCG@10", difference: nil, queries: 0)), to: artefact,
            saveDocumentEncoder: { try encoder.save(to: $0) })
        @Sendable func model() throws -> ArtefactModel {
            try ArtefactModel(artefact: artefact, released: { _ in throw CancellationError() })
        }
        let collection = try RetrievalCollection(contentsOf: world.data)
        try await SearchIndex.write(
            model(), documents: collection.documents, collection: "pictures", asking: ByContent(), to: index)
        var options = ServiceOptions()
        options.name = "pictures"
        let service = try await MafinService(options: options, keys: KeyRing(), log: .none) { _ in
            LoadedArtefact(model: try model(), blackBox: ByContent(), index: index)
        }
        let query = try #require(collection.queries[3].image)
        let vectors = try await ByContent().embed([EmbeddingItem(collection.queries[3])], as: .query)
        let expected = try await ArtefactSearch(
            model(), documents: collection.documents,
            blackBox: ByContent().embed(collection.documents.map { EmbeddingItem($0) }, as: .document),
            cache: LocalVectorCache(folder: nil)
        ).hits(collection.queries[3].item, blackBoxVector: vectors.values, count: 10)
        let joined = try await model().embed(
            [EmbeddingItem(collection.queries[3])], as: .query, asking: ByContent())
        let url = try query.dataURL()
        try await service.serving { client in
            let found = try await client.post("/search", ["image": url, "thumbnails": true])
            #expect(found.status == 200, "\(found.text)")
            let hits = try #require(found.json["results"] as? [[String: Any]])
            #expect(hits.compactMap { $0["id"] as? String } == expected.map(\.id))
            #expect(hits.allSatisfy { ($0["thumbnail"] as? String)?.hasPrefix("data:image/png;base64,") == true })
            #expect(hits.compactMap { $0["image"] as? String } == expected.compactMap(\.image))
            let plain = try await client.post("/search", ["image": url])
            let plainHits = try #require(plain.json["results"] as? [[String: Any]])
            #expect(!plainHits.isEmpty && plainHits.allSatisfy { $0["thumbnail"] == nil })

            let cohere = try await client.post("/v2/embed", ["images": [url], "input_type": "search_query"])
            #expect(cohere.status == 200, "\(cohere.text)")
            let rows = try #require((cohere.json["embeddings"] as? [String: Any])?["float"] as? [[NSNumber]])
            try #require(rows.map(\.count) == [joined.columns])
            #expect(largestDifference(rows[0].map(\.floatValue), joined.values) < 1e-5)

            // The same picture in parts, as Cohere and Voyage write them.
            let ofCohere: [String: Any] = ["type": "image_url", "image_url": ["url": url]]
            let ofVoyage = [["type": "text", "text": "a caption"], ["type": "image_base64", "image_base64": url]]
            let cohereInputs: [[String: Any]] = [["content": [ofCohere]]]
            let voyageBody: [String: Any] = [
                "input_type": "query", "model": "pictures", "inputs": [["content": ofVoyage]],
            ]
            let inParts = try await client.post(
                "/v2/embed", ["input_type": "search_query", "inputs": cohereInputs])
            #expect(inParts.status == 200, "\(inParts.text)")
            let voyage = try await client.post("/v1/multimodalembeddings", voyageBody)
            #expect(voyage.status == 200, "\(voyage.text)")
            let usage = try #require(voyage.json["usage"] as? [String: Any])
            #expect(usage["image_pixels"] as? Int == PictureWorld.side * PictureWorld.side)
            for rows in [
                (inParts.json["embeddings"] as? [String: Any])?["float"] as? [[NSNumber]] ?? [],
                try voyage.vectors().map { $0.map { NSNumber(value: $0) } },
            ] {
                try #require(rows.map(\.count) == [joined.columns])
                #expect(largestDifference(rows[0].map(\.floatValue), joined.values) < 1e-5)
            }
            for (content, named) in [
                ([["type": "video_url", "video_url": url]], "inputs[0].content[0].type"),
                ([["type": "image_url", "image_url": url], ["type": "image_url", "image_url": url]], "one image"),
                ([["type": "image_base64", "image_base64": "x"]], "inputs[0].content[0] must be a data URL"),
                ([], "content"),
            ] as [([[String: String]], String)] {
                let answer = try await client.post("/v1/multimodalembeddings", ["inputs": [["content": content]]])
                #expect(answer.status == 400 && answer.message.contains(named), "\(answer.text)")
            }

            // A text, what is no picture, and a broken picture are the client's faults.
            let text = try await client.post("/search", ["query": "a text"])
            #expect(text.status == 422 && text.message.contains("reads images"), "\(text.text)")
            let wrong = try await client.post("/search", ["image": "http://example.org/a.png"])
            #expect(wrong.status == 400 && wrong.message.contains("data URL"), "\(wrong.text)")
            let broken = "data:image/png;base64," + Data(try query.bytes().prefix(60)).base64EncodedString()
            let refused = try await client.post("/search", ["image": broken])
            #expect(refused.status == 422, "\(refused.text)")
            let explained = try await client.post("/explain", ["query": "a", "document": "d0"])
            #expect(explained.status == 422 && explained.code == "no_words", "\(explained.text)")
            let ready = try await client.get("/readyz")
            #expect(ready.status == 200, "\(ready.text)")
        }
    }
}
