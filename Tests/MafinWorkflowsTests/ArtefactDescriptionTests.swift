import Foundation
import MafinMethod
import MafinPipeline
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinWorkflows

@Suite struct ArtefactDescriptionTests {
    @Test func sourcesAreListedInOrderWithTheirFaces() throws {
        let toy = try ToySources()
        defer { toy.remove() }
        let folder = URL(fileURLWithPath: toy.artefact)
        let description = try ArtefactDescription(Artefact(readingFrom: folder))
        let sources = description.sources
        #expect(sources.map(\.source) == ToySources.weights.sources)
        #expect(sources.map(\.face) == [.dense, .dense, .sparse, .ours])
        #expect(sources.map(\.weight) == [1, 0.25, 0.375, 1.5])
        #expect(sources.map(\.share) == [1, 0.25, 0.375, 1.5].map { $0 / 3.125 })
        #expect(sources.map(\.dimension) == [8, 8, nil, 8])
        #expect(sources[0].bytes == nil)
        let lexical = try FileManager.default.attributesOfItem(
            atPath: folder.appendingPathComponent("lexical/statistics.json").path)
        #expect(sources[2].bytes == lexical[.size] as? Int)
        // The adapter shares the black box's document vectors.
        #expect(description.vectors.dimension == 8)
        #expect(description.vectors.leftOut.map(\.rawValue) == ["bm25", "query-memory-wide"])
        #expect(description.vectors.cost == nil)

        let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(description)) as? [String: Any]
        let json = try #require(object)
        #expect(json["system"] as? String == "toy-sum" && json["formatVersion"] as? Int == 3)
        #expect(
            (json["ranking"] as? [[String: Any]])?.map { $0["face"] as? String } == [
                "dense", "dense", "sparse", "ours",
            ])
        #expect((json["vectors"] as? [String: Any])?["leftOut"] as? [String] == ["bm25", "query-memory-wide"])
    }

    /// The weights without the black box stand beside the others, and the curve is in the JSON.
    @Test func aStandInIsDescribed() throws {
        let toy = try ToySources(hasStandIn: true)
        defer { toy.remove() }
        let description = try ArtefactDescription(Artefact(readingFrom: URL(fileURLWithPath: toy.artefact)))
        #expect(description.sources.map(\.source) == ToySources.weights.sources + [.standIn])
        #expect(description.sources.map(\.weight) == [1, 0.25, 0.375, 1.5, 0])
        #expect(description.sources.map(\.offlineWeight) == [0, 0, 0.2, 0, 0.8])
        #expect(description.vectors.leftOut.map(\.rawValue) == ["bm25", "query-memory-wide"])
        let json = try #require(
            try JSONSerialization.jsonObject(with: JSONEncoder().encode(description)) as? [String: Any])
        let asking = (json["offline"] as? [String: Any])?["asking"] as? [[String: Any]]
        #expect(asking?.map { $0["metric"] as? Double } == [0.25, 0.375])
    }

    @Test func theCostOfLeavingSourcesOutIsShownIfItWasMeasured() throws {
        let toy = try ToySources()
        defer { toy.remove() }
        let file = URL(fileURLWithPath: toy.artefact).appendingPathComponent("manifest.json")
        var manifest = try JSONDecoder().decode(ArtefactManifest.self, from: Data(contentsOf: file))
        manifest.test = EvaluationReport(
            split: "test", baseline: "black-box", queries: 5, queriesWithoutRelevantDocument: 0,
            systems: [("black-box", 0.3), ("artefact-dense", 0.35), ("artefact", 0.4)].map {
                SystemEvaluation(name: $0.0, metrics: [.nDCG(cutoff: 10): $0.1], difference: nil)
            })
        try JSONEncoder().encode(manifest).write(to: file)
        let cost = try #require(
            try ArtefactDescription(Artefact(readingFrom: URL(fileURLWithPath: toy.artefact))).vectors.cost)
        #expect(cost.split == "test" && cost.metric == .nDCG(cutoff: 10) && cost.all == 0.4 && cost.dense == 0.35)
    }
}
