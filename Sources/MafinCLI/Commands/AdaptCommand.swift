import ArgumentParser
import Foundation
import MafinBlackBox
import MafinGeneration
import MafinReport

/// `mafin adapt`: the whole path for a corpus without labels.
struct AdaptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adapt",
        abstract: "From a corpus without labels to a comparison: generate queries, filter, embed, train, evaluate.",
        discussion: """
            Does what 'mafin generate', 'mafin train' and 'mafin evaluate' do one after the other, and writes OUTPUT/collection and
            OUTPUT/artefact, which those commands read. Everything that is asked is cached: an interrupted command goes on where it was.

            The comparison is made on generated queries about passages that training never saw: they are easier than real ones, and all of one
            kind. With --keep-labels it is made on the collection's own test queries.
            """)

    @OptionGroup var shared: SharedOptions

    @Option(help: "Documents: a corpus.jsonl (also .gz), a BEIR folder with or without queries, or another collection.")
    var data: String

    @OptionGroup(title: "Queries") var generation: GenerationOptions
    @OptionGroup(title: "Black box") var blackBox: BlackBoxOptions
    @OptionGroup(title: "Local encoder") var encoder: EncoderOptions

    @Option(name: .shortAndLong, help: "Folder to write the collection and the artefact to.")
    var output: String

    @Option(help: ArgumentHelp("Time for all training together.", valueName: "duration"))
    var time = TimeLimit(.seconds(600))

    @Option(help: "Everything random follows from it.")
    var seed: UInt64 = 1

    @Option(
        help: ArgumentHelp("Rivals to train beside it, as of 'mafin train'.", valueName: "names"))
    var rivals: RivalList = .standard

    @OptionGroup var leaks: LeakOptions

    func validate() throws {
        if output.isEmpty { throw ValidationError("--output names no folder.") }
        if case .vectors(let path) = try blackBox.source(default: nil).specification {
            throw ValidationError(
                "vectors:\(path) has no vectors of queries that are not made yet: name a black box that can be asked.")
        }
        if generation.split.test == 0, !generation.keepLabels {
            throw ValidationError(
                "--split leaves nothing to measure on; with --keep-labels the collection's own test does.")
        }
    }

    func run() async throws {
        guard let specification = blackBox.blackBox else { return }
        let collection = "\(output)/collection"
        let artefact = "\(output)/artefact"
        var flags: [String] = shared.quiet ? ["--quiet"] : []
        if let threads = shared.threads { flags += ["--threads", "\(threads)"] }
        try shared.apply()
        Interruption.install()

        var generate = try GenerateCommand.parse(
            flags + ["--data", data, "--output", collection, "--seed", "\(seed)", "--without-llm"])
        generate.generation = generation
        generate.blackBox = blackBox
        let report = try await GenerationSession(generate).run()
        if !shared.json { shared.note(GenerationSession.table(report).text()) }

        // A training that was interrupted goes on; its checkpoints say whether they fit.
        let isInterrupted = FileManager.default.fileExists(atPath: artefact + ".training")
        var train = try TrainCommand.parse(
            flags + encoder.flags + (isInterrupted ? ["--resume"] : [])
                + (blackBox.providerFile.map { ["--provider-file=\($0)"] } ?? [])
                + ["--data", collection, "--black-box", "\(specification)", "--output", artefact, "--seed", "\(seed)"])
        train.blackBox = blackBox
        train.rivals = rivals
        train.leaks = leaks
        train.time = time
        let trained = try await TrainingSession(train).run()
        if !shared.json { shared.note(trained.text + "\n") }

        var evaluate = try EvaluateCommand.parse(
            flags + (shared.json ? ["--json"] : []) + [artefact, "--data", collection, "--split", "test"])
        evaluate.options.blackBox = blackBox
        evaluate.leaks = leaks
        if !shared.json {
            print(
                generation.keepLabels
                    ? "On test, the collection's own queries:"
                    : "On test, generated queries about passages that training never saw:")
        }
        try await evaluate.run()
    }
}
