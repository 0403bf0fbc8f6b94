import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinEncoder
import MafinMethod
import MafinPipeline
import MafinReport
import MafinRetrieval
import MafinWorkflows

/// `mafin inspect`: describes an artefact.
struct InspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Describe an artefact or an index, and check that its files are unchanged.",
        discussion: "More flags: mafin inspect --help-hidden")

    @Argument(help: "Folder that 'mafin train', 'compare', 'ship' or 'index' wrote.")
    var artefact: String

    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func run() async throws {
        try computing.apply()
        let folder = URL(fileURLWithPath: artefact)
        if FileManager.default.fileExists(atPath: folder.appendingPathComponent(IndexManifest.fileName).path) {
            let manifest = try SearchIndex(readingFrom: folder, verification: .content, readsGraph: true).manifest
            try format.print(manifest, or: Self.text(manifest).safeForTerminal + "\n")
            return
        }
        let artefact = try Artefact(readingFrom: folder, verification: .content)
        let description = try ArtefactDescription(artefact)
        try format.print(description, or: Self.text(description).safeForTerminal + "\n")
    }

    static func text(_ description: ArtefactDescription) -> String {
        let manifest = description.manifest
        let mixing = manifest.mixing
        let verdict = manifest.verdict
        let box = manifest.blackBox
        var table = Table(columns: [.init("what"), .init("value")])
        table.append(["written by", "\(manifest.library), format \(manifest.formatVersion)"])
        if let system = manifest.system { table.append(["system of its comparison", system]) }
        if manifest.training != nil { table.append(["method", manifest.contender.rawValue]) }
        table.append([
            "black box",
            "\(box.provider) \(box.model)\(box.endpoint.map { " at \($0)" } ?? ""), \(manifest.blackBoxDimension)-d",
        ])
        for (name, role) in [("documents", TextRole.document), ("queries", .query)] {
            guard
                let encoder = role == .query
                    ? manifest.queryEncoder ?? manifest.documentEncoder : manifest.documentEncoder
            else { continue }
            let state = encoder.folder.map { "trained, in \($0)/" } ?? "as released"
            table.append([
                "encoder of \(name)",
                "\(encoder.name), \(state), \(encoder.dimension)-d, at most \(encoder.maximumLength ?? 0) tokens",
            ])
        }
        if let standIn = manifest.offline?.encoder {
            table.append([
                "stand-in",
                "\(standIn.name), in \(EncoderRecord.standInFolder)/, \(standIn.dimension)-d, answers queries without the black box",
            ])
        }
        if let precision = manifest.precision {
            table.append(["precision", "\(precision.used.rawValue), asked for \(precision.asked.rawValue)"])
        }
        table.append(["joined vectors", vectors(description.vectors)])
        var mixingText = mixing.localForm == .unit ? mixing.origin.rawValue : "norm"
        if let pair = mixing.weights.pair {
            let error = mixing.lambdaStandardError.map { String(format: " ± %.3f", $0) } ?? ""
            mixingText += String(format: ", λ %.3f%@, τ %.4f", pair.lambda, error, pair.temperature)
        }
        if let queries = mixing.fittedQueries { mixingText += ", on \(queries) queries" }
        table.append(["mixing", mixingText])
        if let share = mixing.newDocuments {
            table.append([
                "new documents", String(format: "the weights expect them in %.0f %% of queries", 100 * share),
            ])
        }
        if let training = manifest.training {
            table.append(["training", "mode \(training.mode), best at step \(training.steps)"])
        }
        if !manifest.seeds.isEmpty {
            let seeds = manifest.seeds.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
            table.append(["seeds", seeds.joined(separator: ", ")])
        }
        for record in manifest.data {
            table.append([record.role, "\(record.name), SHA-256 \(record.sha256.prefix(16))…"])
        }
        table.append(["on dev", verdict.decision.words + (verdict.isForced ? " (overridden by --force)" : "")])
        var text = table.text() + "\nSources, whose weighted scores are added:\n" + sources(description.sources).text()
        if let offline = manifest.offline { text += offlineText(offline) }
        text += "\n\(verdict.reason)"
        if let development = manifest.development {
            text += "\n\nOn dev:\n" + EvaluationSummary(development).text()
        }
        if let reduction = manifest.reduction {
            text += "\n\nVectors before and after their reduction, on dev, without other sources:\n"
            text += EvaluationSummary(reduction.development).text()
            if let offline = reduction.offlineDevelopment {
                text += "\nThe same without asking the black box:\n" + EvaluationSummary(offline).text()
            }
        }
        if let precision = manifest.precision { text += precisionText(precision) }
        if let test = manifest.test { text += "\n\nOn \(test.split):\n" + EvaluationSummary(test).text() }
        return text
    }

    /// What the stand-in reaches on dev, and what it gains to ask the black box for some queries all the same.
    private static func offlineText(_ offline: ArtefactManifest.Offline) -> String {
        var text = ""
        if let development = offline.development {
            text += "\nOn dev, without asking the black box:\n" + EvaluationSummary(development).text()
        }
        guard let points = offline.asking, !points.isEmpty else { return text }
        let table = Table(
            columns: [.number("--ask-below"), .number("calls per 1000 queries"), .number("deciding metric on dev")],
            rows: points.map { point in
                let threshold = Number.threshold(point.threshold)
                return [
                    (threshold.hasPrefix(".") ? "0" : "") + threshold, String(format: "%.0f", 1000 * point.asked),
                    String(format: "%.3f", point.metric),
                ]
            })
        return text + "\nAsking the black box only for queries that the stand-in is not sure of:\n" + table.text()
    }

    /// Why the encoder embeds in its precision, and what each precision changes on dev.
    private static func precisionText(_ precision: PrecisionRecord) -> String {
        let text = "\n\n\(precision.text)\n"
        let figures = precision.trials.flatMap(\.figures)
        guard !figures.isEmpty else { return text }
        let table = Table(
            columns: [
                "ranking", "documents", "queries", .number("dev queries"), .number("float32"), .number("here"),
                .number("change"), "95 % interval", "stays",
            ],
            rows: figures.map { figure in
                [
                    figure.ranking.rawValue, figure.documents.rawValue, figure.queries.rawValue, "\(figure.queryCount)",
                    String(format: "%.4f", figure.float32), String(format: "%.4f", figure.value),
                    String(format: "%+.5f", figure.change.mean),
                    String(format: "%+.5f to %+.5f", figure.change.low, figure.change.high),
                    figure.passed ? "yes" : "no",
                ]
            })
        return text + "\(PrecisionGate.metric) on dev in lower precision:\n" + table.text()
    }

    private static func sources(_ sources: [ArtefactDescription.Source]) -> Table {
        let isOffline = sources.contains { $0.offlineWeight != nil }
        return Table(
            columns: [
                "source", "kind", "computed by", .number("weight"), .number("share of weights"),
            ] + (isOffline ? [.number("weight, not asked")] : []) + [.number("dimension"), .number("files")],
            rows: sources.map { source in
                let computed =
                    switch source.face {
                    case .dense: "any vector database"
                    case .sparse: "databases with sparse vectors"
                    case .ours: "mafin alone"
                    }
                let language = source.language.map { ", \($0.rawValue)" } ?? ""
                return [
                    source.source.rawValue, source.kind.rawValue + language, computed,
                    String(format: "%.4f", source.weight), String(format: "%.1f %%", 100 * source.share),
                ] + (isOffline ? [String(format: "%.4f", source.offlineWeight ?? 0)] : []) + [
                    source.dimension.map(String.init) ?? "–",
                    source.bytes.map { String(format: "%.1f MB", Double($0) / 1e6) } ?? "–",
                ]
            })
    }

    private static func vectors(_ vectors: ArtefactDescription.Vectors) -> String {
        guard vectors.dimension > 0 else { return "none" }
        var text = "\(vectors.dimension)-d"
        if let joined = vectors.joinedDimension { text += ", reduced from \(joined)" }
        if !vectors.leftOut.isEmpty {
            text += "; embed and /v1/embeddings leave out " + vectors.leftOut.map(\.rawValue).joined(separator: ", ")
        }
        if let cost = vectors.cost {
            text += String(
                format: "; on %@ they reach %@ %.3f, all sources %.3f", cost.split, cost.metric.description, cost.dense,
                cost.all)
        } else if !vectors.leftOut.isEmpty {
            text += "; 'mafin evaluate' measures what that costs (\(ArtefactEvaluation.denseName))"
        }
        return text
    }
}
