import ArgumentParser
import Foundation
import MafinCommandLine
import MafinComparison
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinProviderWorkflows
import MafinReport
import MafinRetrieval
import MafinWorkflows

/// `mafin compare`: trains and measures every system on one split, and writes the page with the verdict.
struct CompareCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract:
            "Train and measure everything that could be used, and write one page that says what is worth shipping.",
        usage: "mafin compare --data <path> --black-box <kind:argument> --output <folder> [<options>]",
        discussion: """
            Learns from 'train', makes every choice on 'dev', and measures --split once: each system against the black box, query by query. \
            The verdict is on the best system on dev that can be shipped: its gain over the black box on documents that labels named, its \
            gain on new documents, and what a query costs. A system with a trained encoder is chosen only if it is significantly better on dev. \
            The report also says what is lost and saved if the API is asked for no query, or for some (a stand-in estimates its vectors).

            Writes into --output: index.html, report.md, report.json, figures/NAME.svg, runs/NAME.run (TREC, 100 ranks), artefact (the chosen \
            system, for 'mafin index', 'serve', 'embed', 'evaluate') and state. 'mafin ship' makes an artefact of another system. Ctrl-C ends \
            after the current step, and the same command resumes. If the folder is finished, only the report is written again.

            SYSTEMS
            \(Self.systems)

            --batch uses the provider's cheaper batch API. More flags: mafin compare --help-hidden
            """)

    private static var systems: String {
        ComparedSystem.Kind.allCases.map { kind in
            "  \(kind.heading): "
                + ComparedSystem.all.filter { $0.kind == kind }.map(\.name).joined(separator: ", ")
        }.joined(separator: "\n")
    }

    @Option(help: .collection)
    var data: String

    @Option(name: .shortAndLong, help: "Folder for the report. An interrupted comparison that is there is resumed.")
    var output: String

    @OptionGroup var blackBox: BlackBoxOptions
    @OptionGroup var encoder: EncoderOptions

    @Option(
        help: ArgumentHelp(
            "Time for everything that is trained or fitted. The cheapest systems come first; what does not fit is listed in the report. Encoders share the rest equally. (default: 30m)",
            valueName: "duration"), transform: TimeLimit.init(parsing:))
    var time = TimeLimit(.seconds(1_800))

    @Option(
        help: ArgumentHelp(
            "Trainings of each method, each with its own seed. Their mean is tested and their spread is shown.",
            valueName: "n"))
    var seeds = 3

    @Option(
        help: ArgumentHelp(
            "Systems to compare, from the list above, separated by commas. In mafin+… mafin stands for the method that is best on dev. (default: all that fit the time)",
            valueName: "names"), transform: SystemList.init(parsing:))
    var systems: SystemList?

    @Option(
        help: ArgumentHelp(
            "Metrics as trec_eval or ir-measures name them, separated by commas. The first one decides.",
            valueName: "names"), transform: MetricList.init(parsing:))
    var metrics: MetricList = .standard

    @Option(help: "Split to measure on.")
    var split = JudgedSplits.Part.test.rawValue

    @Option(
        help: ArgumentHelp(
            "Expected share, 0 to 1, of queries about documents that no label names. The higher it is, the less weight memories of labels get, and systems are chosen that hold up on new documents. (default: the share on dev, at least \(RivalData.leastNewDocuments))",
            valueName: "share"))
    var newDocuments: Double?

    @Flag(
        inversion: .prefixedNo,
        help: .expert(
            "Train a stand-in too, and measure what is lost if the API is asked for no query. The artefact then answers without asking as well."
        ))
    var standIn = true

    @OptionGroup var language: LanguageOptions
    @OptionGroup var leaks: LeakOptions

    @Option(
        help: ArgumentHelp(
            "Exit with status \(CommandStatus.conditionMet.rawValue) if this holds: '[SYSTEM] METRIC < SYSTEM-OR-NUMBER' (also <=, >, >=). Without SYSTEM the artefact that is shipped is meant. May be given several times.",
            valueName: "condition"), transform: { try FailCondition(parsing: $0) })
    var failIf: [FailCondition] = []

    @Option(help: .expert("The first random seed; the others follow it."))
    var seed: UInt64 = 1

    @Option(
        help: .expert(
            "How encoders are trained, as in 'mafin train'. (default: chosen from the data and the time)",
            "query|block|pair"))
    var mode: ModeChoice.Mode?

    @OptionGroup var indexSize: IndexSizeOptions
    @OptionGroup var tuning: TuningOptions

    @OptionGroup(visibility: .hidden) var precision: TargetPrecisionOptions
    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        _ = try blackBox.source(default: nil)
        try requireFolder(output: output)
        try require(["--seeds": seeds], atLeast: 1)
        _ = try indexSize.size()
        if [JudgedSplits.Part.train, .dev].map(\.rawValue).contains(split) {
            throw ValidationError("--split \(split) is used for training or for choices; measure on another one.")
        }
        if let newDocuments, !(0...1).contains(newDocuments) {
            throw ValidationError("--new-documents must be in 0…1, found \(newDocuments).")
        }
        if !standIn, let name = systems?.names.first(where: { ComparedSystem.isOffline($0) }) {
            throw ValidationError("--no-stand-in leaves out \(name), which --systems names.")
        }
        for condition in failIf where !metrics.metrics.contains(condition.metric) {
            throw ValidationError("--fail-if \"\(condition)\": \(condition.metric) is not among --metrics.")
        }
    }

    func run() async throws {
        try computing.begin()
        var comparison = ComparisonWorkflow(
            data: data, output: output, source: blackBox.source, context: shared.context,
            openBlackBox: blackBox.opening(shared))
        comparison.encoder = encoder.choice
        comparison.tuning = tuning.tuning
        comparison.request.seconds = time.duration.inSeconds
        comparison.request.seeds = seeds
        comparison.request.seed = seed
        comparison.request.systems = systems?.names
        comparison.request.metrics = metrics.metrics
        comparison.request.split = split
        comparison.request.mode = mode
        comparison.request.language = language.choice
        comparison.request.newDocuments = newDocuments
        comparison.request.leavesOutStandIn = standIn ? nil : true
        comparison.price = try blackBox.factory(shared).price(of: blackBox.source(default: nil))
        comparison.allowsLeaks = leaks.allowLeak
        comparison.indexSize = try indexSize.size()
        comparison.precision = precision.precision
        comparison.commandLine = ShellText.current
        let progress = CompareProgress(shared)
        let facts: ComparisonFacts
        do {
            defer { progress.finish() }
            facts = try await comparison.run(onEvent: progress.report)
        } catch is CancellationError {
            shared.note("interrupted; \(CompareProgress.resuming)")
            throw CancellationError()
        }
        try format.print(facts.summary, or: text(facts))
        let met = try failIf.filter { try $0.holds(in: facts) }
        if !met.isEmpty { throw ConditionMet(conditions: met.map(\.description)) }
    }

    /// The output for people: the tables, the verdict, the commands, and where the report is.
    private func text(_ facts: ComparisonFacts) -> String {
        var parts = [EvaluationSummary(facts).text(), facts.groupText()].compactMap(\.self)
        if let verdict = facts.verdict, let answer = facts.answer {
            parts.append("Verdict: \(answer). \(verdict.reason)")
            parts += verdict.notes ?? []
            if let command = verdict.command { parts.append("To use \(output)/artefact:\n\n\(command)") }
            let others = verdict.shippable?.filter { $0 != verdict.system } ?? []
            if let command = verdict.commandForOthers, !others.isEmpty {
                parts.append("To ship another system (\(others.joined(separator: ", "))):\n\n\(command)")
            }
        }
        if let expectation = facts.learningCurve?.expectation { parts.append(expectation) }
        for omission in facts.omissions ?? [] { parts.append("Left out: \(omission.what). \(omission.reason)") }
        parts.append("Report: \(output)/index.html")
        return parts.joined(separator: "\n\n")
    }
}

extension ComparedSystem.Kind {
    /// The kind's name in `--help`.
    fileprivate var heading: String {
        switch self {
        case .baseline: "always"
        case .lexical: "words alone"
        case .released: "untrained"
        case .rival: "labels and the black box's vectors"
        case .trained: "trained encoders"
        case .derived: "built on the trained encoder that is best on dev"
        case .adapter: "adapters"
        case .offline: "without asking the API"
        }
    }
}

/// The value of `--systems`: names of systems.
struct SystemList: Equatable {
    var names: [String]

    @Sendable init(parsing text: String) throws {
        let known = ComparedSystem.all.map(\.name)
        names = try NameError.list(text, of: "system", known: known) { known.contains($0) ? $0 : nil }
    }
}

/// A condition of `--fail-if` holds. The report is written, and the command's status tells it.
struct ConditionMet: CommandStatusProviding, CustomStringConvertible {
    var conditions: [String]

    var commandStatus: CommandStatus { .conditionMet }
    var description: String { "--fail-if: \(conditions.joined(separator: "; "))" }
}
