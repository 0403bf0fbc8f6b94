import ArgumentParser
import MafinBlackBox
import MafinProviderWorkflows
import Testing

@testable import MafinCLI

/// Flags that contradict each other where the black box is not asked.
@Suite struct OfflineFlagsTests {
    private static func message(_ command: any ParsableCommand.Type, _ arguments: [String]) throws -> String {
        let error = #expect(throws: (any Error).self) { try command.parse(arguments) }
        return command.message(for: try #require(error))
    }

    @Test(arguments: [
        (["--degrade"], "--degrade"), (["--ask-below", "0.5", "--index", "I"], "--ask-below"),
        (["--black-box", "vectors:v"], "--black-box"), (["--data", "d"], "--data"),
    ])
    func aServiceThatAsksNothingTakesNoFlagAboutAsking(flags: [String], named: String) throws {
        let message = try Self.message(ServeCommand.self, ["ART", "--offline"] + flags)
        #expect(message.contains("\(named) is about asking the black box"), "\(message)")
    }

    @Test func aThresholdIsAShareAndNeedsAnIndex() throws {
        for value in ["-0.1", "1.5", "nan"] {
            let message = try Self.message(ServeCommand.self, ["ART", "--index", "I", "--ask-below=\(value)"])
            #expect(message.contains("between 0 and 1"), "\(message)")
        }
        let message = try Self.message(ServeCommand.self, ["ART", "--ask-below", "0.5"])
        #expect(message.contains("--ask-below needs --index or --shards-of"), "\(message)")
        // The service before the shards decides for all of them.
        let front = try ServeCommand.parse(["ART", "--shards-of", "http://a:1,http://b:2", "--ask-below", "0.5"])
        #expect(front.askBelow == 0.5)
        #expect(try ServeCommand.parse(["ART", "--index", "I", "--ask-below", "0.5"]).askBelow == 0.5)
    }

    @Test func theWorkflowOpensNoBlackBox() throws {
        #expect(try ServeCommand.parse(["ART", "--offline"]).workflow().isOffline)
        #expect(try !ServeCommand.parse(["ART"]).workflow().isOffline)
    }

    @Test func onlyQueriesAreEmbeddedWithoutAsking() throws {
        func arguments(_ role: String) -> [String] {
            ["ART", "--input", "i.jsonl", "--as", role, "--output", "o.npy", "--offline"]
        }
        #expect(try Self.message(EmbedCommand.self, arguments("document")).contains("--offline is for queries"))
        #expect(try EmbedCommand.parse(arguments("query")).offline)
    }

    @Test func aSearchThatAsksNothingHasNoLambda() throws {
        let arguments = ["ART", "--data", "d", "--offline", "words"]
        let message = try Self.message(SearchCommand.self, arguments + ["--lambda", "0.5"])
        #expect(message.contains("use --weight local=NUMBER"), "\(message)")
        #expect(try SearchCommand.parse(arguments).offline)
    }

    /// What the flags say of the new black box does not hold for the old one.
    @Test func theOldBlackBoxHasNoneOfTheNewOnesFlags() throws {
        let arguments = [
            "ART", "--data", "d", "--black-box", "openai:new", "--tokenizer", "t", "--drift-check", "0.5",
            "--on-overflow", "split-mean", "--dimensions", "8", "--cache", "c",
        ]
        let stored = BlackBoxSource(.provider("openai", model: "old"), baseURL: "http://localhost:1/v1")
        let command = try MigrateCommand.parse(arguments)
        let options = try command.oldOptions(stored)
        #expect(options.asking.tokenizer == nil && options.asking.driftCheck == nil)
        #expect(options.asking.onOverflow == nil && options.dimensions == nil && options.blackBox == nil)
        #expect(options.cache == "c" && options.baseURL == stored.baseURL)
        let error = #expect(throws: ValidationError.self) { try command.oldOptions(nil) }
        #expect(error?.message.contains("--old-black-box vectors:PATH") == true)
        var moved = BlackBoxSource(.vectors(path: "gone"))
        moved.resolvedPath = "/nowhere/gone"
        let missing = #expect(throws: BlackBoxError.self) {
            try command.oldOptions(moved).source(default: moved, flag: "--old-black-box")
        }
        #expect(missing?.description.contains("pass --old-black-box vectors:PATH") == true)
        let other = try MigrateCommand.parse(arguments + ["--old-black-box", "vectors:v"]).oldOptions(nil)
        #expect(other.blackBox == .vectors(path: "v") && other.baseURL == nil)
    }
}
