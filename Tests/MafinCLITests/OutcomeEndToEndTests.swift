import Foundation
import MafinCommandLine
import MafinTestSupport
import Testing

@testable import MafinCLI

/// The output at the end of a command: status, text and JSON.
@Suite("Commands: how they end", .enabled(if: Program.url != nil, Comment(rawValue: Program.skipMessage)))
struct OutcomeEndToEndTests {
    private func error(_ output: String) throws -> [String: Any] {
        let object = try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any]
        return try #require(object?["error"] as? [String: Any], "\(output)")
    }

    @Test func errorsAreJSONToo() async throws {
        try await TemporaryFolder.with { folder in
            let missing = try await Program.run(["inspect", "NONE", "--json"], in: folder)
            #expect(missing.status == CommandStatus.data.rawValue)
            let fields = try error(missing.output)
            #expect(fields["status"] as? Int == 65 && fields["kind"] as? String == "data")
            let message = try #require(fields["message"] as? String)
            #expect(missing.error == "error: \(message)\n")

            let plain = try await Program.run(["inspect", "NONE"], in: folder)
            #expect(plain.output.isEmpty && plain.error == missing.error)

            let faulty = try await Program.run(["train", "--json", "--time", "10"], in: folder)
            #expect(faulty.status == CommandStatus.usage.rawValue)
            #expect(try error(faulty.output)["kind"] as? String == "usage")
        }
    }

    /// The usage of a command is shown for faults in the command line, but not for later errors.
    @Test func usageIsShownForFaultyFlagsOnly() async throws {
        try await TemporaryFolder.with { folder in
            let flags = try await Program.run(["train", "--tiem", "10m"], in: folder)
            #expect(
                flags.status == 64 && flags.error.hasPrefix("error: ") && flags.error.contains("Usage: mafin train"))
            let later = try await Program.run(["demo", "--sample", "NONE"], in: folder)
            #expect(later.status == 64 && later.error.hasPrefix("error: there is no folder NONE"), "\(later.error)")
            #expect(!later.error.contains("Usage:") && !later.error.contains("Error:"))
        }
    }

    @Test func noCacheIsAnEmptyCache() async throws {
        try await TemporaryFolder.with { folder in
            let stats = try await Program.run(["cache", "stats", "--cache", "none.sqlite"], in: folder)
            #expect(stats.status == 0 && stats.output.hasPrefix("0 vectors"), "\(stats.error)")
            #expect(!FileManager.default.fileExists(atPath: folder.url.appendingPathComponent("none.sqlite").path))
        }
    }

    /// Command lines that are printed for copying work in a shell, for all names of paths.
    @Test func linesToCopyQuotePaths() async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        try FileManager.default.moveItem(at: world.url("data"), to: world.url("my data"))
        let flags = ["--black-box", "vectors:vectors", "--encoder", "model", "--mode", "query", "--epochs", "1"]
        let train = try await world.mafin(["train", "--data", "my data", "--output", "it's ART", "--force"] + flags)
        #expect(train.status == 0, "\(train.error)")
        #expect(
            train.output.contains("  mafin evaluate 'it'\\''s ART' --data 'my data' --split test\n"), "\(train.output)")
    }

    /// A rival that cannot be trained for a reason that is not its own ends the command, and its checkpoints stay.
    @Test func aDamagedCheckpointOfARivalEndsTheCommand() async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        let flags =
            [
                "train", "--output", "ART", "--rivals", "tuned-alone", "--mode", "query", "--epochs", "400",
                "--patience", "1000",
            ]
            + TinyWorld.training + ["--learning-rate", "0.001"]
        let run = try Program.start(flags, in: world.folder)
        run.signal(SIGINT) { $0.split(separator: "\n").contains { $0.hasPrefix("tuned-alone: step ") } }
        #expect(try await run.outcome().status == CommandStatus.interrupted.rawValue)
        let checkpoint = world.url("ART.training/tuned-alone/latest.json")
        let whole = try Data(contentsOf: checkpoint)
        try whole.prefix(whole.count / 2).write(to: checkpoint)

        let resumed = try await world.mafin(flags + ["--resume"])
        #expect(resumed.status != 0, "\(resumed.error)")
        #expect(!resumed.error.contains("is left out"))
        #expect(FileManager.default.fileExists(atPath: checkpoint.path))

        try whole.write(to: checkpoint)
        let mended = try await world.mafin(flags + ["--resume"])
        #expect(mended.status == 0, "\(mended.error)")
        #expect(!FileManager.default.fileExists(atPath: world.url("ART.training").path))
    }

    /// The demo never removes the checkpoints of a training in its output folder.
    @Test func theDemoKeepsWhatItFinds() async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        try FileManager.default.moveItem(at: world.url("vectors"), to: world.url("data/black-box"))
        let plan = try world.folder.write("{}", to: "ART.training/plan.json")
        let checkpoint = try world.folder.write("weights", to: "ART.training/mafin/latest.json")
        let demo = try await world.mafin([
            "demo", "--sample", "data", "--output", "ART", "--encoder", "model", "--time", "1s",
        ])
        #expect(demo.status == CommandStatus.data.rawValue, "\(demo.error)")
        #expect(try String(contentsOf: plan, encoding: .utf8) == "{}")
        #expect(try String(contentsOf: checkpoint, encoding: .utf8) == "weights")
    }

    /// A service cannot use batches, which may take a day.
    @Test(arguments: [["serve", "ART"], ["search", "ART", "--data", "data", "question"]])
    func batchesAreRefusedWhereSomebodyWaits(_ command: [String]) async throws {
        try await TemporaryFolder.with { folder in
            let outcome = try await Program.run(command + ["--batch"], in: folder)
            #expect(outcome.status == CommandStatus.usage.rawValue)
            #expect(
                outcome.error.hasPrefix(
                    "error: --batch cannot be used with 'mafin \(command[0])': a batch is answered"),
                "\(outcome.error)")
        }
    }
}
