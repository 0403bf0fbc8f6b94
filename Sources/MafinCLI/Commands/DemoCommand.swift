import ArgumentParser
import Foundation

/// `mafin demo`: the whole path on the bundled sample.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract:
            "Train on the bundled sample, a handbook full of house jargon, and print the comparison on held-out queries.",
        discussion: "Needs no API key: the black box's answers for the sample are stored beside it.")

    @OptionGroup var shared: SharedOptions
    @OptionGroup(title: "Local encoder") var encoder: EncoderOptions

    @Option(help: "Folder of the sample.")
    var sample = "Samples/handbook"

    @Option(name: .shortAndLong, help: "Folder to write the artefact to.")
    var output = ".cache/demo"

    @Option(help: ArgumentHelp("Time for all training together.", valueName: "duration"))
    var time = TimeLimit(.seconds(120))

    func run() async throws {
        var flags: [String] = shared.quiet ? ["--quiet"] : []
        if let threads = shared.threads { flags += ["--threads", "\(threads)"] }
        let start = ContinuousClock.now
        try FileManager.default.createDirectory(
            at: URL(fileURLWithPath: output).deletingLastPathComponent(), withIntermediateDirectories: true)
        guard FileManager.default.fileExists(atPath: sample) else {
            throw ValidationError(
                "\(sample) is not here: run the demo in the repository, or name the sample by --sample.")
        }
        // A demo that was interrupted starts anew.
        try? FileManager.default.removeItem(atPath: output + ".training")
        var train = try TrainCommand.parse(
            flags + encoder.flags + [
                "--data", sample, "--black-box", "vectors:\(sample)/black-box", "--output", output,
            ])
        train.time = time
        try shared.apply()
        Interruption.install()
        let trained = try await TrainingSession(train).run()
        if !shared.json { shared.note(trained.text + "\n") }
        let evaluate = try EvaluateCommand.parse(
            flags + (shared.json ? ["--json"] : []) + [output, "--data", sample, "--split", "test"])
        if !shared.json { print("On test, queries and passages that training never saw:") }
        try await evaluate.run()
        fflush(nil)
        shared.note("\nAll of it took \((ContinuousClock.now - start).shortText). Try a search:")
        shared.note("  mafin search \(output) --data \(sample) \"who brings the soup report\"")
    }
}
