import ArgumentParser
import Foundation
import MafinCommandLine
import MafinMethod
import MafinPipeline
import MafinReport
import MafinWorkflows

/// `mafin ship`: makes an artefact of a system that a comparison has measured.
struct ShipCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ship",
        abstract: "Make an artefact of any system that a finished comparison has measured.",
        usage: "mafin ship <report> --output <folder> [--system <name>] [<options>]",
        discussion: """
            Any sum of scores can be shipped: the artefact holds its sources and their weights, and every command reads it. A system that is no sum of \
            scores, such as a fusion of ranks, cannot. If the comparison trained a stand-in, the artefact holds the best sum that asks the black box \
            for nothing too. Nothing is trained, asked or measured again.
            """)

    @Argument(help: "Folder that 'mafin compare' wrote.")
    var report: String

    @Option(
        name: .shortAndLong,
        help: "Folder for the artefact. An artefact that is there is replaced when the new one is complete.")
    var output: String

    @Option(
        help: ArgumentHelp(
            "The system, by its name in the report's table. (default: the one that the verdict is about)",
            valueName: "name"))
    var system: String?

    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        try requireFolder(output: output)
    }

    func run() throws {
        var shipping = ShippingWorkflow(report: report, output: output, open: FinishedComparison.open)
        shipping.system = system
        let shipped = try shipping.run()
        if !shipped.verdict.allowsUse { shared.warn("\(shipped.system): \(shipped.verdict.reason)") }
        try format.print(shipped, or: Self.text(shipped, output: output).safeForTerminal)
    }

    static func text(_ shipped: ShippingWorkflow.Result, output: String) -> String {
        func parts(_ weights: SourceWeights) -> String {
            weights.sources.map { "\($0) \(String(format: "%.4f", weights[$0]))" }.joined(separator: ", ")
        }
        var text = "\(shipped.system) to \(output): \(parts(shipped.weights))\n"
        if let weights = shipped.offlineWeights { text += "Without asking the black box: \(parts(weights))\n" }
        if !shipped.leftOutOfVectors.isEmpty {
            text +=
                "Joined vectors (embed, /v1/embeddings) leave out "
                + shipped.leftOutOfVectors.map(\.rawValue).joined(separator: ", ") + ".\n"
        }
        return text
    }
}
