import Foundation
import MafinCommandLine
import MafinComparison
import MafinMethod
import MafinPipeline
import MafinReport
import MafinRetrieval
import MafinTestSupport
import Testing

@testable import MafinCLI

/// `mafin compare`, run as a user runs it.
@Suite("Commands: compare", .enabled(if: Program.url != nil, Comment(rawValue: Program.skipMessage)))
struct CompareEndToEndTests {
    /// Each question of the small data set occurs once with each filler word, so similar queries are on both sides by
    /// design.
    private static let flags =
        ["compare"] + TinyWorld.training + ["--output", "REPORT", "--mode", "query", "--epochs", "12", "--allow-leak"]

    private func withWorld(_ body: (TinyWorld) async throws -> Void) async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        try await body(world)
    }

    private func facts(_ world: TinyWorld) throws -> ComparisonFacts {
        let file = world.url("REPORT/report.json")
        return try ComparisonFacts(json: Data(contentsOf: file), path: file.path)
    }

    @Test func everythingIsComparedAndWritten() async throws {
        try await withWorld { world in
            let outcome = try await world.mafin(Self.flags + ["--seeds", "2"])
            #expect(outcome.status == 0, "\(outcome.error)")
            // Before any training: the data, and what it could show.
            let beginning = try #require(outcome.error.range(of: "best on dev"))
            for text in ["60 documents, 360 queries", "train: 240 queries", "smallest gain that 60 test queries"] {
                let found = try #require(outcome.error.range(of: text), "\(outcome.error)")
                #expect(found.upperBound < beginning.lowerBound)
            }
            let facts = try facts(world)
            let names = facts.systems.map(\.name)
            for name in [
                "tf-idf", "bm25", "bm25-tuned", "black-box", "local", "concatenation", "black-box+bm25-rrf",
                "black-box+bm25-convex", "black-box+bm25",
                "nudge-n", "nudge-m", "query-memory", "composition-stepwise", "composition-without-encoder",
                "linear-adapter",
                "two-layer-adapter",
                "linear-adapter-both", "tuned-alone", "tuned-alone-concatenated", "tuned-alone-mixed", "paper-mafin",
                "lambda-mafin", "norm-mafin",
                "hybrid-mafin", "mafin", "composition", "stand-in", "mafin-offline", "mafin-offline+bm25",
                "composition-offline",
            ] {
                #expect(names.contains(name), "\(name) is not in \(names)")
            }
            #expect(Set(names).count == names.count)
            try complete(facts, world)
            try await isShipped(facts, world)
            try await goesOn(world)
        }
    }

    /// All sections of the report have their facts.
    private func complete(_ facts: ComparisonFacts, _ world: TinyWorld) throws {
        let verdict = try #require(facts.verdict)
        #expect(verdict.decision == .ship && verdict.reason.contains("60 test queries"), "\(verdict)")
        #expect(verdict.reason.contains("A query needs ") && verdict.notes?.isEmpty == false)
        let costs = try #require(verdict.costs)
        #expect(costs.dimensions?.before == 16 && costs.tokensToBuyAgain == 0 && costs.searchMilliseconds != nil)
        let chosen = try #require(facts.chosen)
        let sources = try #require(chosen.weights?.sources)
        #expect(chosen.name == verdict.system && verdict.shippable?.contains(chosen.name) == true)
        #expect(costs.query?.encodesLocally == sources.contains(.local))
        #expect(costs.query?.searchesWords == sources.contains(.bm25))
        // Every answer of this data set was an answer in training.
        #expect(verdict.known?.queries == 60 && verdict.new == nil && chosen.known == chosen.all && chosen.new == nil)
        #expect(facts.newDocuments?.knownQueries == 60 && facts.newDocuments?.isGiven == false)
        let trained = try #require(facts.system(named: "mafin"))
        #expect(trained.seeds?[facts.metric]?.values.count == 2)
        #expect(
            (trained.metrics[facts.metric] ?? 0) > (facts.system(named: "black-box")?.metrics[facts.metric] ?? 1) + 0.1)
        #expect(trained.known?.queries == 60 && trained.new == nil && trained.development != nil)
        // Some questions are on both sides.
        #expect(facts.subsets?.map(\.name) == ["without-twins"])
        #expect(verdict.notes?.contains { $0.contains("have a twin in train or dev") } == true)
        #expect(facts.perQuery?.queryIds.count == 60)
        #expect(facts.trainingCurves?.count { $0.system == "mafin" } == 2)
        #expect(facts.learningCurve?.measured.map(\.queries) == [50, 100, 200, 240])
        #expect(facts.learningCurve?.expectation != nil && facts.lambdaSweeps?.isEmpty == false)
        // What is lost without asking, and the curve up to asking for every query.
        let offline = try #require(facts.offline)
        #expect(offline.againstBlackBox.other == "black-box" && offline.againstChosen?.other == chosen.name)
        #expect(offline.known?.queries == 60 && !offline.query.asksBlackBox && offline.milliseconds != nil)
        #expect(offline.curve?.points.last?.development.asked == 1 && offline.shipped?.name == offline.system)
        #expect(verdict.notes?.contains(offline.reason) == true && offline.savedPerThousandQueries == nil)
        #expect(facts.system(named: "stand-in")?.seeds?[facts.metric]?.values.count == 2)
        let examples = try #require(facts.examples)
        let win = try #require(examples.wins.first)
        #expect(win.systemRanking.first?.parts?.parts.map(\.source) == sources)
        #expect((win.attributions != nil) == sources.contains(.local))
        #expect(facts.scoreHistograms?.count == sources.count && facts.data?.splits.count == 3)
        // Similar queries are reported. Only an equal text would have needed --allow-leak.
        let leaks = try #require(facts.leaks)
        #expect(leaks.found > 0 && !leaks.isAllowed && facts.suspectedFalseNegatives != nil)
        #expect(facts.provenance?.command?.contains("compare --data data") == true)
        for file in ["index.html", "report.md", "runs/mafin.run", "runs/mafin.seed-2.run", "artefact/manifest.json"] {
            #expect(FileManager.default.fileExists(atPath: world.url("REPORT/\(file)").path), "\(file)")
        }
    }

    /// Evaluating the artefact by another command gives the figures of the report, and so do its runs.
    private func isShipped(_ facts: ComparisonFacts, _ world: TinyWorld) async throws {
        let chosen = try #require(facts.chosen)
        let evaluate = try await world.mafin(["evaluate", "REPORT/artefact", "--data", "data", "--json", "--quiet"])
        #expect(evaluate.status == 0, "\(evaluate.error)")
        let report = try #require(
            try JSONSerialization.jsonObject(with: Data(evaluate.output.utf8)) as? [String: Any])
        let row = (report["systems"] as? [[String: Any]])?.first { $0["name"] as? String == "artefact" }
        let metrics = try #require(row?["metrics"] as? [String: Double])
        for (metric, value) in chosen.all.metrics {
            #expect(abs((metrics[metric.description] ?? 0) - value) < 1e-9, "\(metric)")
        }
        let offline = (report["systems"] as? [[String: Any]])?.first { $0["name"] as? String == "mafin-offline" }
        let values = try #require(offline?["metrics"] as? [String: Double])
        for (metric, value) in facts.offline?.shipped?.all.metrics ?? [:] {
            #expect(abs((values[metric.description] ?? 0) - value) < 1e-9, "\(metric)")
        }
        #expect((report["systems"] as? [[String: Any]])?.contains { $0["name"] as? String == "stand-in" } == true)
        try world.folder.write(evaluate.output, to: "evaluation.json")
        let reports = try await world.mafin(["diff", "REPORT/report.json", "evaluation.json", "--json"])
        #expect(reports.status == 0 && reports.output.contains("\"artefact\""), "\(reports.error)")
        #expect(reports.output.contains("\"artefact-offline\""))
        let diff = try await world.mafin([
            "diff", "REPORT/runs/black-box.run", "REPORT/runs/mafin.run", "--data", "data", "--json",
        ])
        #expect(diff.status == 0, "\(diff.error)")
    }

    /// A finished comparison is not made again, and a different one is not mixed with it.
    private func goesOn(_ world: TinyWorld) async throws {
        let again = try await world.mafin(Self.flags + ["--seeds", "2", "--json"])
        #expect(again.status == 0 && !again.error.contains("…\n"), "\(again.error)")
        #expect(again.error.contains("mafin: dev") && again.error.contains("from an earlier run"))
        let summary = try #require(
            try JSONSerialization.jsonObject(with: Data(again.output.utf8)) as? [String: Any])
        #expect(summary["schema"] as? String == "mafin-comparison" && summary["perQuery"] == nil)
        let chosen = try #require(summary["chosen"] as? [String: Any])
        #expect(chosen["name"] as? String == (summary["verdict"] as? [String: Any])?["system"] as? String)
        #expect(Set(chosen.keys).isSuperset(of: ["name", "seed", "all", "known"]))
        let other = try await world.mafin(Self.flags + ["--seeds", "3"])
        #expect(other.status == CommandStatus.usage.rawValue && other.error.contains("--seeds was 2, now it is 3"))
        let none = try await world.mafin(Self.flags + ["--seeds", "2", "--no-stand-in"])
        #expect(none.status == CommandStatus.usage.rawValue && none.error.contains("--no-stand-in was false"))
        let share = try await world.mafin(Self.flags + ["--seeds", "2", "--new-documents", "0.5"])
        #expect(share.status == CommandStatus.usage.rawValue && share.error.contains("--new-documents was default"))
    }

    @Test func goesOnAfterCtrlC() async throws {
        try await withWorld { world in
            let flags =
                Self.flags + ["--seeds", "1", "--systems", "bm25,nudge-n,mafin,tuned-alone-mixed,lambda-mafin"]
            let run = try Program.start(flags, in: world.folder)
            run.signal(SIGINT) { $0.contains("tuned-alone-mixed: dev") }
            let interrupted = try await run.outcome()
            #expect(interrupted.status == CommandStatus.interrupted.rawValue, "\(interrupted.error)")
            #expect(interrupted.error.contains("the same command continues from here") && interrupted.output.isEmpty)
            #expect(!FileManager.default.fileExists(atPath: world.url("REPORT/index.html").path))

            let whole = try await world.mafin(flags)
            #expect(whole.status == 0, "\(whole.error)")
            let lines = Set(whole.error.split(separator: "\n"))
            #expect(!lines.contains("mafin, seed 1 …") && !lines.contains("tuned-alone, seed 1 …"))
            #expect(lines.contains { $0.hasPrefix("  mafin: dev") && $0.hasSuffix("from an earlier run") })
            #expect(
                try facts(world).systems.map(\.name) == [
                    "bm25", "black-box", "nudge-n", "tuned-alone-mixed", "lambda-mafin", "mafin",
                ])
        }
    }

    @Test func leaksAreLeftOutAndConditionsChecked() async throws {
        try await withWorld { world in
            var flags = Self.flags.filter { $0 != "--allow-leak" } + ["--systems", "bm25,mafin", "--seeds", "1"]
            try world.askAgain(query: 5, as: 0)
            flags += ["--fail-if", "nDCG@10 < 2", "--fail-if", "mafin R@100 < black-box"]
            let met = try await world.mafin(flags)
            #expect(met.status == 3 && met.error.contains("error: --fail-if: nDCG@10 < 2\n"), "\(met.error)")
            #expect(met.error.contains("left out: 1 query of train and dev with the same text as a query of test"))
            #expect(met.error.contains("\"q0-0\"") && !met.error.contains("q0-0 and q0-5"), "\(met.error)")
            #expect(try facts(world).leaks?.method.contains("1 query was left out") == true)
            #expect(try facts(world).leaks?.isAllowed == false)
            let passed = try await world.mafin(flags.dropLast(4) + ["--fail-if", "nDCG@10 < black-box", "--quiet"])
            #expect(passed.status == 0, "\(passed.error)")
            let unknown = try await world.mafin(flags.dropLast(4) + ["--fail-if", "nDCG@10 < nudge-n"])
            #expect(unknown.status == CommandStatus.data.rawValue && unknown.error.contains("no figure for nudge-n"))
            // Other options make a different comparison.
            let other = try await world.mafin(flags.dropLast(4) + ["--allow-leak"])
            #expect(
                other.status == CommandStatus.usage.rawValue && other.error.contains("--allow-leak"), "\(other.error)")
        }
    }

    @Test func foldersOfOthersAreLeftAlone() async throws {
        try await withWorld { world in
            try world.folder.write("mine", to: "REPORT/notes.txt")
            let outcome = try await world.mafin(Self.flags)
            #expect(outcome.status == CommandStatus.usage.rawValue && outcome.error.contains("to a comparison"))
            for (flags, reason) in [
                (["--fail-if", "nDCG@10 <"], "--fail-if"), (["--systems", "mafin,nonsense"], "--systems"),
                (["--no-stand-in", "--systems", "mafin,mafin-offline"], "--no-stand-in leaves out mafin-offline"),
                (["--split", "dev"], "used for training or for choices"), (["--seeds", "0"], "--seeds"),
                (["--new-documents", "1.5"], "--new-documents must be in 0…1"),
                (["--fail-if", "nDCG@5 < .3"], "not among --metrics"),
            ] {
                let outcome = try await world.mafin(Self.flags + flags)
                #expect(
                    outcome.status == CommandStatus.usage.rawValue && outcome.error.contains(reason), "\(outcome.error)"
                )
            }
            // The black box has 16 numbers, and so have moved documents; the encoder has 32.
            let long = try await world.mafin(
                Self.flags.map { $0 == "REPORT" ? "OTHER" : $0 } + ["--index-dimensions", "64"])
            #expect(long.status == CommandStatus.usage.rawValue, "\(long.error)")
            #expect(long.error.contains("expected from 1 to 63, found 64"), "\(long.error)")
            #expect(!FileManager.default.fileExists(atPath: world.url("OTHER/report.json").path))
        }
    }
}
