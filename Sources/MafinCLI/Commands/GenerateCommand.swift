import ArgumentParser
import Foundation
import MafinBlackBox
import MafinGeneration
import MafinReport

/// `mafin generate`: queries for a corpus that has none.
struct GenerateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Make queries for a corpus without labels, and write a collection that 'mafin train' reads.",
        discussion: """
            A language model writes searches for each passage: questions, keywords and situations, in the passage's language, like the real
            ones given by --examples. Filters then reject what points at the text ("this passage"), copies it, repeats another query, is too
            short or too long, and, with --black-box, what does not find its own passage again. What was rejected stands in rejected.jsonl, all
            counts in generation.json.

            Replies are cached as they arrive: an interrupted command goes on where it was, and asks nothing twice. --dry-run says what it
            would cost. The splits share no document.
            """)

    @OptionGroup var shared: SharedOptions

    @Option(help: "Documents: a corpus.jsonl (also .gz), a BEIR folder with or without queries, or another collection.")
    var data: String

    @OptionGroup(title: "Queries") var generation: GenerationOptions
    @OptionGroup(title: "Black box for the round trip (its vectors are cached and serve training too)") var blackBox:
        BlackBoxOptions

    @Option(name: .shortAndLong, help: "Folder to write the collection to. One that is there is replaced at the end.")
    var output: String

    @Option(help: "Everything random follows from it; another seed, other queries.")
    var seed: UInt64 = 1

    @Flag(help: "Only say what would be asked, and what it would cost at most.")
    var dryRun = false

    func validate() throws {
        if output.isEmpty { throw ValidationError("--output names no folder.") }
        if let specification = blackBox.blackBox {
            _ = try blackBox.source(default: nil)
            if case .vectors = specification, generation.roundTrip > 0 {
                throw ValidationError(
                    "\(specification) has no vectors of queries that are not made yet: name a black box that can be asked, or pass --round-trip 0."
                )
            }
        }
    }

    func run() async throws {
        try shared.apply()
        Interruption.install()
        let session = GenerationSession(self)
        if dryRun {
            let plan = try await session.plan()
            if shared.json { try JSONOutput.print(plan) } else { print(plan.table.text(), terminator: "") }
            return
        }
        let report = try await session.run()
        if shared.json {
            try JSONOutput.print(report)
        } else {
            print(GenerationSession.table(report).text(), terminator: "")
            print("written to \(output)")
        }
    }
}
