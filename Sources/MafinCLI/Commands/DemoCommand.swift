import ArgumentParser
import Foundation
import MafinBlackBox
import MafinNumerics
import MafinWorkflows

/// `mafin demo`: the whole path on the bundled sample.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract:
            "Train on the bundled sample, a handbook full of house jargon, and print the comparison on held-out queries.",
        discussion: """
            Needs no API key: the black box's answers for the sample are stored beside it. An interrupted demo continues where it stopped.

            More flags: mafin demo --help-hidden
            """)

    @Option(name: .shortAndLong, help: "Folder for the artefact.")
    var output = ".cache/demo"

    @Option(
        help: ArgumentHelp("Time for all training together. (default: 2m)", valueName: "duration"),
        transform: TimeLimit.init(parsing:))
    var time = TimeLimit(.seconds(120))

    @Option(help: "Folder of the sample.")
    var sample = "Samples/handbook"

    @OptionGroup var encoder: EncoderOptions

    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func run() async throws {
        try computing.begin()
        let start = ContinuousClock.now
        guard FileManager.default.fileExists(atPath: sample) else {
            throw ValidationError(
                "there is no folder \(sample): run the demo in the repository, or name the folder with --sample.")
        }
        try FileManager.default.createDirectory(
            at: URL(fileURLWithPath: output).deletingLastPathComponent(), withIntermediateDirectories: true)
        let answers = "\(sample)/black-box"
        let open: BlackBoxOpening = { _ in try StoredVectors(contentsOf: URL(fileURLWithPath: answers)) }
        var training = TrainingWorkflow(
            data: sample, output: output, source: BlackBoxSource(.vectors(path: answers)), context: shared.context,
            openBlackBox: open)
        training.encoder = encoder.choice
        training.time = time.duration
        training.rivals = RivalList.standard.contenders
        training.resumes = TrainingWorkflow.isInterrupted(output)
        let trained = try await TrainingReport.of(training, shared)
        if !format.json { shared.note(trained.text + "\n") }

        let evaluation = try await EvaluationWorkflow(
            artefact: output, data: sample, context: shared.context, openBlackBox: open
        ).run()
        if !format.json { print("On test, queries and passages that training never saw:") }
        try EvaluateCommand.print(evaluation, format, shared)
        fflush(nil)
        let search = ShellText.line(
            "mafin", "search", ShellText.path(output), "--data", ShellText.path(sample), "who brings the soup report")
        shared.note("\nAll of it took \((ContinuousClock.now - start).shortText). Try a search:\n  \(search)")
    }
}
