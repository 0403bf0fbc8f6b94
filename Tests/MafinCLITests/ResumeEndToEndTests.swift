import Foundation
import MafinCommandLine
import MafinTestSupport
import Testing

@testable import MafinCLI

/// A training that was interrupted ends with the same weights as an uninterrupted one, bit for bit.
@Suite(
    "Commands: train --resume", .serialized,
    .enabled(if: Program.url != nil, Comment(rawValue: Program.skipMessage)))
struct ResumeEndToEndTests {
    /// Long enough to be interrupted. The clock does not affect it, because the epochs end long before the time.
    private static func flags(_ mode: String, epochs: Int) -> [String] {
        ["train", "--output", "ART", "--rivals", "none", "--mode", mode, "--epochs", "\(epochs)", "--patience", "1000"]
            + TinyWorld.training + ["--learning-rate", "0.001"]
    }

    /// Whether a run has reported the evaluation of a state after the start.
    @Sendable private static func isInTheMiddle(_ error: String) -> Bool {
        error.split(separator: "\n").contains {
            $0.hasPrefix("mafin: step ") && !$0.hasPrefix("mafin: step 0:") && $0.contains("dev")
        }
    }

    private static func weights(_ world: TinyWorld) throws -> [Data] {
        let files = ["ART/query-encoder/model.safetensors", "ART/document-encoder/model.safetensors"]
        return try files.map { world.url($0) }.filter { FileManager.default.fileExists(atPath: $0.path) }
            .map { try Data(contentsOf: $0) }
    }

    /// What must be the same in two runs of one training: the manifest without seconds.
    private static func figures(_ world: TinyWorld) throws -> String {
        let text = try String(contentsOf: world.url("ART/manifest.json"), encoding: .utf8)
        let clocks = ["\"elapsed\"", "\"seconds\"", "\"stepSeconds\""]
        return text.split(separator: "\n").filter { line in !clocks.contains { line.contains($0) } }
            .joined(separator: "\n")
    }

    @Test(arguments: [("query", 800), ("pair", 200)])
    func afterCtrlC(_ mode: String, _ epochs: Int) async throws {
        try await compare(mode, epochs) { flags, world in
            let run = try Program.start(flags, in: world.folder)
            run.signal(SIGINT, when: Self.isInTheMiddle)
            let outcome = try await run.outcome()
            #expect(outcome.status == CommandStatus.interrupted.rawValue, "\(outcome.error)")
            let lines = outcome.error.split(separator: "\n")
            #expect(lines.filter { $0.hasPrefix("error: ") } == ["error: interrupted"] && outcome.output.isEmpty)
            #expect(lines.contains("mafin: interrupted; the same command with --resume continues from here"))
            #expect(!FileManager.default.fileExists(atPath: world.url("ART").path))

            let again = try await world.mafin(flags)
            #expect(again.status == CommandStatus.usage.rawValue && again.error.contains("--resume"), "\(again.error)")
            let other = try await world.mafin(flags + ["--mode", "block", "--resume"])
            #expect(other.status == CommandStatus.usage.rawValue && other.error.contains("--mode was \(mode)"))
        }
    }

    @Test func afterAKill() async throws {
        try await compare("query", 800) { flags, world in
            let run = try Program.start(flags + ["--checkpoint-every", "1ms"], in: world.folder)
            let latest = world.url("ART.training/mafin/latest.json").path
            // A checkpoint at each evaluation; the next may be half written.
            run.signal(SIGKILL) { Self.isInTheMiddle($0) && FileManager.default.fileExists(atPath: latest) }
            let outcome = try await run.outcome()
            #expect(outcome.status == SIGKILL && outcome.output.isEmpty)
            #expect(!FileManager.default.fileExists(atPath: world.url("ART").path))
        }
    }

    @Test func afterAKillBeforeTheFirstCheckpoint() async throws {
        try await compare("query", 800, resumed: "mafin: step 0: dev") { flags, world in
            let run = try Program.start(flags, in: world.folder)
            run.signal(SIGKILL) { $0.contains("mafin: step 0: dev") }
            #expect(try await run.outcome().status == SIGKILL)
        }
    }

    /// Trains once without interruption, and once with `interrupt` and then `--resume`, and compares both.
    private func compare(
        _ mode: String, _ epochs: Int, resumed: String = "resumed after step",
        _ interrupt: ([String], TinyWorld) async throws -> Void
    ) async throws {
        let world = try TinyWorld()
        defer { world.remove() }
        let flags = Self.flags(mode, epochs: epochs)
        let whole = try await world.mafin(flags)
        #expect(whole.status == 0, "\(whole.error)")
        let (weights, figures) = (try Self.weights(world), try Self.figures(world))
        try #require(weights.count == 1)
        try FileManager.default.removeItem(at: world.url("ART"))

        try await interrupt(flags, world)
        let outcome = try await world.mafin(flags + ["--resume"])
        #expect(outcome.status == 0 && outcome.error.contains(resumed), "\(outcome.error)")
        #expect(try Self.weights(world) == weights)
        #expect(try Self.figures(world) == figures)
        #expect(!FileManager.default.fileExists(atPath: world.url("ART.training").path))

        let nothing = try await world.mafin(flags + ["--resume"])
        #expect(nothing.status == CommandStatus.usage.rawValue && nothing.error.contains("nothing to resume"))
    }
}
