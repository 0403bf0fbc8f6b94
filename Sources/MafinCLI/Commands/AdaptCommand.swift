import ArgumentParser
import MafinBlackBox
import MafinCommandLine
import MafinGeneration
import MafinProviderWorkflows
import MafinReport
import MafinWorkflows

/// `mafin adapt`: everything from a corpus without labels to an evaluation.
struct AdaptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adapt",
        abstract: "Go from a corpus without labels to an evaluation: generate queries, filter, embed, train, evaluate.",
        usage:
            "mafin adapt --data <path> (--llm <provider:model> | --without-llm) --black-box <kind:argument> --output <folder> [<options>]",
        discussion: """
            Does what 'mafin generate', 'mafin train' and 'mafin evaluate' do one after the other. Writes OUTPUT/collection and OUTPUT/artefact, \
            which those commands read. Every answer is cached: an interrupted command continues where it stopped.

            The evaluation uses generated queries about passages that training never saw. They are easier than real ones, and all of one kind. \
            With --keep-labels it uses the collection's own test queries.

            More flags: mafin adapt --help-hidden
            """)

    @Option(help: "Documents: a corpus.jsonl (also .gz), a BEIR folder with or without queries, or another collection.")
    var data: String

    @Option(name: .shortAndLong, help: "Folder for the collection and the artefact.")
    var output: String

    @OptionGroup var generation: GenerationOptions
    @OptionGroup var blackBox: BlackBoxOptions
    @OptionGroup var encoder: EncoderOptions

    @Option(
        help: ArgumentHelp("Time for all training together. (default: 10m)", valueName: "duration"),
        transform: TimeLimit.init(parsing:))
    var time = TimeLimit(.seconds(600))

    @Option(help: .expert("Random seed."))
    var seed: UInt64 = 1

    @Option(
        help: .expert("Other methods to train for comparison, as in 'mafin train'.", "names"),
        transform: RivalList.init(parsing:))
    var rivals = RivalList(contenders: [])

    @OptionGroup(visibility: .hidden) var leaks: LeakOptions

    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        try requireFolder(output: output)
        if case .vectors(path: let path) = try blackBox.source(default: nil).specification {
            throw ValidationError(
                "vectors:\(path) cannot have vectors of queries that are not written yet: name a black box that can be asked."
            )
        }
        if generation.split.test == 0, !generation.keepLabels {
            throw ValidationError(
                "--split leaves no test queries to measure on. With --keep-labels the collection's own are used.")
        }
    }

    func run() async throws {
        try computing.begin()
        let collection = "\(output)/collection"
        let generated = try await generation.workflow(
            data: data, output: collection, seed: seed, blackBox: blackBox, shared: shared
        ).run()
        if !format.json { shared.note(GenerateCommand.table(generated).text()) }

        var training = TrainingWorkflow(
            data: collection, output: "\(output)/artefact", source: blackBox.source, context: shared.context,
            openBlackBox: blackBox.opening(shared))
        training.encoder = encoder.choice
        training.time = time.duration
        training.seed = seed
        training.rivals = rivals.contenders
        training.allowsLeaks = leaks.allowLeak
        // An interrupted training is resumed. It checks that its checkpoints fit.
        training.resumes = TrainingWorkflow.isInterrupted(training.output)
        let trained = try await TrainingReport.of(training, shared)
        if !format.json { shared.note(trained.text + "\n") }

        var evaluation = EvaluationWorkflow(
            artefact: training.output, data: collection, context: shared.context,
            openBlackBox: blackBox.opening(shared))
        evaluation.allowsLeaks = leaks.allowLeak
        evaluation.language = generation.language.choice
        let measured = try await evaluation.run()
        if !format.json {
            print(
                generation.keepLabels
                    ? "On test, the collection's own queries:"
                    : "On test, generated queries about passages that training never saw:")
        }
        try format.print(measured, shared)
    }
}
