import Foundation
import MafinMethod
import MafinPipeline
import MafinTestSupport
import Testing

@testable import MafinComparison
@testable import MafinRetrieval

/// What a comparison measures, keeps and ships without the black box's query vectors.
@Suite struct ComparisonStandInTests {
    private static let offline = ["stand-in", "mafin-offline", "mafin-offline+bm25", "composition-offline"]
    private static let systems = ["black-box+bm25", "mafin"] + offline

    private func artefact(_ folder: URL, of toy: ToyComparison) throws -> ArtefactModel {
        let encoder = toy.folder.url.appendingPathComponent("encoder")
        return try ArtefactModel(artefact: folder) { _ in encoder }
    }

    private func evaluation(of model: ArtefactModel, _ toy: ToyComparison) async throws -> [String: RunEvaluation] {
        let collection = toy.training.collection
        let split = try MeasuredSplit("test", of: collection, for: model.artefact)
        let encoder = toy.folder.url.appendingPathComponent("encoder")
        let vectors = try await BlackBoxVectors(
            asking: ToyComparison.WordSums(), documents: collection.documents, queries: split.queries)
        let found = try ArtefactEvaluation(
            of: model, on: split, vectors: vectors,
            cache: LocalVectorCache(folder: toy.folder.url.appendingPathComponent("cache")), released: { _ in encoder })
        return Dictionary(
            uniqueKeysWithValues: found.systems.map { ($0.name, evaluate($0.run, against: split.qrels)) })
    }

    /// The artefact of the chosen system ranks without asking exactly as the rows of its seed do, and so does that of a system
    /// without an encoder of its own.
    @Test func theArtefactAnswersWithoutAskingAsMeasured() async throws {
        let toy = try await ToyComparison()
        defer { toy.remove() }
        let comparison = try toy.comparison(Self.systems)
        let outcome = try comparison.run()
        let made = Set(outcome.names), left = Set(outcome.omissions.map(\.name))
        #expect(Set(Self.offline).isSubset(of: made.union(left)) && !made.isDisjoint(with: Self.offline))
        for row in outcome.rows where row.isOffline {
            let sureness = try #require(row.sureness)
            #expect(sureness.development.count == 10 && sureness.measured.count == row.evaluation.queryIds.count)
            #expect((sureness.development + sureness.measured).allSatisfy { (0...1).contains($0) })
            #expect(outcome.developmentValues(of: row)?.count == 10)
            #expect(row.sources?.contains(.standIn) == true && row.sources?.contains(.blackBox) == false)
        }
        let candidate = try #require(ComparisonVerdict.candidate(of: outcome))
        #expect(!Self.offline.contains(candidate))
        let verdict = try #require(ComparisonVerdict(outcome, metric: .nDCG(cutoff: 10)))
        #expect(verdict.offline?.system == ComparisonVerdict.offlineSystem(of: outcome))
        #expect(outcome.askingCurve(metric: .nDCG(cutoff: 10))?.points.last?.development.asked == 1)

        for (name, folder) in [(candidate, toy.store.artefact), ("black-box+bm25", toy.url("SHIPPED"))] {
            if folder != toy.store.artefact { try toy.store.ship(name, to: folder) }
            let model = try artefact(folder, of: toy)
            let row = try #require(try toy.store.offlineRow(inArtefactOf: name, form: .unit))
            #expect(row.name == verdict.offline?.system && model.standIn != nil)
            let measured = try await evaluation(of: model, toy)
            #expect(measured["mafin-offline"] == row.evaluation)
            let standIn = outcome.rows.first { $0.name == "stand-in" && $0.seed == row.seed }
            if let standIn { #expect(measured["stand-in"] == standIn.evaluation) }
            let online = try #require(
                outcome.rows.first { $0.name == name && $0.seed == (try? toy.store.shippable(name).seed) })
            #expect(measured["artefact"] == online.evaluation)
            let manifest = model.manifest
            #expect(manifest.system == name && manifest.test != nil && manifest.offline?.training?.mode == "stand-in")
            let asking = try #require(manifest.offline?.asking)
            #expect(asking.first?.asked == 0 && asking.last?.asked == 1)
            let known = try #require(outcome.developmentValues(of: online))
            #expect(abs((asking.last?.metric ?? 0) - known.reduce(0, +) / 10) < 1e-6)
            // Documents are encoded by the released encoder, which is not copied.
            if name == "black-box+bm25", model.encoder != nil {
                #expect(manifest.documentEncoder?.folder == nil && manifest.queryEncoder == nil)
                #expect(measured["mafin"] == nil && model.manifest.mixing.weights[.local] == 0)
            }
        }
    }

