import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinNumerics
import MafinProviderWorkflows
import MafinRetrieval
import MafinServer
import MafinWorkflows

/// `mafin index`: embeds a collection's documents with both encoders and writes the index that `mafin serve` searches.
struct IndexCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "index",
        abstract: "Embed a collection's documents with both encoders, and write an index that 'mafin serve' searches.",
        usage: "mafin index <artefact> --data <path> --output <folder> [<options>]",
        discussion: """
            The vectors of the two encoders are stored separately and unweighted. λ can therefore change without a new index, and an artefact \
            that is trained again with the same encoder of documents can use the index as it is. The index appears when all is done. What the \
            black box has answered is cached: an interrupted run pays for nothing twice.

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

    @OptionGroup var options: ArtefactOptions
    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    func run() async throws {
        try computing.begin()
        let folder = URL(fileURLWithPath: output)
        try SearchIndex.requireReplaceable(folder)
        let model = try options.load(shared)
        let source = URL(fileURLWithPath: data)
        let collection = try RetrievalCollection(contentsOf: source)
        shared.context.warn(of: collection.warnings)
        let bar = shared.progressBar("Indexing", total: collection.documents.count, unit: "documents")
        var begun = 0
        try await options.beginBatches(model, shared, as: .document, announcesPlan: true) { count in
            let block = collection.documents[begun...].prefix(count)
            begun += block.count
            return block.isEmpty ? nil : block.map { EmbeddingItem(id: $0.id, text: $0.textForEncoding) }
        }
        // Batches that were begun are already announced and counted. Announcing them again would count them twice against the limit.
        let blackBox = try await options.makeBlackBox(
            model, shared,
            use: BlackBoxUse(announcesPlans: !options.blackBox.asking.batch, progress: { _ in }))
        try await SearchIndex.write(
            model, documents: collection.documents, collection: source.lastPathComponent, asking: blackBox, to: folder,
            options: .init(
                element: float16 ? .float16 : .float32,
                blockSize: options.blockSize(otherwise: SearchIndex.WritingOptions().blockSize)),
            isCancelled: { Interruption.isRequested },
            progress: { bar.update(completed: $0) })
        bar.finish()
        let manifest = try SearchIndex(readingFrom: folder).manifest
        try format.print(
            manifest,
            or: "\(manifest.documents) documents × (\(manifest.blackBoxDimension) + \(manifest.localDimension)) "
                + "\(manifest.element) to \(output)")
    }
}
