import ArgumentParser
import Foundation
import MafinCommandLine
import MafinTestSupport
import Testing

@testable import MafinCLI

/// `mafin train` and what reads its artefact, run as a user runs them.
@Suite("Commands: train and evaluate", .enabled(if: Program.url != nil, Comment(rawValue: Program.skipMessage)))
struct TrainingEndToEndTests {
    private static let short = TinyWorld.training + ["--mode", "query", "--epochs", "20"]

    /// Runs `body` with data of its own.
    private func withWorld(_ body: (TinyWorld) async throws -> Void) async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        try await body(world)
    }

    private func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
    }

    @Test func trainThenEvaluateAsJSON() async throws {
        try await withWorld { world in
            let train = try await world.mafin(
                ["train", "--output", "ART", "--json", "--quiet", "--rivals", "tuned-alone,paper-mafin,lambda-mafin"]
                    + Self.short)
            #expect(train.status == 0 && train.error.isEmpty, "\(train.error)")
            let summary = try object(train.output)
            // On a processor whose default is bf16 there is a "precision" too.
            #expect(
                Set(summary.keys).subtracting(["precision"]) == [
                    "artefact", "mode", "modeReason", "secondsToFirstStep", "secondsOfFirstStep", "verdict",
                    "contenders",
                    "development",
                ])
            #expect(summary["mode"] as? String == "query")
            let contenders = try #require(summary["contenders"] as? [[String: Any]])
            // The first step is a part of its training.
            let began = try #require(summary["secondsToFirstStep"] as? Double)
            let took = try #require(summary["secondsOfFirstStep"] as? Double)
            let whole = try #require(contenders[0]["seconds"] as? Double)
            #expect(began > 0 && took > 0 && took <= whole, "\(began) s, \(took) s of \(whole) s")
            #expect(
                contenders.map { $0["name"] as? String } == ["mafin", "tuned-alone", "paper-mafin", "lambda-mafin"])
            for contender in contenders {
                #expect(
                    Set(contender.keys) == [
                        "name", "artefact", "lambda", "temperature", "steps", "bestStep", "stopped", "seconds",
                        "tokens",
                        "verdict",
                    ])
                let folder = try #require(contender["artefact"] as? String)
                #expect(FileManager.default.fileExists(atPath: folder + "/manifest.json"))
            }
            #expect((summary["verdict"] as? [String: Any])?["decision"] as? String == "ship")
            let left = try FileManager.default.contentsOfDirectory(atPath: world.folder.url.path)
            #expect(left.contains("ART") && !left.contains("ART.training"))

            try await evaluates(world)
        }
    }

    /// A stand-in beside the trained encoder, and one by distillation alone from a collection without labels.
    @Test func aStandInAnswersWithoutAsking() async throws {
        try await withWorld { world in
            let train = try await world.mafin(
                ["train", "--output", "ART", "--json", "--quiet", "--stand-in", "--compose", "--time", "6s"]
                    + Self.short)
            #expect(train.status == 0, "\(train.error)")
            let standIn = try #require(try object(train.output)["standIn"] as? [String: Any])
            let sums = try #require(standIn["sums"] as? [[String: Any]])
            #expect(
                sums.map { $0["name"] as? String } == [
                    "stand-in", "mafin-offline", "mafin-offline+bm25", "composition-offline",
                ])
            #expect(sums.contains { $0["name"] as? String == standIn["system"] as? String })
            try await hasOfflineSystems("ART", world)

            for file in ["train", "dev"] {
                try FileManager.default.removeItem(at: world.url("data/qrels/\(file).tsv"))
            }
            let flags =
                ["train", "--output", "DISTILLED", "--json", "--quiet", "--stand-in", "--time", "3s"] + Self.short
            let refused = try await world.mafin(flags)
            #expect(
                refused.status == CommandStatus.data.rawValue && refused.error.contains("--no-labels"),
                "\(refused.error)")
            let distilled = try await world.mafin(flags + ["--no-labels"])
            #expect(distilled.status == 0, "\(distilled.error)")
            let result = try object(distilled.output)
            // The 60 queries of test are not learned from.
            let counts = [result["queries"], result["heldOutQueries"]].compactMap { $0 as? Int }
            #expect(counts.reduce(0, +) == 300 && counts.allSatisfy { $0 > 30 })
            let evaluation = try await hasOfflineSystems("DISTILLED", world)
            #expect(evaluation["artefact"] == evaluation["black-box"])
            let inspected = try await world.mafin(["inspect", "DISTILLED"])
            #expect(inspected.output.contains("learned without labels"), "\(inspected.output)")
        }
    }

    /// The figures of an artefact's systems.
    @discardableResult
    private func hasOfflineSystems(_ artefact: String, _ world: TinyWorld) async throws -> [String: [String: Double]] {
        let evaluate = try await world.mafin(["evaluate", artefact, "--data", "data", "--json", "--quiet"])
        #expect(evaluate.status == 0, "\(evaluate.error)")
        let systems = try #require(try object(evaluate.output)["systems"] as? [[String: Any]])
        let figures = systems.compactMap { system in
            (system["name"] as? String).flatMap { name in (system["metrics"] as? [String: Double]).map { (name, $0) } }
        }
        let byName = Dictionary(uniqueKeysWithValues: figures)
        for name in ["stand-in", "mafin-offline", "artefact"] { #expect(byName[name] != nil, "\(name)") }
        return byName
    }

    @Test(arguments: [
        (["--no-labels"], "goes with --stand-in"), (["--stand-in", "--form", "symmetric"], "--stand-in needs weights"),
        (["--stand-in", "--method", "norm-mafin"], "--stand-in needs weights"),
        (["--stand-in", "--no-labels", "--compose"], "--no-labels cannot be used with --compose"),
    ])
    func standInsThatCannotBeMadeAreRefused(flags: [String], reason: String) throws {
        let error = #expect(throws: (any Error).self) {
            try TrainCommand.parse(TinyWorld.training + ["--output", "ART"] + flags)
        }
        #expect(error.map { TrainCommand.message(for: $0).contains(reason) } == true)
    }

    @Test func oneMethodIsTrainedUnlessOthersAreNamed() async throws {
        try await withWorld { world in
            let train = try await world.mafin(
                ["train", "--output", "ART", "--json", "--quiet", "--mode", "query", "--epochs", "1"]
                    + TinyWorld.training)
            #expect(train.status == 0, "\(train.error)")
            let contenders = try #require(try object(train.output)["contenders"] as? [[String: Any]])
            #expect(contenders.map { $0["name"] as? String } == ["mafin"])
        }
    }

    /// A query of test with the text of one of train: training leaves that one out; an artefact that knows it is not measured on it.
    @Test func evaluateRefusesALeak() async throws {
        try await withWorld { world in
            try world.askAgain(query: 5, as: 0)
            let train = ["train", "--rivals", "none"] + Self.short
            let clean = try await world.mafin(train + ["--output", "CLEAN"])
            #expect(clean.status == 0 && clean.error.contains("left out: 1 query of train and dev"), "\(clean.error)")
            let evaluate = ["evaluate", "--data", "data", "--json"]
            let measured = try await world.mafin(evaluate + ["CLEAN"])
            #expect(measured.status == 0, "\(measured.error)")
            #expect(try object(measured.output)["knownQueries"] == nil)

            let leaking = try await world.mafin(train + ["--output", "LEAKING", "--allow-leak"])
            #expect(leaking.status == 0 && leaking.error.contains("warning: learning from 1 query"), "\(leaking.error)")
            let refused = try await world.mafin(evaluate + ["LEAKING"])
            #expect(refused.status == CommandStatus.data.rawValue, "\(refused.error)")
            #expect(refused.error.contains("1 of the 60 queries of test") && refused.error.contains("\"q0-5\""))
            #expect(refused.error.contains("--allow-leak"), "\(refused.error)")
            let allowed = try await world.mafin(evaluate + ["LEAKING", "--allow-leak"])
            #expect(allowed.status == 0 && allowed.error.contains("count what was memorised"), "\(allowed.error)")
            #expect(try object(allowed.output)["knownQueries"] as? [String] == ["q0-5"])

            // An artefact of an older version does not record its known queries, so the collection's train and dev are
            // used.
            let manifest = world.url("CLEAN/manifest.json")
            var old = try object(String(contentsOf: manifest, encoding: .utf8))
            old["files"] = (old["files"] as? [[String: Any]])?.filter { $0["path"] as? String != "known-queries.txt" }
            try JSONSerialization.data(withJSONObject: old).write(to: manifest)
            let unknown = try await world.mafin(evaluate + ["CLEAN"])
            #expect(unknown.status == CommandStatus.data.rawValue && unknown.error.contains("--allow-leak"))
        }
    }

    /// With the least memory that the error message names, activations are recomputed, and the result is the same.
    @Test func recomputingWithLittleMemoryGivesTheSameResult() async throws {
        try await withWorld { world in
            let train = ["train"] + TinyWorld.training + ["--mode", "block", "--epochs", "3", "--rivals", "none"]
            let refused = try await world.mafin(train + ["--output", "NONE", "--memory", "64KiB"])
            #expect(refused.status != 0 && refused.output.isEmpty)
            let said = try #require(
                refused.error.firstMatch(of: /training this encoder takes at least ([0-9]+) MiB/), "\(refused.error)")
            var development: [Data] = []
            for (output, memory) in [("LITTLE", ["--memory", "\(said.1)MiB"]), ("MUCH", [])] {
                let outcome = try await world.mafin(train + ["--output", output, "--json", "--quiet"] + memory)
                #expect(outcome.status == 0, "\(outcome.error)")
                let value = try #require(try object(outcome.output)["development"])
                development.append(try JSONSerialization.data(withJSONObject: value, options: .sortedKeys))
            }
            #expect(development[0] == development[1])
        }
    }

    /// The structure and the names of the JSON, on which programs rely.
    private func evaluates(_ world: TinyWorld) async throws {
        let evaluate = try await world.mafin(
            ["evaluate", "ART", "--data", "data", "--split", "test", "--json", "--runs", "runs"])
        #expect(evaluate.status == 0, "\(evaluate.error)")
        let report = try object(evaluate.output)
        #expect(report["split"] as? String == "test" && (report["omitted"] as? [Any])?.isEmpty == true)
        let systems = try #require(report["systems"] as? [[String: Any]])
        let names = systems.compactMap { $0["name"] as? String }
        #expect(
            names == [
                "bm25", "black-box", "local", "concatenation", "concatenation-calibrated", "tuned-alone",
                "tuned-alone-mixed", "paper-mafin", "lambda-mafin", "mafin", "artefact",
            ])
        let metrics: Set = ["nDCG@10", "Recall@10", "Recall@100", "MRR@10", "MAP"]
        var quality: [String: Double] = [:]
        for system in systems {
            let name = try #require(system["name"] as? String)
            let values = try #require(system["metrics"] as? [String: Double])
            #expect(Set(values.keys) == metrics)
            quality[name] = values["nDCG@10"]
            guard name != "black-box" else {
                #expect(system["difference"] == nil)
                continue
            }
            let difference = try #require(system["difference"] as? [String: [String: Double]])
            #expect(Set(difference.keys) == metrics)
            for interval in difference.values {
                let (low, mean, high) = (interval["low"] ?? .nan, interval["mean"] ?? .nan, interval["high"] ?? .nan)
                #expect(low <= mean && mean <= high && (0...1).contains(interval["p"] ?? -1))
            }
        }
        // Only training can learn which document a query's word means.
        #expect((quality["mafin"] ?? 0) > (quality["black-box"] ?? 1) + 0.1)
        #expect((quality["mafin"] ?? 0) > (quality["local"] ?? 1) + 0.1)

        // The artefact has no other sources than the two that its method mixes.
        #expect(quality["artefact"] == quality["mafin"])

        let run = try String(contentsOf: world.url("runs/mafin.test.run"), encoding: .utf8)
        #expect(run.split(separator: "\n").count == TinyWorld.documents * TinyWorld.documents)

        let table = try await world.mafin(["evaluate", "ART", "--data", "data"])
        #expect(table.status == 0 && table.output.contains("paper-mafin") && table.output.contains("p (Holm)"))
        let inspect = try await world.mafin(["inspect", "ART"])
        #expect(inspect.status == 0 && inspect.output.contains("method") && inspect.output.contains("worth comparing"))
        let manifest = try object(try await world.mafin(["inspect", "ART", "--json"]).output)
        let released = try #require(manifest["released"] as? [String: Any])
        #expect(released["name"] as? String == "model" && (released["weightsSHA256"] as? String)?.count == 64)
    }

    /// BM25 and the labelled queries are added to the encoder; every command reads the artefact.
    @Test func trainComposes() async throws {
        try await withWorld { world in
            let train = try await world.mafin(
                ["train", "--output", "ART", "--rivals", "none", "--compose", "--json", "--quiet"] + Self.short)
            #expect(train.status == 0, "\(train.error)")
            let composition = try #require(try object(train.output)["composition"] as? [String: Any])
            let weights = try #require(composition["weights"] as? [[String: Any]])
            let names = weights.compactMap { $0["source"] as? String }
            #expect(names.contains("local") && weights.allSatisfy { ($0["weight"] as? Double ?? 0) > 0 })
            #expect((composition["development"] as? [String: Any])?["new"] is Double)

            let inspect = try await world.mafin(["inspect", "ART", "--json"])
            #expect(inspect.status == 0, "\(inspect.error)")
            let manifest = try object(inspect.output)
            #expect(manifest["system"] as? String == "composition" && manifest["training"] != nil)
            let ranking = try #require(manifest["ranking"] as? [[String: Any]])
            #expect(ranking.compactMap { $0["source"] as? String } == names)

            let evaluate = try await world.mafin(["evaluate", "ART", "--data", "data", "--json", "--quiet"])
            #expect(evaluate.status == 0, "\(evaluate.error)")
            let systems = try #require(try object(evaluate.output)["systems"] as? [[String: Any]])
            #expect(systems.last?["name"] as? String == "artefact")
            // Few steps of training may leave the black box without a weight. Then there is no pair.
            #expect(systems.contains { $0["name"] as? String == "mafin" } == names.contains("black-box"))

            let refused = try await world.mafin(
                ["train", "--output", "NONE", "--compose", "--form", "symmetric"] + Self.short)
            #expect(refused.status == CommandStatus.usage.rawValue && refused.error.contains("--form query-sided"))
        }
    }

    @Test func aTrainingWithoutGainIsReported() async throws {
        try await withWorld { world in
            // No weight moves at this rate.
            let flags = ["--output", "ART", "--rivals", "none", "--quiet"] + Self.short + ["--learning-rate", "1e-30"]
            let train = try await world.mafin(["train"] + flags)
            #expect(train.status == 0, "\(train.error)")
            #expect(train.output.contains("On dev: no gain."), "\(train.output)")
            #expect(train.output.contains("training shows no gain over the untrained encoder"), "\(train.output)")
            let search = try await world.mafin([
                "search", "ART", "--data", "data", "--quiet", TinyWorld.text(ofQuery: 5),
            ])
            #expect(search.status == 0)
            #expect(search.error.hasPrefix("warning: ART showed no gain on dev."), "\(search.error)")

            let forced = try await world.mafin(["train", "--force"] + flags)
            #expect(forced.output.contains("On dev: no gain (overridden by --force)."), "\(forced.output)")
            let again = try await world.mafin([
                "search", "ART", "--data", "data", "--quiet", TinyWorld.text(ofQuery: 5),
            ])
            #expect(again.error.isEmpty, "\(again.error)")
        }
    }

    /// The released encoder in the table must be the one with which training began; otherwise it is left out.
    @Test func anotherRevisionOfTheReleasedEncoderIsNotCompared() async throws {
        try await withWorld { world in
            func evaluate() async throws -> (names: [String], omitted: [String: String]) {
                let outcome = try await world.mafin(["evaluate", "ART", "--data", "data", "--json", "--quiet"])
                #expect(outcome.status == 0 && outcome.error.isEmpty, "\(outcome.error)")
                let report = try object(outcome.output)
                let omitted = try #require(report["omitted"] as? [[String: String]])
                return (
                    (report["systems"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String },
                    Dictionary(uniqueKeysWithValues: omitted.map { ($0["name"] ?? "", $0["reason"] ?? "") })
                )
            }
            let train = try await world.mafin(
                ["train", "--output", "ART", "--rivals", "none", "--mode", "pair", "--epochs", "2"] + TinyWorld.training
            )
            #expect(train.status == 0, "\(train.error)")
            #expect(try await evaluate().names.contains("local"))

            try TinyWorld.writeModel(to: world.folder, name: "other", width: TinyWorld.localDimension, seed: 8)
            let weights = world.url("model/model.safetensors")
            try FileManager.default.removeItem(at: weights)
            try FileManager.default.copyItem(at: world.url("other/model.safetensors"), to: weights)
            let changed = try await evaluate()
            #expect(changed.names == ["bm25", "black-box", "mafin", "artefact"])
            for name in ["local", "concatenation", "concatenation-calibrated"] {
                #expect(changed.omitted[name]?.contains("model/model.safetensors: the artefact's") == true)
            }

            // A manifest of an older version, without the hash.
            var manifest = try object(String(contentsOf: world.url("ART/manifest.json"), encoding: .utf8))
            manifest["released"] = nil
            try JSONSerialization.data(withJSONObject: manifest).write(to: world.url("ART/manifest.json"))
            let old = try await evaluate()
            #expect(old.names == ["bm25", "black-box", "mafin", "artefact"])
            #expect(old.omitted["local"]?.contains("older version") == true)
        }
    }

    @Test func everyCommandSaysWhatItNoticedInTheTexts() async throws {
        try await withWorld { world in
            let corpus = world.url("data/corpus.jsonl")
            var lines = try String(contentsOf: corpus, encoding: .utf8).split(separator: "\n").map(String.init)
            lines[2] = #"{"_id": "d2", "title": "", "text": " "}"#
            try lines.joined(separator: "\n").write(to: corpus, atomically: true, encoding: .utf8)
            let warning = "warning: \(corpus.path):3: the document has no text (id \"d2\")\n"
            for arguments in [
                ["train", "--output", "ART", "--rivals", "none"] + Self.short,
                ["evaluate", "ART", "--data", "data"],
                ["search", "ART", "--data", "data", TinyWorld.text(ofQuery: 5)],
                ["embed", "ART", "--input", "data/corpus.jsonl", "--as", "document", "--output", "out.npy"],
            ] {
                let outcome = try await world.mafin(arguments + ["--quiet"])
                #expect(outcome.status == 0 && outcome.error == warning, "\(arguments): \(outcome.error)")
            }
        }
    }
}
