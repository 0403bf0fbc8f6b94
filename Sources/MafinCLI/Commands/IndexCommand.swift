import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinEncoder
import MafinNumerics
import MafinPipeline
import MafinProviderWorkflows
import MafinRetrieval
import MafinServer
import MafinWorkflows

/// `mafin index`: computes the document vectors of an artefact's sources and writes the index that `mafin serve` searches.
struct IndexCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "index",
        abstract: "Embed a collection's documents with an artefact, and write an index that 'mafin serve' searches.",
        usage: "mafin index <artefact> --data <path> --output <folder> [<options>]",
        discussion: """
            The vectors of each source are stored separately and unweighted, those of an artefact of 'mafin reduce' as one. Weights can therefore change without a new index, and an artefact \
            that is trained again with the same encoder of documents can use the index as it is. Sources without vectors, such as BM25, are \
            computed from the texts when the index is opened. Beside the vectors there is a copy of one byte a number, which single searches read first. The index appears when all is done. What the black box has answered is cached: \
            an interrupted run pays for nothing twice. It is not asked if no source needs its vectors of documents.

            A large index gets a graph too, with which 'mafin serve' answers single searches without a look at all documents: \
            approximately. How many of the best it finds is measured and printed. --approximate decides about it.

            --batch uses the provider's cheaper batch API. More flags: mafin index --help-hidden
            """)

    @Option(help: .collection)
    var data: String

    @Option(
        name: .shortAndLong,
        help: "Folder for the index. An index that is there is replaced when the new one is complete.")
    var output: String

    @Flag(
        help:
            "Store 16-bit floats: half the size, and twice the speed when memory is the limit. Scores change by about 0.0002."
    )
    var float16 = false

    @Option(
        help: ArgumentHelp(
            "Build a graph for approximate searches: auto, if exact search is slow (more than \(SearchIndex.largestExact / 1_000_000) million numbers) and the graph finds nearly all of the best; on; off. Two builds are equal with --threads 1 only.",
            valueName: "auto|on|off"))
    var approximate = SearchIndex.Approximation.automatic

    @OptionGroup var options: ArtefactOptions
    @OptionGroup var precision: PrecisionOptions
    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func run() async throws {
        try computing.begin()
        let folder = URL(fileURLWithPath: output)
        try SearchIndex.requireReplaceable(folder)
        let model = try options.load(shared, precision)
        let source = URL(fileURLWithPath: data)
        let collection = try RetrievalCollection(contentsOf: source)
        shared.context.warn(of: collection.warnings)
        let bar = shared.progressBar("Indexing", total: collection.documents.count, unit: "documents")
        var linking: ProgressBar?
        let blackBox = try await blackBox(of: model, collection)
        try await SearchIndex.write(
            model, documents: collection.documents, collection: source.lastPathComponent, asking: blackBox, to: folder,
            options: .init(
                element: float16 ? .float16 : .float32,
                blockSize: options.blockSize(otherwise: SearchIndex.WritingOptions().blockSize),
                approximation: approximate),
            isCancelled: { Interruption.isRequested },
            progress: { bar.update(completed: $0) },
            linking: { linked in
                bar.finish()
                if linking == nil {
                    linking = shared.progressBar("Linking", total: collection.documents.count, unit: "documents")
                }
                linking?.update(completed: linked)
            },
            note: { shared.context.warn($0) })
        bar.finish()
        linking?.finish()
        let manifest = try SearchIndex(readingFrom: folder).manifest
        let vectors = manifest.parts.map { "\($0.dimension)" }.joined(separator: " + ")
        try format.print(
            manifest,
            or: "\(manifest.documents) documents "
                + (vectors.isEmpty ? "without vectors" : "× (\(vectors)) \(manifest.element)")
                + (manifest.precision.map { ", embedded in \($0.rawValue)," } ?? "") + " to \(output)"
                + (manifest.approximation.map { "\n\($0.text)" } ?? ""))
    }

    /// The black box, whose batches have begun if there are to be any; nil if no source needs its vectors of documents.
    private func blackBox(of model: ArtefactModel, _ collection: RetrievalCollection) async throws -> (any BlackBox)? {
        guard model.documentInputs.contains(.blackBox) else { return nil }
        var begun = 0
        try await options.beginBatches(model, shared, as: .document, announcesPlan: true) { count in
            let block = collection.documents[begun...].prefix(count)
            begun += block.count
            return block.isEmpty ? nil : block.map { EmbeddingItem($0) }
        }
        // Batches that were begun are already announced and counted. Announcing them again would count them twice against the limit.
        return try await options.makeBlackBox(
            model, shared,
            use: BlackBoxUse(announcesPlans: !options.blackBox.asking.batch, progress: { _ in }))
    }
}

extension SearchIndex.Approximation: ExpressibleByArgument {}
