import ArgumentParser
import Foundation
import MafinMethod
import MafinProviderWorkflows
import MafinRetrieval
import Testing

@testable import MafinCLI

@Suite struct HelpTests {
    /// A command, and the words that call it.
    struct Entry: Sendable, CustomTestStringConvertible {
        var words: String
        var command: any ParsableCommand.Type
        var testDescription: String { words }
    }

    /// All commands without subcommands.
    static let commands: [Entry] = leaves(of: MafinCommand.self, "mafin")

    private static func leaves(of command: any ParsableCommand.Type, _ words: String) -> [Entry] {
        let parts = command.configuration.subcommands
        guard !parts.isEmpty else { return [Entry(words: words, command: command)] }
        return parts.flatMap { leaves(of: $0, "\(words) \($0.configuration.commandName ?? "?")") }
    }

    private static func help(_ entry: Entry, hidden: Bool = false) -> String {
        MafinCommand.helpMessage(for: entry.command, includeHidden: hidden, columns: 120)
    }

    /// Lines of help that begin with a flag.
    private static func flags(_ help: String) -> [Substring] {
        help.split(separator: "\n").filter { $0.hasPrefix("  -") }.map { $0.drop { $0 == " " } }
    }

    /// `--help` and `--version` count too.
    @Test(arguments: commands)
    func aCommandShowsAtMostTwentyFlags(_ entry: Entry) {
        let shown = Self.flags(Self.help(entry))
        #expect(shown.count <= 20, "\(shown.joined(separator: "\n"))")
        #expect(Self.flags(Self.help(entry, hidden: true)).count >= shown.count)
    }

