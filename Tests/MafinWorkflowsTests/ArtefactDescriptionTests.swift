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
        #expect(description.sources.map(\.offlineWeight) == [0, 0, 0.25, 0, 1])
        #expect(description.vectors.leftOut.map(\.rawValue) == ["bm25", "query-memory-wide"])
        let json = try #require(
            try JSONSerialization.jsonObject(with: JSONEncoder().encode(description)) as? [String: Any])
        let asking = (json["offline"] as? [String: Any])?["asking"] as? [[String: Any]]
        #expect(asking?.map { $0["metric"] as? Double } == [0.25, 0.375])
    }

    /// Artefacts are data from strangers: numbers that would end the program are refused when one is read.
    @Test func hostileNumbersOfAStandInAreRefused() throws {
        func fault(_ change: (inout [String: Any]) -> Void) throws -> String {
            let toy = try ToySources(hasStandIn: true)
            defer { toy.remove() }
            let file = URL(fileURLWithPath: toy.artefact).appendingPathComponent("manifest.json")
            var object = try #require(
                try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
            change(&object)
            try JSONSerialization.data(withJSONObject: object).write(to: file)
            do {
                _ = try toy.model()
                return ""
            } catch {
                return "\(error)"
            }
        }
        func weights(_ owner: inout [String: Any], _ values: [SourceName: Double]) {
            var mixing = owner["mixing"] as? [String: Any] ?? [:]
            mixing["weights"] = (mixing["weights"] as? [[String: Any]] ?? []).map { entry -> [String: Any] in
                let name = SourceName(rawValue: entry["source"] as? String ?? "")
                return ["source": name.rawValue, "weight": values[name] ?? entry["weight"] ?? 0]
            }
            owner["mixing"] = mixing
        }
        func offline(_ object: inout [String: Any], _ change: (inout [String: Any]) -> Void) {
            var offline = object["offline"] as? [String: Any] ?? [:]
            change(&offline)
            object["offline"] = offline
        }
        #expect(try fault { _ in } == "")
        #expect(try fault { weights(&$0, [.standIn: 1]) }.contains("'mixing.weights': expected 0 for stand-in"))
        #expect(
            try fault { weights(&$0, [.blackBox: 1e-30, .bm25: 1e30]) }.contains("'mixing.weights': expected 0, or"))
        #expect(try fault { weights(&$0, [.blackBox: 3e38, .bm25: 3e38]) }.contains("a finite sum"))
        #expect(
            try fault { offline(&$0) { weights(&$0, [.standIn: 1e-30, .bm25: 1e9]) } }.contains(
                "'offline.mixing.weights': expected 0, or"))
        for length in [-1, 0, 1, 2] {
            let found = try fault {
                offline(&$0) {
                    var encoder = $0["encoder"] as? [String: Any] ?? [:]
                    encoder["maximumLength"] = length
                    $0["encoder"] = encoder
                }
            }
            #expect(found.contains("more than its 2 special tokens, found \(length)"), "\(found)")
        }
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