    /// Two words each: the special tokens and the prefix of the local encoder are not sent to the black box.
    @Test func theTokensOfQueriesAreThoseOfTheirTexts() async throws {
        let toy = try await ToyComparison()
        defer { toy.remove() }
        #expect(try toy.training.meanQueryTokens() == 2)
    }

    /// Every wanted system without the black box is named with the reason why it is missing, or why seeds of it are.
    @Test func eachMissingSumIsNamed() async throws {
        let failure = "The loss was not finite."
        let toy = try await ToyComparison()
        defer { toy.remove() }
        let wanted = Array(Self.offline.dropFirst())
        let comparison = try toy.comparison(["black-box+bm25"] + wanted)
        for seed: UInt64 in [1, 2] {
            try toy.store.write(ComparisonUnit(seconds: 1, failure: failure), "stand-in.\(seed)")
        }
        let failed = try comparison.run()
        #expect(Set(wanted).isSubset(of: failed.omissions.filter { $0.reason == failure }.map(\.name)))

        let other = try await ToyComparison()
        defer { other.remove() }
        let one = try other.comparison(Self.systems, seeds: 1).run()
        var unit = try #require(try other.store.unit("stand-in.1"))
        let made = Set(unit.rows.map(\.name))
        #expect(!made.isEmpty && one.omissions.allSatisfy { !made.contains($0.name) })
        let left = Set(one.omissions.map(\.name))
        #expect(made.union(left).isSuperset(of: Self.offline))
        // The same with another seed, after all the time was used up.
        let third = try await ToyComparison()
        defer { third.remove() }
        unit.seconds = 5_000
        let resumed = try third.comparison(Self.systems, seeds: 2)
        try third.store.write(unit, "stand-in.1")
        let two = try resumed.run()
        for name in made {
            let reason = try #require(two.omissions.first { $0.name == name }?.reason, "\(name)")
            #expect(reason.hasPrefix("1 of 2 seeds was measured. "), "\(reason)")
        }
    }

    /// Stand-ins of the best seeds are kept; they are no systems of their own; a finished comparison gives the same again.
    @Test func onlyWhatIsNeededIsKept() async throws {
        let toy = try await ToyComparison()
        defer { toy.remove() }
        let outcome = try toy.comparison(Self.systems).run()
        let best = ComparisonStore.best(outcome.rows).values.filter(\.isOffline)
        let kept = try FileManager.default.contentsOfDirectory(atPath: toy.url("state/stand-ins").path)
        #expect(Set(kept) == Set(best.map { "\($0.seed)" }))
        for row in outcome.rows where row.isOffline {
            #expect(
                toy.exists("state/systems/\(row.name).\(row.seed)")
                    == best.contains { ($0.name, $0.seed) == (row.name, row.seed) })
        }
        #expect(Set(try toy.store.shippable()).isDisjoint(with: Self.offline))
        #expect(throws: ComparisonError.self) { try toy.store.ship("mafin-offline", to: toy.url("X")) }
        var trained = false
        let again = try toy.comparison(
            Self.systems,
            onEvent: { event in
                if case .trainingStandIn = event { trained = true }
            }
        ).run()
        #expect(!trained && again.rows.map(\.sureness) == outcome.rows.map(\.sureness))
        #expect(again.omissions.map(\.name) == outcome.omissions.map(\.name))
        #expect(again.askingCurve(metric: .nDCG(cutoff: 10)) == outcome.askingCurve(metric: .nDCG(cutoff: 10)))
    }
}
