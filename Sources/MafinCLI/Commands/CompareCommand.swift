import ArgumentParser
import Foundation
import MafinBlackBox
import MafinComparison
import MafinMethod
import MafinPipeline
import MafinReport
import MafinRetrieval

/// `mafin compare`: all contenders trained and measured on one split, and the page that says whether it pays.
struct CompareCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Train and measure everything that could be used, and write one page that says whether it pays.",
        discussion: """
            Learns from 'train', makes every choice on 'dev', measures --split once, each system against the black box, query by query. \
            The verdict compares the trained artefact with the black box and with the best that needs no trained encoder.

            Writes into --output: index.html, report.md, report.json, figures/NAME.svg, runs/NAME.run (TREC, 100 ranks), artefact (of the method that is \
            best on dev) and state. Ctrl-C ends after the step at hand; the same command goes on from there. Over a finished folder it only \
            writes the report anew.

            SYSTEMS
            \(Self.systems)
            """)

    private static var systems: String {
        ComparedSystem.Kind.allCases.map { kind in
            "  \(kind.heading): "
                + ComparedSystem.all.filter { $0.kind == kind }.map(\.name).joined(separator: ", ")
        }.joined(separator: "\n")
    }

    @OptionGroup var shared: SharedOptions

    @Option(help: "Collection: a BEIR folder, a LlamaIndex .json, or a .jsonl of query-document pairs (also .gz).")
    var data: String

    @OptionGroup(title: "Black box") var blackBox: BlackBoxOptions
    @OptionGroup(title: "Local encoder") var encoder: EncoderOptions

    @Option(name: .shortAndLong, help: "Folder of the report. One that an interrupted comparison left is gone on with.")
    var output: String

    @Option(
        help: ArgumentHelp(
            "Time for all that is trained or fitted, the cheapest first; what it does not allow is named in the report. Encoders share equally what the cheaper leave, less some for what is built on the best of them; no training makes more passes than help.",
            valueName: "duration"))
    var time = TimeLimit(.seconds(1_800))

    @Option(
        help: ArgumentHelp(
            "Trainings of each method, each with its own seed: means are tested, and the spread is shown.",
            valueName: "n"))
    var seeds = 3

    @Option(help: "The first seed; the others follow it.")
    var seed: UInt64 = 1

    @Option(
        help: ArgumentHelp(
            "Systems to compare, of those listed above, separated by commas. (default: all that fit the time) In mafin+… mafin stands for the method that is best on dev.",
            valueName: "names"))
    var systems: SystemList?

    @Option(
        help: ArgumentHelp(
            "Metrics as trec_eval or ir-measures name them, separated by commas; the first decides.", valueName: "names"
        ))
    var metrics: MetricList = .standard

    @Option(help: "Split to measure on.")
    var split = JudgedSplits.Part.test.rawValue

    @Option(
        help: ArgumentHelp(
            "How encoders are trained; as of 'mafin train'. Default: chosen from data and time.",
            valueName: "query|block|pair"))
    var mode: ModeChoice.Mode?

    @OptionGroup(title: "Training") var tuning: TuningOptions

    @OptionGroup var leaks: LeakOptions

    @Option(
        help: ArgumentHelp(
            "End with status \(CommandStatus.conditionMet.rawValue) where this holds: '[SYSTEM] METRIC < SYSTEM-OR-NUMBER' (also <=, >, >=); without SYSTEM that of the artefact. May be given several times.",
            valueName: "condition"))
    var failIf: [FailCondition] = []

    func validate() throws {
        _ = try blackBox.source(default: nil)
        if output.isEmpty { throw ValidationError("--output names no folder.") }
        if seeds < 1 { throw ValidationError("--seeds must be at least 1, found \(seeds).") }
        if [JudgedSplits.Part.train, .dev].map(\.rawValue).contains(split) {
            throw ValidationError("--split \(split) is learned from or chosen on; measure on another.")
        }
        for condition in failIf where !metrics.metrics.contains(condition.metric) {
            throw ValidationError("--fail-if \"\(condition)\": \(condition.metric) is not among --metrics.")
        }
    }

    func run() async throws {
        try shared.apply()
        Interruption.install()
        let facts = try await CompareSession(self).run()
        if shared.json {
            try JSONOutput.print(facts.summary)
        } else {
            print(CompareText(facts, output: output).text)
        }
        let met = try failIf.filter { try $0.holds(in: facts) }
        if let condition = met.first {
            throw ConditionMet(conditions: met.map(\.description), first: condition.description)
        }
    }
}

extension ComparedSystem.Kind {
    /// What the kind is called in `--help`.
    fileprivate var heading: String {
        switch self {
        case .baseline: "always"
        case .lexical: "words alone"
        case .released: "untrained"
        case .rival: "labels and the black box's vectors"
        case .trained: "trained encoders"
        case .derived: "built on the trained encoder that is best on dev"
        case .adapter: "adapters"
        }
    }
}

/// `--systems`: names of systems.
struct SystemList: ExpressibleByArgument, Equatable {
    var names: [String]

    init?(argument: String) {
        names = argument.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        guard !names.isEmpty, names.allSatisfy({ name in ComparedSystem.all.contains { $0.name == name } }) else {
            return nil
        }
    }
}

/// A condition of `--fail-if` held: the report is written, and the command says so by its status.
struct ConditionMet: CommandStatusProviding, CustomStringConvertible {
    var conditions: [String]
    var first: String

    var commandStatus: CommandStatus { .conditionMet }
    var description: String { "--fail-if: \(conditions.joined(separator: "; "))" }
}
