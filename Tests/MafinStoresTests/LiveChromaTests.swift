import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinTestSupport
import NIOHTTP1
import Testing

@testable import MafinPipeline
@testable import MafinStores

/// Against a real server: `Scripts/test-stores.sh` starts one and names it in `MAFIN_TEST_CHROMA` (`http://HOST:PORT`).
@Suite(.enabled(if: LiveServers.chroma != nil, "MAFIN_TEST_CHROMA names no server"))
struct LiveChromaTests {
    private func joined(_ batch: StoreBatch) -> StoreBatch {
        var values: [Float] = []
        for row in 0..<batch.count { for part in batch.dense { values += part.row(row) } }
        return StoreBatch(
            ids: batch.ids, hashes: batch.hashes,
            dense: [Matrix(rows: batch.count, columns: values.count / batch.count, values: values)], sparse: [])
    }

    @Test func theBestTenAreOursAndVectorsComeBack() async throws {
        let world = LiveWorld(documents: 2300)
        let url = try #require(LiveServers.chroma)
        let name = "c\(UUID().uuidString.lowercased())"
        let schema = StoreSchema(parts: [StorePart(name: "joined", face: .dense, dimension: 128)])
        let store = try ChromaStore(url: url, collection: name, StoreConnection())
        _ = try await store.prepare(schema)
        try await store.write(joined(try world.batch(0..<1500)))
        let again = try ChromaStore(url: url, collection: name, StoreConnection())
        _ = try await again.prepare(schema)
        #expect(try await again.storedHashes(of: world.ids).count == 1500)
        try await again.write(joined(try world.batch(1000..<2300, version: "2")))
        let known = try await again.storedHashes(of: world.ids)
        #expect(known.count == 2300 && known.values.count { $0.hasPrefix("2-") } == 1300)

        let dense = SourceWeights([(.blackBox, 0.6), (.local, 0.4), (.bm25, 0)])
        let expected = try world.rankings(count: 10, weights: dense)
        let terms = world.terms.filter { $0.part != "bm25" }
        let server = try StoreServer(.chroma, url: url, StoreConnection())
        let collection = try #require(
            try await server.send(.GET, "\(ChromaStore.collections)/\(name)", what: "a test").body["id"]?.text)
        var found = 0
        for query in 0..<world.queries.count {
            let text = ChromaQuery(collection: name, schema: world.schema).text(
                terms, count: 10, vectors: try world.vectors(of: query))
            let body = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.joined(separator: "\n")
            let answer = try await server.send(
                .POST, "\(ChromaStore.collections)/\(collection)/query", Array(body.utf8), what: "a test")
            let ids = try #require(answer.body["ids"]?.elements?.first?.elements).compactMap(\.text)
            let distances = try #require(answer.body["distances"]?.elements?.first?.floats)
            found += Set(ids).intersection(expected[query].map(\.id)).count
            for (id, distance) in zip(ids, distances) {
                if let own = expected[query].first(where: { $0.id == id }) {
                    #expect(abs(own.score - (1 - distance)) < 1e-4)
                }
            }
        }
        // Chroma searches approximately.
        let recall = Double(found) / Double(10 * world.queries.count)
        print("recall@10 of Chroma, 2300 × 128: \(recall)")
        #expect(recall > 0.9)

        try await TemporaryFolder.with { folder in
            let file = folder.url.appendingPathComponent("corpus.npy")
            let taken = try await VectorImport(parsing: "chroma:\(url)/\(name)").write(to: file)
            #expect(taken.vectors == 2300 && taken.dimension == 128)
            let rows = try NumPyFile.read(file)
            let lines = try String(contentsOf: folder.url.appendingPathComponent("corpus.ids"), encoding: .utf8).split(
                separator: "\n")
            let place = try #require(lines.firstIndex(of: "d5"))
            #expect(Array(rows.row(place)) == Array(joined(try world.batch(5..<6)).dense[0].row(0)))
        }
    }

    @Test func otherSpacesAndDimensionsAreRefused() async throws {
        let url = try #require(LiveServers.chroma)
        let server = try StoreServer(.chroma, url: url, StoreConnection())
        let name = "c\(UUID().uuidString.lowercased())"
        let body: JSONNode = ["name": .text(name), "configuration": ["hnsw": ["space": "l2"]]]
        _ = try await server.send(.POST, ChromaStore.collections, body.bytes, what: "a test")
        let store = try ChromaStore(url: url, collection: name, StoreConnection())
        let error = await #expect(throws: StoreError.self) {
            try await store.prepare(StoreSchema(parts: [StorePart(name: "joined", face: .dense, dimension: 4)]))
        }
        #expect(error?.description.contains("found l2") == true, "\(String(describing: error))")
        let unnamed = try ChromaStore(url: url, collection: "a", StoreConnection())
        await #expect(throws: StoreError.self) {
            try await unnamed.prepare(StoreSchema(parts: [StorePart(name: "joined", face: .dense, dimension: 4)]))
        }
    }
}
