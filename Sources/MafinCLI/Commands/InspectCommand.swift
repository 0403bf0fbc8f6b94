import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinMethod
import MafinPipeline
import MafinReport

/// `mafin inspect`: describes an artefact.
struct InspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Describe an artefact, and check that its files are unchanged.")

    @Argument(help: "Folder that 'mafin train' wrote.")
    var artefact: String

    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func run() async throws {
        try computing.apply()
        let artefact = try Artefact(readingFrom: URL(fileURLWithPath: artefact), verification: .content)
        try format.print(artefact.manifest, or: Self.text(artefact.manifest).safeForTerminal + "\n")
    }

    static func text(_ manifest: ArtefactManifest) -> String {
        let mixing = manifest.mixing
        let verdict = manifest.verdict
        let box = manifest.blackBox
        var table = Table(columns: [.init("what"), .init("value")])
        table.append(["written by", "\(manifest.library), format \(manifest.formatVersion)"])
        table.append(["method", manifest.contender.rawValue])
        table.append([
            "black box",
            "\(box.provider) \(box.model)\(box.endpoint.map { " at \($0)" } ?? ""), \(manifest.blackBoxDimension)-d",
        ])
        for (name, encoder) in [
            ("documents", manifest.documentEncoder), ("queries", manifest.queryEncoder ?? manifest.documentEncoder),
        ] {
            let state = encoder.folder.map { "trained, in \($0)/" } ?? "as released"
            table.append([
                "encoder of \(name)",
                "\(encoder.name), \(state), \(encoder.dimension)-d, at most \(encoder.maximumLength ?? 0) tokens",
            ])
        }
        table.append(["joined vectors", "\(manifest.joinedDimension)-d"])
        let error = mixing.lambdaStandardError.map { String(format: " ± %.3f", $0) } ?? ""
        table.append([
            "mixing",
            String(
                format: "%@, λ %.3f%@, τ %.4f", mixing.lambda == nil ? "norm" : mixing.origin.rawValue,
                mixing.weights.lambda, error, mixing.weights.temperature),
        ])
        if let training = manifest.training {
            table.append(["training", "mode \(training.mode), best at step \(training.steps)"])
        }
        table.append([
            "seeds", manifest.seeds.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "),
        ])
        for record in manifest.data {
            table.append([record.role, "\(record.name), SHA-256 \(record.sha256.prefix(16))…"])
        }
        table.append(["on dev", verdict.decision.words + (verdict.isForced ? " (overridden by --force)" : "")])
        var text = table.text() + "\n\(verdict.reason)"
        if let development = manifest.development {
            text += "\n\nOn dev:\n" + EvaluationSummary(development).text()
        }
        return text
    }
}
