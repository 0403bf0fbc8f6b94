import ArgumentParser
import Foundation
import MafinCommandLine
import MafinNumerics
import MafinPipeline
import MafinReport
import MafinRetrieval
import MafinWorkflows

/// `mafin diff`: what changed between two runs, or between two reports.
struct DiffCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Compare two TREC runs, or two reports: changes of single queries, and paired tests.",
        discussion: """
            A run is a TREC file of any tool: 'query Q0 document rank score tag' on each line (also .gz). Labels come from --qrels, or from \
            --data and --split. Without labels only ranks are compared. A report is the JSON of 'mafin evaluate' or 'mafin compare'. Paired \
            tests of reports need the values of single queries in them. The system 'artefact' is what an evaluation measured, or what a \
            comparison ships.

            More flags: mafin diff --help-hidden
            """)

    @Argument(help: "The earlier run or report.", completion: .file())
    var first: String

    @Argument(help: "The later run or report.", completion: .file())
    var second: String

    @Option(
        help: ArgumentHelp("Labels for two runs: qrels in BEIR's or TREC's format.", valueName: "file"),
        completion: .file())
    var qrels: String?

    @Option(help: ArgumentHelp("Collection of two runs: supplies labels, and texts for --html.", valueName: "path"))
    var data: String?

    @Option(help: "Split of --data to measure on.")
    var split = "test"

    @Option(
        help: ArgumentHelp(
            "Metric to compare query by query. (default: nDCG@10; for reports the one that decides)", valueName: "name"),
        transform: { try NameError.metric($0) })
    var metric: Metric?

    @Option(help: ArgumentHelp("Compare the first k ranks.", valueName: "k"))
    var top = 10

    @Option(
        help: ArgumentHelp(
            "System of two reports that --html shows. (default: the one of the second report's verdict, otherwise the artefact, otherwise the last one)",
            valueName: "name"))
    var system: String?

    @Option(help: ArgumentHelp("Also write a page to this file.", valueName: "file"), completion: .file())
    var html: String?

    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        if qrels != nil, data != nil, html == nil {
            throw ValidationError(
                "--qrels and --data both supply labels; give only one of them (with --html, --data may supply the texts)."
            )
        }
        try require(["--top": top], atLeast: 1)
    }

    func run() async throws {
        try computing.apply()
        let urls = (URL(fileURLWithPath: first), URL(fileURLWithPath: second))
        switch (try ComparableFile(contentsOf: urls.0), try ComparableFile(contentsOf: urls.1)) {
        case (.run(let before), .run(let after)): try runs(before, after)
        case (.report(let before), .report(let after)): try reports(before, after)
        default:
            throw ReportError.incomparable(first: first, second: second, reason: "one is a run, the other a report")
        }
    }

    private func runs(_ before: Run, _ after: Run) throws {
        if system != nil { throw ValidationError("--system is for reports.") }
        let collection = try data.map { try RetrievalCollection(contentsOf: URL(fileURLWithPath: $0)) }
        let labels: Qrels? =
            if let qrels {
                try Qrels(contentsOf: URL(fileURLWithPath: qrels))
            } else {
                try collection.map { try JudgedSplits($0, measured: split, allowsLeaks: true).qrels(split) }
            }
        if html != nil, labels == nil { throw ValidationError("--html needs labels: give --qrels or --data.") }
        let metric = metric ?? .nDCG(cutoff: 10)
        let difference = try RunDifference(
            first: (first, before), second: (second, after), qrels: labels, metric: metric, depth: top)
        if let html, let labels {
            let facts = try ComparisonFacts(
                first: (first, before), second: (second, after), qrels: labels, split: split, metric: metric,
                collection: collection)
            try write(facts, to: html)
        }
        try format.print(difference, or: difference.text())
    }

    private func reports(_ before: ComparisonFacts, _ after: ComparisonFacts) throws {
        if qrels != nil || data != nil {
            throw ValidationError("--qrels and --data are for runs; reports hold figures.")
        }
        let difference = try ReportDifference(
            first: (first, before), second: (second, after), metric: metric)
        if let html {
            let names = difference.systems.map(\.name)
            let shown = system ?? difference.shown(verdict: after.verdict) ?? ""
            guard names.contains(shown) else {
                throw ValidationError("--system \(shown): in both reports there is \(names.joined(separator: ", ")).")
            }
            guard let facts = ComparisonFacts(difference, system: shown, first: before, second: after) else {
                throw ReportError.incomparable(
                    first: first, second: second,
                    reason: "--html needs values of single queries of \(shown) in \(difference.metric), in both reports"
                )
            }
            try write(facts, to: html)
        } else if system != nil {
            throw ValidationError("--system says which system --html shows; --html is not given.")
        }
        try format.print(difference, or: difference.text())
    }

    private func write(_ facts: ComparisonFacts, to path: String) throws {
        try AtomicFile.write(Data(facts.html().utf8), to: URL(fileURLWithPath: path))
        shared.note("wrote \(path)")
    }
}
