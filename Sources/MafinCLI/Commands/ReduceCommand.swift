import ArgumentParser
import MafinCommandLine
import MafinPipeline
import MafinWorkflows

/// `mafin reduce`: makes the vectors of an artefact smaller.
struct ReduceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reduce",
        abstract: "Reduce an artefact's vectors to fewer numbers, so that they fit an index or take less of it.",
        usage: "mafin reduce <artefact> --data <path> --output <folder> [--index-dimensions <n>] [<options>]",
        discussion: """
            Fits two linear maps, one of documents and one of queries, so that the products of their vectors change least on the collection's \
            documents and the queries of 'train'. What that loses on 'dev' is printed and stored in the artefact.

            The vectors that 'embed', 'index', 'search' and 'serve' make and rank are then the reduced ones; compare them by inner product. Weights \
            can still change from query to query. 'evaluate' shows the reduced vectors as artefact-index, and as mafin-offline-index if the black box is not asked.

            --batch uses the provider's cheaper batch API. More flags: mafin reduce --help-hidden
            """)

    @Option(help: .collection)
    var data: String

    @Option(
        name: .shortAndLong,
        help:
            "Folder for the artefact. It may be the same one. An artefact that is there is replaced when the new one is complete."
    )
    var output: String

    @Option(help: ArgumentHelp("Numbers of a vector.", valueName: "n"))
    var indexDimensions: Int?

    @Option(
        help: ArgumentHelp(
            "Reduce to what an index takes: \(IndexSizeOptions.targets).", valueName: "target"))
    var indexTarget: String?

    @Flag(
        help:
            "Also train the map of queries on the labels, and keep it if it is significantly better on dev. It gains on documents that labels name, and can lose on others. For artefacts that rank by vectors alone."
    )
    var trainQueries = false

    @Option(help: .expert("Random seed of the order of training queries."))
    var seed: UInt64 = 1

    @OptionGroup var leaks: LeakOptions
    @OptionGroup var options: ArtefactOptions

    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func validate() throws {
        try requireFolder(output: output)
        if try size() == nil { throw ValidationError("give --index-dimensions or --index-target.") }
    }

    private func size() throws -> IndexSize? { try IndexSize(dimensions: indexDimensions, target: indexTarget) }

    func run() async throws {
        try computing.begin()
        guard let size = try size() else { return }
        var reduction = ReductionWorkflow(
            artefact: options.artefact, data: data, output: output, size: size, context: shared.context,
            openBlackBox: options.blackBox.opening(shared))
        reduction.trainsQueries = trainQueries
        (reduction.seed, reduction.allowsLeaks) = (seed, leaks.allowLeak)
        let result = try await reduction.run()
        try format.print(result, or: "\(result.text)\nWritten to \(output).")
    }
}
