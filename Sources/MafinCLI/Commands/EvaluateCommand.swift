import ArgumentParser
import MafinCommandLine
import MafinPipeline
import MafinReport
import MafinRetrieval
import MafinWorkflows

/// `mafin evaluate`: measures every system on one split and compares each with the black box.
struct EvaluateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Compare an artefact and all simpler systems with the black box, on one split.",
        usage: "mafin evaluate <artefact> --data <path> [<options>]",
        discussion: """
            Each system is compared with the black box, query by query: the difference, its 95 % paired-bootstrap interval, and the p-value of a \
            paired randomization test. ▲ and ▼ mark differences that stay significant after Holm's correction over the systems (pHolm in JSON). \
            Rankings are \(ArtefactEvaluation.depth) documents deep.

            --batch uses the provider's cheaper batch API. More flags: mafin evaluate --help-hidden
            """)

    @Option(help: .collection)
    var data: String

    @Option(help: "Split of the labels to measure on. Choose on dev; look at test once.")
    var split = "test"

    @Option(
        help: ArgumentHelp("Metrics as trec_eval or ir-measures name them, separated by commas.", valueName: "names"),
        transform: MetricList.init(parsing:))
    var metrics: MetricList = .standard

    @Option(
        help: ArgumentHelp("Also write each system's ranking to this folder, as a TREC run file.", valueName: "folder"))
    var runs: String?

    @OptionGroup var language: LanguageOptions
    @OptionGroup var leaks: LeakOptions

    @Flag(help: "Print the table as Markdown.")
    var markdown = false

    @OptionGroup var options: ArtefactOptions

    @OptionGroup var precision: PrecisionOptions
    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func run() async throws {
        try computing.begin()
        var evaluation = EvaluationWorkflow(
            artefact: options.artefact, data: data, context: shared.context,
            openBlackBox: options.blackBox.opening(shared))
        evaluation.split = split
        evaluation.metrics = metrics.metrics
        evaluation.runs = runs
        evaluation.precision = precision.precision
        evaluation.allowsLeaks = leaks.allowLeak
        evaluation.language = language.choice
        try format.print(await evaluation.run(), asMarkdown: markdown, shared)
    }
}

/// The value of `--metrics`: a list of metric names.
struct MetricList: Equatable, CustomStringConvertible {
    var metrics: [Metric]

    static let standard = MetricList(metrics: Metric.standard)

    init(metrics: [Metric]) {
        self.metrics = metrics
    }

    @Sendable init(parsing text: String) throws {
        metrics = try NameError.list(text, of: "metric", known: []) { try NameError.metric($0) }
    }

    var description: String { metrics.map(\.description).joined(separator: ",") }
}
