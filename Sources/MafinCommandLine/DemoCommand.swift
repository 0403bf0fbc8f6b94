import ArgumentParser
import Foundation
import MafinBlackBox
import MafinNumerics
import MafinPipeline
import MafinWorkflows

/// `mafin demo` and `mafin-demo`: the whole path on the bundled sample.
package struct DemoCommand: AsyncParsableCommand {
    // The type is needed. Without it the parser's default configuration would be used.
    package static let configuration: CommandConfiguration = configuration(of: "mafin demo")

    /// The help of the demo.
    /// - Parameter words: the words that run it.
    package static func configuration(of words: String) -> CommandConfiguration {
        CommandConfiguration(
            commandName: words.split(separator: " ").last.map(String.init),
            abstract:
                "Train on the bundled sample, a handbook full of house jargon, and print the comparison on held-out queries.",
            discussion: """
                Needs no API key: the black box's answers for the sample are stored beside it. An interrupted demo continues where it stopped.

                More flags: \(words) --help-hidden
                """,
            version: LibraryVersion.current.version)
    }

    package init() {}

    @Option(name: .shortAndLong, help: "Folder for the artefact.")
    var output = ".cache/demo"

    @Option(
        help: ArgumentHelp("Time for all training together. (default: 2m)", valueName: "duration"),
        transform: TimeLimit.init(parsing:))
    var time = TimeLimit(.seconds(120))

    @Option(help: ArgumentHelp("Folder of the sample. (default: the bundled sample)", valueName: "folder"))
    package var sample: String?

    @OptionGroup package var encoder: EncoderOptions

    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup package var shared: SharedOptions

    package func run() async throws {
        let search = ShellText.line(
            "mafin", "search", ShellText.path(output), "--data", ShellText.path(try Self.sample(sample)),
            "who brings the soup report")
        try await run(then: "Try a search:\n  \(search)")
    }

    /// Runs the demo.
    /// - Parameter next: the last line, which proposes the next step.
    package func run(then next: String) async throws {
        try computing.begin()
        let start = ContinuousClock.now
        let sample = try Self.sample(sample)
        try FileManager.default.createDirectory(
            at: URL(fileURLWithPath: output).deletingLastPathComponent(), withIntermediateDirectories: true)
        let answers = "\(sample)/black-box"
        let open: BlackBoxOpening = { _ in try StoredVectors(contentsOf: URL(fileURLWithPath: answers)) }
        var training = TrainingWorkflow(
            data: sample, output: output, source: BlackBoxSource(.vectors(path: answers)), context: shared.context,
            openBlackBox: open)
        training.encoder = encoder.choice
        training.time = time.duration
        training.rivals = Contender.rivals
        training.resumes = TrainingWorkflow.isInterrupted(output)
        let trained = try await TrainingReport.of(training, shared)
        if !format.json { shared.note(trained.text + "\n") }

        let evaluation = try await EvaluationWorkflow(
            artefact: output, data: sample, context: shared.context, openBlackBox: open
        ).run()
        if !format.json { print("On test, queries and passages that training never saw:") }
        try format.print(evaluation, shared)
        fflush(nil)
        shared.note("\nAll of it took \((ContinuousClock.now - start).shortText). \(next)")
    }

    /// The folder of the sample: the given one; that of the repository in which the program runs; or the one that was installed with the program,
    /// `share/mafin/handbook` beside its `bin`.
    /// - Throws: `ValidationError` if there is none.
    package static func sample(
        _ given: String?, inRepository own: String = "Samples/handbook",
        program: URL? = Bundle.main.executableURL?.resolvingSymlinksInPath()
    ) throws -> String {
        let installed = program?.deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("share/mafin/handbook").path
        let candidates = given.map { [$0] } ?? [own, installed].compactMap(\.self)
        guard let found = candidates.first(where: { FileManager.default.fileExists(atPath: $0 + "/corpus.jsonl") })
        else {
            throw ValidationError(
                "there is no folder \(candidates.joined(separator: " or ")) with a corpus.jsonl: run the demo in the repository, or name the folder with --sample."
            )
        }
        return found
    }
}
