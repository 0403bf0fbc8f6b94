import ArgumentParser
import Foundation
import MafinCommandLine
import MafinEncoder
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinCLI

/// `--precision` from training to search, run as a user runs it.
@Suite("Commands: precision", .enabled(if: Program.url != nil, Comment(rawValue: Program.skipMessage)))
struct PrecisionEndToEndTests {
    private static let train =
        ["train", "--output", "ART", "--quiet", "--mode", "query", "--epochs", "20", "--json"] + TinyWorld.training

    private func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
    }

    private func manifest(_ world: TinyWorld, _ path: String) throws -> [String: Any] {
        try object(String(contentsOf: world.url(path), encoding: .utf8))
    }

    @Test func int8FromTrainingToSearch() async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        let trained = try await world.mafin(Self.train + ["--precision", "int8"])
        #expect(trained.status == 0 && trained.error.isEmpty, "\(trained.error)")
        let record = try #require(try object(trained.output)["precision"] as? [String: Any])
        let stored = try #require(try manifest(world, "ART/manifest.json")["precision"] as? [String: Any])
        #expect(record["asked"] as? String == "int8" && stored["asked"] as? String == "int8")
        let trials = try #require(stored["trials"] as? [[String: Any]])
        #expect(trials.first?["precision"] as? String == "int8")
        // What was decided follows from the figures, as the gate says.
        let figures = try #require(trials.first?["figures"] as? [[String: Any]])
        #expect(figures.count == 3)
        let change = try #require(figures.first?["change"] as? [String: Double])
        let (mean, low, high) = (
            try #require(change["mean"]), try #require(change["low"]), try #require(change["high"])
        )
        let passed = abs(mean) < 0.002 && low <= 0 && high >= 0
        #expect(trials.first?["passed"] as? Bool == passed)
        let used = try #require(stored["used"] as? String)
        #expect((used == "int8") == passed)

        let inspected = try await world.mafin(["inspect", "ART"])
        #expect(
            inspected.output.contains("asked for int8") && inspected.output.contains("The encoder embeds in \(used): "),
            "\(inspected.output)")
        #expect(inspected.output.contains("nDCG@10 on dev in lower precision:"))

        // Vectors in each precision. Those of the black box are the same; those of the encoder are close.
        func embedded(_ flags: [String]) async throws -> Matrix {
            let name = "v\(flags.count)-\(flags.last ?? "own").npy"
            let run = try await world.mafin(
                ["embed", "ART", "--input", "data/corpus.jsonl", "--as", "document", "--output", name, "--quiet"]
                    + flags)
            #expect(run.status == 0, "\(run.error)")
            return try NumPyFile.read(world.url(name))
        }
        let (own, int8, float32) = (
            try await embedded([]), try await embedded(["--precision", "int8"]),
            try await embedded(["--precision", "float32"])
        )
        #expect(own == (used == "int8" ? int8 : float32))
        let columns = TinyWorld.blackBoxDimension
        for row in 0..<TinyWorld.documents {
            let (lower, full) = (Array(int8.row(row)), Array(float32.row(row)))
            #expect(lower.prefix(columns) == full.prefix(columns))
            let local = zip(lower.dropFirst(columns), full.dropFirst(columns))
            // Both have length 1, so this is the cosine.
            #expect(local.reduce(Float(0)) { $0 + $1.0 * $1.1 } > 0.99)
        }

        // The index says its precision; the one of queries must fit, unless the artefact allows the mix.
        let index = try await world.mafin(
            ["index", "ART", "--data", "data", "--output", "INDEX", "--quiet", "--precision", "int8"])
        #expect(index.status == 0, "\(index.error)")
        #expect(index.output.contains("embedded in int8"), "\(index.output)")
        let indexed = try manifest(world, "INDEX/index.json")
        #expect(indexed["precision"] as? String == "int8")
        let files = try #require(indexed["files"] as? [[String: Any]]).compactMap { $0["path"] as? String }
        #expect(files.contains("local.bytes") && files.contains("black-box.bytes"))

        for precision in ["int8", "float32"] {
            let flags = ["--quiet", "--json", "--precision", precision]
            let found = try await world.mafin(["search", "ART", "--data", "data", "j7 f1"] + flags)
            #expect(found.status == 0, "\(found.error)")
            #expect(try object(found.output)["results"] is [Any])
            let evaluated = try await world.mafin(["evaluate", "ART", "--data", "data"] + flags)
            #expect(evaluated.status == 0, "\(evaluated.error)")
        }
    }

    /// The same training with float32 asked for measures nothing.
    @Test func float32IsRecordedAndNothingIsMeasured() async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        let trained = try await world.mafin(Self.train + ["--precision", "float32"])
        #expect(trained.status == 0, "\(trained.error)")
        let stored = try #require(try manifest(world, "ART/manifest.json")["precision"] as? [String: Any])
        #expect(stored["used"] as? String == "float32" && (stored["trials"] as? [Any])?.isEmpty == true)
    }

    @Test(arguments: [
        ["embed", "ART", "--input", "x", "--as", "query", "--output", "y.npy"],
        ["index", "ART", "--data", "d", "--output", "i"],
        ["serve", "ART"], ["search", "ART", "--data", "d", "words"], ["evaluate", "ART", "--data", "d"],
        ["train", "--output", "ART"] + TinyWorld.training, ["compare", "--output", "ART"] + TinyWorld.training,
    ])
    func aWrongNameIsRefused(command: [String]) throws {
        let error = #expect(throws: (any Error).self) {
            try MafinCommand.parseAsRoot(command + ["--precision", "fp8"])
        }
        let message = error.map { MafinCommand.fullMessage(for: $0) } ?? ""
        #expect(message.contains("fp8") && message.contains("float32|bf16|int8"), "\(message)")
        #expect(throws: Never.self) { try MafinCommand.parseAsRoot(command + ["--precision", "bf16"]) }
    }

    @Test func withoutLabelsNoLowerPrecisionIsAskedFor() throws {
        let flags = TinyWorld.training + ["--output", "ART", "--stand-in", "--no-labels", "--precision"]
        let error = #expect(throws: (any Error).self) { try TrainCommand.parse(flags + ["int8"]) }
        #expect(error.map { TrainCommand.message(for: $0).contains("no ranking is compared") } == true)
        #expect(throws: Never.self) { try TrainCommand.parse(flags + ["float32"]) }
    }
}
