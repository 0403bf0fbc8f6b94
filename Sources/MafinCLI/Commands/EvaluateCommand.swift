import ArgumentParser
import Foundation
import MafinPipeline
import MafinReport
import MafinRetrieval

/// `mafin evaluate`: every system on one split, each against the black box.
struct EvaluateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Compare an artefact with the black box and with everything simpler, on one split.",
        discussion: """
            Differences are to the black box, query by query, with a 95 % paired-bootstrap interval and the p of a paired
            randomization test; ▲ and ▼ go by p after Holm's correction over the systems (pHolm in JSON). Rankings are
            \(ArtefactEvaluation.depth) documents deep.
            """)

    @OptionGroup var shared: SharedOptions
    @OptionGroup var options: ArtefactOptions

    @Option(help: "Collection: a BEIR folder, a LlamaIndex .json, or a .jsonl of query-document pairs (also .gz).")
    var data: String

    @Option(help: "Split of the labels to measure on. Choose on dev, look at test once.")
    var split = "test"

    @Option(
        help: ArgumentHelp("Metrics as trec_eval or ir-measures name them, separated by commas.", valueName: "names"))
    var metrics: MetricList = .standard

    @Option(help: ArgumentHelp("Folder to write each system's ranking to, as a TREC run file.", valueName: "folder"))
    var runs: String?

    @OptionGroup var leaks: LeakOptions

    @Flag(help: "Print the table as Markdown.")
    var markdown = false

    func run() async throws {
        try shared.apply()
        Interruption.install()
        let runsFolder = runs.map { URL(fileURLWithPath: $0) }
        if let runsFolder { try FileManager.default.createDirectory(at: runsFolder, withIntermediateDirectories: true) }
        let model = try options.load(shared)
        let collection = try RetrievalCollection(contentsOf: URL(fileURLWithPath: data))
        shared.warn(of: collection.warnings)
        let measured = try leaks.measured(split, of: collection, for: model.artefact, shared)
        let vectors = try await BlackBoxVectors(
            asking: options.makeBlackBox(model, shared), documents: collection.documents,
            queries: measured.queries)
        let progress = EncodingProgress(shared)
        let evaluation = try ArtefactEvaluation(
            of: model, on: measured, vectors: vectors, cache: .shared, released: options.released,
            isCancelled: { Interruption.isRequested }, onProgress: progress.update)
        let report = try evaluation.report(metrics: metrics.metrics)
        if let runsFolder { try write(evaluation, to: runsFolder) }
        for (name, reason) in evaluation.omitted { shared.note("no row \(name): \(reason)") }
        if shared.json {
            try JSONOutput.print(
                Answer(
                    report: report, omitted: evaluation.omitted, knownQueries: measured.known.map(\.id)))
        } else {
            let summary = EvaluationSummary(report)
            print(markdown ? summary.markdown() : summary.text())
        }
    }

    /// The report, and beside its members the rows that could not be made.
    private struct Answer: Encodable {
        struct Omission: Encodable {
            var name: String
            var reason: String
        }

        private enum CodingKeys: CodingKey { case omitted, knownQueries }

        var report: EvaluationReport
        var omitted: [(name: String, reason: String)]
        /// Measured queries that the artefact learned from or was chosen on.
        var knownQueries: [String]

        func encode(to encoder: any Encoder) throws {
            try report.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(omitted.map { Omission(name: $0.name, reason: $0.reason) }, forKey: .omitted)
            if !knownQueries.isEmpty { try container.encode(knownQueries, forKey: .knownQueries) }
        }
    }

    private func write(_ evaluation: ArtefactEvaluation, to folder: URL) throws {
        for (name, run) in evaluation.systems {
            try run.write(to: folder.appendingPathComponent("\(name).\(split).run"), tag: name)
        }
    }
}

/// `--metrics`: a list of metric names.
struct MetricList: ExpressibleByArgument {
    var metrics: [Metric]

    static let standard = MetricList(metrics: Metric.standard)

    init(metrics: [Metric]) {
        self.metrics = metrics
    }

    init?(argument: String) {
        let parsed = argument.split(separator: ",").map { Metric(String($0).trimmingCharacters(in: .whitespaces)) }
        guard let metrics = parsed as? [Metric], !metrics.isEmpty else { return nil }
        self.metrics = metrics
    }

    var defaultValueDescription: String { metrics.map(\.description).joined(separator: ",") }
}
