import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinGeneration
import MafinProviderWorkflows
import MafinReport

/// `mafin generate`: writes queries for a corpus that has none.
struct GenerateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Write queries for a corpus without labels, as a collection that 'mafin train' reads.",
        usage: "mafin generate --data <path> (--llm <provider:model> | --without-llm) --output <folder> [<options>]",
        discussion: """
            A language model writes searches for each passage: questions, keywords and situations, in the language of the passage, similar to \
            the real ones in --examples. Filters then reject queries that refer to the text ("this passage"), copy it, repeat another query, or \
            are too short or too long. With --black-box they also reject queries whose own passage is not found again. With --judge a model \
            grades the rest. Rejected queries are kept in rejected.jsonl with the reason, all counts in generation.json.

            Replies are cached as they arrive: an interrupted command continues where it stopped and pays for nothing twice. --dry-run says \
            what it would cost. No document is in two splits.

            More flags: mafin generate --help-hidden
            """)

    @Option(help: "Documents: a corpus.jsonl (also .gz), a BEIR folder with or without queries, or another collection.")
    var data: String

    @Option(
        name: .shortAndLong,
        help: "Folder for the collection. A collection that is there is replaced when the new one is complete.")
    var output: String

    @OptionGroup var generation: GenerationOptions
    @OptionGroup var blackBox: BlackBoxOptions

    @Flag(help: "Only say what would be asked and what it would cost. Nothing is sent.")
    var dryRun = false

    @Option(help: .expert("Random seed. Another seed gives other queries."))
    var seed: UInt64 = 1

    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        try requireFolder(output: output)
        if let specification = blackBox.blackBox {
            _ = try blackBox.source(default: nil)
            if case .vectors = specification, generation.roundTrip > 0 {
                throw ValidationError(
                    "\(specification) cannot have vectors of queries that are not written yet: name a black box that can be asked, or pass --round-trip 0."
                )
            }
        }
    }

    func run() async throws {
        try computing.begin()
        let workflow = generation.workflow(
            data: data, output: output, seed: seed, blackBox: blackBox, shared: shared)
        if dryRun {
            let plan = try await workflow.plan()
            return try format.print(plan, or: plan.table.text())
        }
        let report = try await workflow.run()
        try format.print(report, or: "\(Self.table(report).text())written to \(output)")
    }

    /// The counts, for people.
    static func table(_ report: GenerationReport) -> Table {
        func list(_ counts: [String: Int]) -> String {
            counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.value) \($0.key)" }.joined(
                separator: ", ")
        }
        func sum(_ counts: [String: Int]) -> Int { counts.values.reduce(0, +) }
        var table = Table(columns: [.init("generation"), .init("")])
        table.append(["queries by", report.model ?? "pieces of the passages (\(report.styles))"])
        var passages = "\(report.passages) of \(report.documents) documents"
        if report.tooShort > 0 { passages += ", \(report.tooShort) too short" }
        if report.repeated > 0 { passages += ", \(report.repeated) repeated" }
        table.append(["passages", passages])
        table.append(["made", "\(sum(report.generated)): \(list(report.generated))"])
        for (reason, count) in report.rejected.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
            table.append(["rejected: \(reason)", "\(count)"])
        }
        table.append(["kept", "\(sum(report.kept)): \(list(report.kept))"])
        for name in ["train", "dev", "test"] {
            guard let size = report.splits[name] else { continue }
            table.append([name, "\(size.queries) queries, \(size.passages) passages"])
        }
        if let replies = report.replies {
            table.append(["tokens", "\(replies.inputTokens) in, \(replies.outputTokens) out, cached replies included"])
        }
        if let requests = report.requests {
            table.append([
                "asked now", "\(requests) requests" + (report.cost.map { String(format: ", %.4f paid", $0) } ?? ""),
            ])
        }
        return table
    }
}
