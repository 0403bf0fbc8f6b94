import Foundation
import MafinCommandLine
import MafinReport
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinCLI

/// `mafin ship`, run as a user runs it, after a comparison that trains no encoder.
@Suite("Commands: ship", .enabled(if: Program.url != nil, Comment(rawValue: Program.skipMessage)))
struct ShipEndToEndTests {
    private static let compare =
        ["compare"] + TinyWorld.training + [
            "--output", "REPORT", "--mode", "query", "--epochs", "1", "--allow-leak", "--seeds", "1", "--quiet",
            "--systems", "bm25,black-box+bm25,black-box+bm25-rrf,query-memory",
        ]

    private func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
    }

    @Test func anyMeasuredSumBecomesAnArtefact() async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        let early = try await world.mafin(["ship", "REPORT", "--output", "ART"])
        #expect(early.status == CommandStatus.data.rawValue && early.error.contains("holds no finished comparison"))
        let compare = try await world.mafin(Self.compare)
        try #require(compare.status == 0, "\(compare.error)")
        let file = world.url("REPORT/report.json")
        let facts = try ComparisonFacts(json: Data(contentsOf: file), path: file.path)

        for name in ["query-memory", "black-box+bm25"] {
            let ship = try await world.mafin(["ship", "REPORT", "--output", "ART", "--system", name, "--json"])
            try #require(ship.status == 0, "\(ship.error)")
            #expect(try object(ship.output)["system"] as? String == name)
            // The ranking of the shipped artefact is the one that was measured.
            let evaluate = try await world.mafin(["evaluate", "ART", "--data", "data", "--json", "--quiet"])
            #expect(evaluate.status == 0, "\(evaluate.error)")
            let systems = try #require(try object(evaluate.output)["systems"] as? [[String: Any]])
            let own = try #require(systems.first { $0["name"] as? String == "artefact" })
            let value = try #require((own["metrics"] as? [String: Double])?["nDCG@10"])
            let measured = try #require(facts.system(named: name)?.metrics[.nDCG(cutoff: 10)])
            #expect(abs(value - measured) < 1e-9, "\(name)")
        }
        let inspect = try await world.mafin(["inspect", "ART"])
        #expect(inspect.status == 0 && inspect.output.contains("databases with sparse vectors"), "\(inspect.error)")

        let chosen = try await world.mafin(["ship", "REPORT", "--output", "CHOSEN", "--json"])
        #expect(chosen.status == 0, "\(chosen.error)")
        let system = try #require(try object(chosen.output)["system"] as? String)
        if let verdict = facts.verdict { #expect(system == verdict.system) }
        let ranks = try await world.mafin(["ship", "REPORT", "--output", "X", "--system", "black-box+bm25-rrf"])
        #expect(ranks.status == CommandStatus.usage.rawValue && ranks.error.contains("it adds ranks"), "\(ranks.error)")
        let unknown = try await world.mafin(["ship", "REPORT", "--output", "X", "--system", "query-memry"])
        #expect(
            unknown.status == CommandStatus.usage.rawValue && unknown.error.contains("did you mean 'query-memory'?"))
        let occupied = try await world.mafin(["ship", "REPORT", "--output", "data"])
        #expect(
            occupied.status == CommandStatus.usage.rawValue
                && !FileManager.default.fileExists(atPath: world.url("X").path))
    }
}
