import Foundation
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinTestSupport
import Testing

@testable import MafinComparison
@testable import MafinRetrieval

/// What a comparison keeps, chooses and leaves out, with toy trainings.
@Suite struct ComparisonTests {
    private static let metric = Metric.nDCG(cutoff: 10)

    /// A query of test repeats one of train but for case and punctuation, under an id of its own.
    @Test func aTwinOfALearnedQueryIsNotMeasured() async throws {
        let toy = try await ToyComparison(leaks: true)
        defer { toy.remove() }
        #expect(
            throws: RetrievalError.knownQueries(
                split: "test", known: 1, measured: 10, identifier: "q30", text: "W0, f5?")
        ) { try toy.comparison(["mafin"]) }
        _ = try toy.comparison(["mafin"], allowsLeaks: true)
    }

    /// A kill or a full disk between a training and its record: a folder stands where the record would go.
    @Test func nothingIsRemovedBeforeTheRecordIsWritten() async throws {
        let toy = try await ToyComparison()
        defer { toy.remove() }
        let block = toy.url("state/units/mafin.2.json/in-the-way")
        let first = try toy.comparison(["mafin"])
        try FileManager.default.createDirectory(at: block, withIntermediateDirectories: true)
        #expect(throws: (any Error).self) { try first.run() }
        // The first seed is recorded, so its artefact may be chosen. The second can continue from its checkpoint.
        #expect(toy.exists("state/units/mafin.1.json"))
        #expect(
            toy.exists("state/artefacts/mafin.1/manifest.json") && toy.exists("state/artefacts/mafin.2/manifest.json"))
        #expect(!toy.exists("state/checkpoints/mafin.1"))
        #expect(toy.exists("state/checkpoints/mafin.2"))

        try FileManager.default.removeItem(at: block.deletingLastPathComponent())
        let outcome = try toy.comparison(["mafin"]).run()
        #expect(outcome.trainings.map(\.seed) == [1, 2])
        let chosen = try #require(outcome.chosen)
        let best = try #require(outcome.rows.filter { $0.name == "mafin" }.map(\.development).max())
        #expect(outcome.rows.first { $0.name == "mafin" && $0.seed == chosen.seed }?.development == best)
        // The best seed can still be shipped; the other is removed.
        let other = 3 - chosen.seed
        #expect(toy.exists("artefact/manifest.json") && !toy.exists("state/checkpoints"))
        #expect(toy.exists("state/artefacts/mafin.\(chosen.seed)") && !toy.exists("state/artefacts/mafin.\(other)"))
        #expect(
            toy.exists("state/vectors/mafin.\(chosen.seed).queries.npy")
                && !toy.exists("state/vectors/mafin.\(other).queries.npy"))
    }

    /// A kill between writing a record and removing files that are no longer needed. The next run removes them, but
    /// nothing of the current training.
    @Test func filesLeftByAKillAreRemovedByTheNextRun() async throws {
        let toy = try await ToyComparison()
        defer { toy.remove() }
        let block = toy.url("state/units/tuned-alone.1.json/in-the-way")
        let first = try toy.comparison(["mafin", "tuned-alone"], seeds: 1)
        try FileManager.default.createDirectory(at: block, withIntermediateDirectories: true)
        #expect(throws: (any Error).self) { try first.run() }
        #expect(toy.exists("state/checkpoints/tuned-alone.1"))
        // As if the run had been killed before it removed the files of the first training.
        try toy.folder.write("old", to: "REPORT/state/checkpoints/mafin.1/latest.json")
        try FileManager.default.removeItem(at: block.deletingLastPathComponent())
        var untouched = false
        let second = try toy.comparison(
            ["mafin", "tuned-alone"], seeds: 1,
            onEvent: { event in
                if case .began(name: "tuned-alone", seed: _) = event {
                    untouched =
                        toy.exists("state/checkpoints/tuned-alone.1") && !toy.exists("state/checkpoints/mafin.1")
                }
            })
        let outcome = try second.run()
        #expect(untouched && outcome.trainings.count == 2)
    }

    /// A damaged checkpoint is not a failure of the method. The command ends, and the checkpoint is kept.
    @Test func aDamagedCheckpointEndsTheComparison() async throws {
        let toy = try await ToyComparison()
        defer { toy.remove() }
        let comparison = try toy.comparison(["mafin", "tuned-alone"], seeds: 1)
        try toy.folder.write("{", to: "REPORT/state/checkpoints/tuned-alone.1/latest.json")
        #expect(throws: (any Error).self) { try comparison.run() }
        #expect(
            toy.exists("state/checkpoints/tuned-alone.1/latest.json") && !toy.exists("state/units/tuned-alone.1.json"))
        #expect(toy.exists("state/units/mafin.1.json") && toy.exists("state/artefacts/mafin.1"))
    }

    private struct Failing: Rival {
        var name: String
        var error: any Error
        func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival { throw error }
    }

    /// A rival that the data does not suit is left out with its reason; one that fails for any other reason ends the command.
    @Test func onlyFailuresOfAMethodAreOmissions() async throws {
        let toy = try await ToyComparison()
        defer { toy.remove() }
        let comparison = try toy.comparison(nil, seeds: 1)
        func fit(_ error: any Error, _ name: String = "nudge-n") throws {
            try comparison.fit(.rival(name), seconds: 60) { [Failing(name: name, error: error)] }
        }
        let own: [(name: String, error: any Error)] = [
            ("nudge-n", TrainingError.noQueries(list: "training queries", reason: "none has an answer")),
            ("nudge-m", TrainingError.notFinite(what: "loss", step: 7, value: .nan)),
            ("query-memory", CalibrationError.uninformative(labelledRows: 7)),
        ]
        for (name, error) in own {
            try fit(error, name)
            let omission = try #require(comparison.result.omissions.last)
            #expect(omission.name == name && omission.reason == "\(error)")
        }
        struct DiskFull: Error {}
        let foreign: [any Error] = [
            TrainingError.checkpoint(path: "p", expected: "a", found: "b"),
            TrainingError.option(name: "batch", expected: "a", found: "b"),
            TrainingError.notFinite(what: "metric on dev", step: 1, value: .nan), DiskFull(),
        ]
        for error in foreign {
            #expect(throws: (any Error).self) { try fit(error, "composition-without-encoder") }
        }
        #expect(
            comparison.result.omissions.count == own.count
                && !toy.exists("state/units/composition-without-encoder.1.json"))
    }

    /// A recorded part with made-up values.
    private func record(
        _ contender: Contender, seed: UInt64, development: Double, test: Double, in toy: ToyComparison
    ) throws {
        let queries = toy.qrels.queryIds
        var unit = ComparisonUnit(
            seconds: 1,
            rows: [
                ComparisonRow(
                    name: contender.joinedName, seed: seed, development: development, choices: [:],
                    evaluation: RunEvaluation(
                        queryIds: queries, values: [Self.metric: [Double](repeating: test, count: queries.count)],
                        means: [Self.metric: test], queriesWithoutRelevantDocument: 0, queriesWithoutResult: 0),
                    sources: [.blackBox, .local], encoder: contender)
            ])
        unit.training = TrainingRecord(
            contender: contender, seed: seed, history: [], keptStep: 1, steps: 1, reason: .completed, seconds: 1,
            mixing: Mixture(.paper))
        try toy.store.write(unit, "\(contender.rawValue).\(seed)")
        try toy.folder.write(
            "\(contender.rawValue).\(seed)", to: "REPORT/state/artefacts/\(contender.rawValue).\(seed)/manifest.json")
    }

    /// The method with the best mean on dev is chosen, and its best seed on dev. Better figures on test do not count,
    /// nor does a good seed of another method. An encoder tuned alone is a rival.
    @Test func choiceIsMadeOnDevAlone() async throws {
        let toy = try await ToyComparison()
        defer { toy.remove() }
        let systems = ["mafin", "lambda-mafin", "tuned-alone-mixed"]
        let comparison = try toy.comparison(systems)
        for (contender, seed, development, test) in [
            (Contender.mafin, 1, 0.50, 0.2), (.mafin, 2, 0.52, 0.1), (.lambdaMafin, 1, 0.40, 0.9),
            (.lambdaMafin, 2, 0.60, 0.9), (.tunedAlone, 1, 0.7, 0.9), (.tunedAlone, 2, 0.7, 0.9),
        ] as [(Contender, UInt64, Double, Double)] {
            try record(contender, seed: seed, development: development, test: test, in: toy)
        }
        for seed: UInt64 in [1, 2] {
            try toy.store.write(ComparisonUnit(seconds: 0, trainingSeconds: 5), "training-time.\(seed)")
        }
        let outcome = try comparison.run()
        #expect(outcome.chosen?.contender == .mafin && outcome.chosen?.seed == 2)
        // What is shipped is the best on dev of all that can be shipped. The best seed of each stays.
        let verdict = try #require(ComparisonVerdict(outcome, metric: Self.metric))
        #expect(verdict.candidate == "tuned-alone-mixed" && verdict.primary.difference.includesSeeds)
        #expect(try String(contentsOf: toy.url("artefact/manifest.json"), encoding: .utf8) == "tuned-alone.1")
        #expect(try toy.store.shippable() == ["tuned-alone-mixed", "mafin", "lambda-mafin"])
        for (name, folder) in [("mafin", "mafin.2"), ("lambda-mafin", "lambda-mafin.2")] {
            let shippable = try toy.store.shippable(name)
            #expect(shippable.artefact?.lastPathComponent == folder && shippable.sources == nil)
            #expect(toy.exists("state/artefacts/\(folder)/manifest.json"))
        }
        #expect(!toy.exists("state/artefacts/mafin.1") && !toy.exists("state/artefacts/lambda-mafin.1"))
        #expect(
            throws: ComparisonError.notShippable(
                path: toy.store.folder.path, name: "bm25", names: ["tuned-alone-mixed", "mafin", "lambda-mafin"])
        ) { try toy.store.shippable("bm25") }
    }

    /// A method that failed with every seed is named once, with its reason.
    @Test func omissionsSayWhy() async throws {
        let toy = try await ToyComparison()
        defer { toy.remove() }
        let comparison = try toy.comparison(["mafin", "lambda-mafin"])
        for seed: UInt64 in [1, 2] {
            try record(.mafin, seed: seed, development: 0.5, test: 0.5, in: toy)
            try toy.store.write(ComparisonUnit(seconds: 1, failure: "The loss was not finite."), "lambda-mafin.\(seed)")
            try toy.store.write(ComparisonUnit(seconds: 0, trainingSeconds: 5), "training-time.\(seed)")
        }
        let outcome = try comparison.run()
        #expect(outcome.omissions.map(\.name) == ["lambda-mafin"])
        #expect(outcome.omissions.first?.reason == "The loss was not finite.")
        #expect(outcome.names.contains("mafin") && !outcome.names.contains("lambda-mafin"))
    }

    /// A method that lacks seeds for want of time is named with the number of its seeds.
    @Test func missingSeedsAreCounted() async throws {
        let toy = try await ToyComparison()
        defer { toy.remove() }
        let comparison = try toy.comparison(["mafin", "tuned-alone-mixed"], seeds: 3)
        for contender in [Contender.mafin, .tunedAlone] {
            try record(contender, seed: 1, development: 0.5, test: 0.5, in: toy)
        }
        try toy.store.write(ComparisonUnit(seconds: 0, trainingSeconds: 5), "training-time.1")
        // All the time was used up by the first training.
        var unit = try #require(try toy.store.unit("mafin.1"))
        unit.seconds = 5_000
        try toy.store.write(unit, "mafin.1")
        let outcome = try comparison.run()
        #expect(outcome.omissions.map(\.name) == ["mafin", "tuned-alone-mixed"])
        #expect(
            outcome.omissions.allSatisfy { $0.reason == "1 of 3 seeds was measured. There was no time left." },
            "\(outcome.omissions)")
    }

    /// Every sum of sources is kept, with the encoder of its own best seed. A finished comparison gives the same again.
    @Test func whatCanBeShippedIsKept() async throws {
        let toy = try await ToyComparison()
        defer { toy.remove() }
        let systems = ["black-box+bm25", "query-memory", "mafin", "mafin+bm25"]
        let comparison = try toy.comparison(systems)
        let outcome = try comparison.run()
        #expect(Set(try toy.store.shippable()) == Set(systems))
        for name in systems {
            let shippable = try toy.store.shippable(name)
            let rows = outcome.rows.filter { $0.name == name }
            let best = try #require(rows.first { $0.seed == shippable.seed })
            #expect(best.development == rows.map(\.development).max())
            #expect((shippable.sources == nil) == (name == "mafin"))
            if best.sources?.contains(.local) == true {
                #expect(shippable.artefact == toy.store.artefact(of: .mafin, seed: shippable.seed))
                #expect(toy.exists("state/artefacts/mafin.\(shippable.seed)/manifest.json"))
            } else {
                #expect(shippable.artefact == nil)
            }
            for row in rows where name != "mafin" {
                #expect(toy.exists("state/systems/\(name).\(row.seed)") == (row.seed == shippable.seed))
            }
            // What is kept of a system gives the values that were measured.
            let target = toy.url("shipped/\(name)")
            let manifest = try toy.store.ship(name, to: target).manifest
            #expect(manifest.sources?.map(\.kind) == best.sources)
            guard let folder = shippable.sources else { continue }
            #expect(manifest.system == name)
            let measured = manifest.test?.systems.first { $0.name == ArtefactEvaluation.artefactName }?.metrics
            #expect(measured == best.evaluation.means)
            guard shippable.artefact == nil else { continue }
            let kept = try ShippedSources(readingFrom: folder)
            let system = try SourceSystem(
                kept.sources, weights: kept.mixture.weights, queries: comparison.data.queries,
                documents: comparison.data.documents)
            #expect(try toy.training.evaluate(system, on: toy.qrels) == best.evaluation)
        }
        #expect(throws: ArtefactError.self) { try toy.store.ship("mafin", to: toy.url("state")) }
        #expect(throws: ArtefactError.self) { try toy.store.ship("query-memory", to: toy.url("state")) }
        let candidate = try #require(ComparisonVerdict.candidate(of: outcome))
        let artefact = try Artefact(readingFrom: toy.store.artefact)
        #expect(artefact.manifest.sources?.map(\.kind) == outcome.rows.first { $0.name == candidate }?.sources)
        // All answers of test are new to training.
        #expect(outcome.partition?.newDocuments.count == 10 && outcome.partition?.seenDocuments.isEmpty == true)
        let again = try toy.comparison(systems).run()
        #expect(again.rows.map(\.name) == outcome.rows.map(\.name))
        #expect(again.rows.map(\.development) == outcome.rows.map(\.development))
        #expect(again.developmentValues == outcome.developmentValues && again.spent == outcome.spent)
    }

    /// A run that is killed after any number of parts continues with the same parts in the same order.
    @Test func aResumedComparisonDecidesTheSame() async throws {
        let toy = try await ToyComparison()
        defer { toy.remove() }
        let systems = ["black-box+bm25", "mafin", "mafin+bm25", "tuned-alone-mixed"]
        func parts(until count: Int) throws -> [String] {
            var parts: [String] = []
            let cancelling = Cancelling()
            let comparison = try toy.comparison(
                systems,
                onEvent: { event in
                    guard case .made(let rows, _, _) = event, let row = rows.last else { return }
                    parts.append("\(row.name).\(row.seed)")
                    cancelling.isCancelled = parts.count >= count
                }, isCancelled: { cancelling.isCancelled })
            do { _ = try comparison.run() } catch is CancellationError {}
            return parts
        }
        var before: [String] = []
        for count in 1...8 {
            let now = try parts(until: count)
            #expect(Array(now.prefix(before.count)) == before)
            before = now
        }
        let whole = try parts(until: .max)
        #expect(Array(whole.prefix(before.count)) == before)
        #expect(
            whole == [
                "black-box.1", "black-box+bm25.1", "mafin.1", "mafin+bm25.1", "mafin.2", "mafin+bm25.2",
                "tuned-alone-mixed.1", "tuned-alone-mixed.2",
            ])
    }

    private final class Cancelling {
        var isCancelled = false
    }
}