    @Test func requiredFlagsComeFirst() throws {
        for (words, first) in [
            ("mafin train", ["--data", "--output", "--black-box"]),
            ("mafin compare", ["--data", "--output", "--black-box"]),
            ("mafin adapt", ["--data", "--output", "--llm"]), ("mafin generate", ["--data", "--output", "--llm"]),
            ("mafin evaluate", ["--data"]), ("mafin embed", ["--input", "--as", "--output"]),
            ("mafin index", ["--data", "--output"]), ("mafin search", ["--data"]), ("mafin ship", ["--output"]),
            ("mafin migrate", ["--data", "--black-box"]),
        ] {
            let entry = try #require(Self.commands.first { $0.words == words })
            let help = Self.help(entry)
            let shown = Self.flags(help).map { line in
                String(line.split(whereSeparator: { " ,".contains($0) }).first { $0.hasPrefix("--") } ?? "")
            }
            #expect(Array(shown.prefix(first.count)) == first, "\(words)")
            let usage = try #require(help.components(separatedBy: "\n\n").first { $0.hasPrefix("USAGE:") })
            for flag in first { #expect(usage.contains("\(flag) "), "\(words) \(flag)") }
        }
    }

    /// A line break inside a paragraph makes ragged lines on every other terminal width. Lists are indented.
    @Test(arguments: commands)
    func paragraphsAreNotBroken(_ entry: Entry) {
        for paragraph in entry.command.configuration.discussion.components(separatedBy: "\n\n") {
            for line in paragraph.split(separator: "\n").dropFirst() { #expect(line.hasPrefix("  "), "\(line)") }
        }
    }

    /// Commands that have hidden flags say how to see them.
    @Test(arguments: commands)
    func hiddenFlagsAreAnnounced(_ entry: Entry) {
        let hidden = Self.flags(Self.help(entry, hidden: true)).count - Self.flags(Self.help(entry)).count
        // --help-hidden itself is one of them.
        if hidden > 1 { #expect(Self.help(entry).contains("\(entry.words) --help-hidden"), "\(hidden) hidden flags") }
    }

    @Test func durationsAreShownAsPeopleWriteThem() throws {
        let train = try #require(Self.commands.first { $0.words == "mafin train" })
        #expect(Self.help(train).contains("(default: 10m)"))
        let demo = try #require(Self.commands.first { $0.words == "mafin demo" })
        #expect(Self.help(demo).contains("(default: 2m)"))
    }

    /// Flags that would do nothing are no flags.
    @Test(arguments: [
        (["serve", "ART"], "--json"), (["provider", "list"], "--threads=2"), (["cache", "stats"], "--threads=2"),
    ])
    func flagsThatWouldDoNothingAreUnknown(_ command: [String], _ flag: String) throws {
        _ = try MafinCommand.parseAsRoot(command)
        let error = #expect(throws: (any Error).self) { try MafinCommand.parseAsRoot(command + [flag]) }
        #expect(error.map { MafinCommand.message(for: $0) }?.hasPrefix("Unknown option") ?? false, "\(error as Any)")
    }

    @Test(arguments: [
        (["--weight", "bm25"], "expected SOURCE=NUMBER"), (["--weight", "=1"], "expected SOURCE=NUMBER"),
        (["--weight", "bm25=-1"], "expected SOURCE=NUMBER"), (["--weight", "bm25=nan"], "expected SOURCE=NUMBER"),
        (["--weight", "bm25=1", "--weight", "bm25=2"], "--weight bm25 is given twice"),
        (["--weight", "local=1", "--lambda", "0.5"], "decide the same"), (["--lambda", "1.5"], "between 0 and 1"),
    ])
    func faultyWeightsSayWhatIsWrong(_ flags: [String], _ hint: String) {
        let error = #expect(throws: (any Error).self) {
            try MafinCommand.parseAsRoot(["search", "ART", "--data", "data", "question"] + flags)
        }
        #expect(error.map { MafinCommand.message(for: $0) }?.contains(hint) ?? false, "\(error as Any)")
    }

    @Test func aWeightBelongsToASource() throws {
        let search = try SearchCommand.parse(["ART", "--data", "d", "--weight", "a=b=0.5", "--weight", "bm25=0", "q"])
        #expect(search.weight.map(\.source.rawValue) == ["a=b", "bm25"] && search.weight.map(\.weight) == [0.5, 0])
    }

    /// Names and codes of languages; without the flag, and with `auto`, the language is guessed.
    @Test(arguments: [
        (["--language", "german"], Language.german), (["--language", "ja"], .japanese),
        (["--language", "other"], .other),
        (["--language", "auto"], nil), ([], nil),
    ])
    func languagesHaveNamesAndCodes(_ flags: [String], _ language: Language?) throws {
        let collection = ["--data", "d", "--output", "o", "--black-box", "vectors:v"]
        #expect(try TrainCommand.parse(collection + flags).language.choice == language)
        #expect(try CompareCommand.parse(collection + flags).language.choice == language)
        #expect(try EvaluateCommand.parse(["ART", "--data", "d"] + flags).language.choice == language)
        let generation = ["--data", "d", "--output", "o", "--without-llm"] + flags
        #expect(try GenerateCommand.parse(generation).generation.language.choice == language)
    }

    /// A service that nobody has configured does not fill the disk.
    @Test func queriesOfAServiceAreBoundedByDefault() throws {
        func room(_ flags: String...) throws -> Int? {
            try ServeCommand.parse(["ART"] + flags).workflow().maximumQueryBytes
        }
        #expect(try room() == 1 << 30)
        #expect(try room("--cache-limit", "2MiB") == 2 << 20)
        #expect(try room("--cache-limit", "0") == nil)
        #expect(throws: (any Error).self) { try room("--cache-limit", "little") }
    }

    @Test(arguments: ["serve", "search"])
    func serveAndSearchRefuseBatchFlags(_ command: String) {
        let arguments =
            command == "serve" ? ["serve", "ART"] : ["search", "ART", "--data", "data", "question"]
        for flag in [["--batch"], ["--batch", "--no-wait"], ["--drift-check", "1"]] {
            let error = #expect(throws: (any Error).self) { try MafinCommand.parseAsRoot(arguments + flag) }
            #expect(error.map { MafinCommand.exitCode(for: $0) } == .validationFailure)
        }
    }

    @Test(arguments: [
        (["--time", "10"], "a duration needs a unit: 10s, 10m or 10h?"),
        (["--rivals", "tuned-alon"], "did you mean 'tuned-alone'?"),
        (["--black-box", "opnai:m"], "did you mean 'openai'?"),
        (["--language", "germn"], "there is no language 'germn'; did you mean 'german'?"),
    ])
    func faultyValuesSayWhatToWrite(_ flags: [String], _ hint: String) {
        let arguments = ["train", "--data", "d", "--output", "o", "--black-box", "vectors:v"] + flags
        let error = #expect(throws: (any Error).self) { try MafinCommand.parseAsRoot(arguments) }
        #expect(error.map { MafinCommand.message(for: $0) }?.contains(hint) ?? false, "\(error as Any)")
    }
}
