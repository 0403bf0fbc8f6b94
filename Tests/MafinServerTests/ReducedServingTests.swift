import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinPipeline
@testable import MafinServer

/// An index and a service of an artefact whose vectors are reduced.
@Suite struct ReducedServingTests {
    /// Replaces the artefact of a toy by one with random maps into five numbers.
    static func reduce(_ toy: ToyArtefact, seed: UInt64 = 1) throws {
        let model = try toy.model()
        let joined = model.sources.unreduced.joinedDimension
        var random = RandomGenerator(seed: seed)
        func map() -> Matrix {
            Matrix(rows: 5, columns: joined, values: (0..<5 * joined).map { _ in random.normal() })
        }
        let record = ReductionRecord(
            dimension: 5, kind: .closedForm, sources: model.manifest.denseRecords,
            weights: model.manifest.mixing.rankingWeights,
            development: EvaluationReport(
                split: "dev", baseline: ReductionRecord.fullName, queries: 0, queriesWithoutRelevantDocument: 0,
                systems: []))
        try model.artefact.write(
            DimensionReduction(documents: map(), queries: map()), record, fittedTo: KnownQueries([]),
            to: toy.artefact)
    }

    @Test func theIndexHoldsOnePartAndTheServiceRanksByIt() async throws {
        let toy = try ToyArtefact()
        try Self.reduce(toy)
        try await toy.writeIndex(.init(blockSize: 13))
        let manifest = try SearchIndex(readingFrom: toy.index, verification: .content).manifest
        #expect(manifest.parts.map(\.source) == [.reduced] && manifest.parts.map(\.dimension) == [5])
        #expect(manifest.documentEncoder != nil)
        let model = try toy.model()
        let vectors = Matrix(
            rows: ToyArtefact.documents.count, columns: ToyBlackBox.dimension,
            values: ToyArtefact.documents.flatMap { ToyBlackBox.vector($0.textForEncoding, .document) })
        let search = try ArtefactSearch(
            model, documents: ToyArtefact.documents, blackBox: vectors, cache: LocalVectorCache(folder: nil))
        let service = try await toy.service(withIndex: true)
        let query = "w3 w4"
        let (ranked, moved, vector) = try await service.serving { client in
            func hits(_ body: [String: Any]) async throws -> Hits {
                let answer = try await client.post("/search", body.merging(["query": query, "top": 58]) { $1 })
                #expect(answer.status == 200, "\(answer.text)")
                return Hits(rows: try #require(answer.json["results"] as? [[String: Any]]))
            }
            let answer = try await client.post(
                "/v1/embeddings", ["input": [query], "model": "toy", "input_type": "query"])
            #expect(answer.status == 200, "\(answer.text)")
            let data = try #require(answer.json["data"] as? [[String: Any]])
            return (
                try await hits([:]), try await hits(["weights": ["local": 0]]),
                Hits(rows: data)
            )
        }
        let embedding = try #require(vector.rows[0]["embedding"] as? [NSNumber])
        #expect(embedding.count == 5)
        for (served, weights) in [
            (ranked, nil), (moved, model.manifest.mixing.rankingWeights.replacing([.local: 0])),
        ] {
            let own = try search.hits(
                query, blackBoxVector: ToyBlackBox.vector(query, .query), count: 58, weights: weights)
            #expect(served.rows.compactMap { $0["id"] as? String } == own.map(\.id))
            for (hit, expected) in zip(served.rows, own) {
                let score = try #require(hit["score"] as? NSNumber).floatValue
                #expect(abs(score - expected.score) < 1e-4 * max(1, abs(expected.score)))
                // The index does not hold the black box's own vectors.
                #expect(hit["black_box_rank"] as? Int == nil)
            }
        }
    }

    private struct Hits: @unchecked Sendable { var rows: [[String: Any]] }

    @Test func anIndexOfOtherMapsIsRefused() async throws {
        let toy = try ToyArtefact()
        try await toy.writeIndex()
        let full = try SearchIndex(readingFrom: toy.index)
        try Self.reduce(toy)
        let lacking = #expect(throws: IndexError.self) {
            try full.require(toy.model().artefact, sources: toy.model().sources, queries: .float32)
        }
        #expect(lacking?.description.contains("no vectors of the source reduced") == true)
        try await toy.writeIndex()
        let index = try SearchIndex(readingFrom: toy.index)
        try index.require(toy.model().artefact, sources: toy.model().sources, queries: .float32)
        // Another encoder of queries needs no other index.
        try toy.write(seed: 8)
        try Self.reduce(toy)
        try index.require(toy.model().artefact, sources: toy.model().sources, queries: .float32)
        try Self.reduce(toy, seed: 2)
        let other = #expect(throws: IndexError.self) {
            try index.require(toy.model().artefact, sources: toy.model().sources, queries: .float32)
        }
        #expect(other?.description.contains("another reduced") == true)
    }
}
