import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinProviderWorkflows
import MafinProviders
import MafinRetrieval
import MafinWorkflows
import Synchronization

/// `mafin embed`: writes joined vectors of texts to files that NumPy and vector databases read.
struct EmbedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "embed",
        abstract: "Write the vectors of texts to files that NumPy and vector databases read.",
        usage: "mafin embed <artefact> --input <file> --as <query|document> --output <path> [<options>]",
        discussion: """
            OUTPUT.npy holds the joined vectors: those of all dense sources side by side, the black box's first. Put documents into the index, and \
            search it with queries by inner product (or cosine). The file OUTPUT.ids holds one id a line, in the order of the rows.

            With --named, OUTPUT is a folder that holds each source's vectors under its own name, and those of sparse sources (BM25) too. The \
            weights are in the queries' vectors: the sum of the inner products over all names is the score.

            Sources that have no vectors, such as a memory of queries, are left out and named. 'mafin serve' computes them. The files appear when \
            all is done. Memory does not grow with the number of texts, except for their ids.

            With --shards, many processes or machines embed one file together: each cuts its part out of the file by itself and writes it into the \
            folder OUTPUT, finished parts are skipped, and 'mafin shards' checks and joins them. The result is the same to the last bit.

            --batch uses the provider's cheaper batch API. More flags: mafin embed --help-hidden
            """)

    @Option(
        help:
            "Texts: a .jsonl file with '_id' and 'text' (documents also 'title'), also .gz; or a .parquet file with these columns ('id' is as good as '_id')."
    )
    var input: String

    @Option(
        help: ArgumentHelp("What the texts are. Both encoders treat the two differently.", valueName: "query|document"))
    var `as`: TextRole

    @Option(
        name: .shortAndLong,
        help: "The .npy file to write. Ids go to the same name with .ids. With --named or --shards a folder.")
    var output: String

    @Option(
        help: ArgumentHelp(
            "Write each source's vectors under its own name, sparse ones too. npy: NAME.npy, and NAME.npz for sparse vectors (CSR, as scipy.sparse.load_npz reads it). qdrant, elasticsearch: a .jsonl file in the shape of the database.",
            valueName: "npy|qdrant|elasticsearch"))
    var named: NamedVectors.Format?

    @Flag(
        help:
            "For queries: ask nothing. The artefact's stand-in gives the black box's part, with its own weights, for the same vectors of documents."
    )
    var offline = false

    @Flag(help: "Store 16-bit floats: half the size, three digits.")
    var float16 = false

    @OptionGroup var sharding: ShardOptions
    @OptionGroup var options: ArtefactOptions
    @OptionGroup var precision: PrecisionOptions
    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    /// Number of texts that are held at a time with their vectors. That takes some hundred megabytes with the dimensions of today's black boxes.
    private static let blockSize = 4096

    func validate() throws {
        if sharding.shards != nil {
            try requireFolder(output: output)
            if named != nil {
                throw ValidationError("--named cannot be used with --shards: shards hold joined vectors.")
            }
            if options.blackBox.asking.batch || options.blackBox.asking.noWait {
                throw ValidationError(
                    "--batch cannot be used with --shards: embed with --batch first, and then the cache answers.")
            }
        } else if named == nil, !output.hasSuffix(".npy") {
            throw ValidationError("--output must end in .npy, found \(output).")
        }
        if named != nil { try requireFolder(output: output) }
        if offline, self.as == .document {
            throw ValidationError("--offline is for queries: a document's vector needs the black box.")
        }
        if float16, named != nil, named != .npy {
            throw ValidationError("--float16 is for .npy files; JSON has the digits that a number needs.")
        }
    }

    func run() async throws {
        try computing.begin()
        let model = try options.load(shared, precision)
        if offline { try model.artefact.requireOffline() }
        if let shards = try sharding.mine() { return try await writeShards(shards, of: model) }
        // Faults of the texts or of the output's place are found before anything is asked or computed.
        let count = try isPipe ? nil : checkTexts(open)
        let target = URL(fileURLWithPath: output)
        try FileManager.default.createDirectory(
            at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
        if let named {
            try await writeNamed(named, of: model, count: count, to: target)
        } else {
            try await writeJoined(of: model, count: count, to: target)
        }
    }

    var elementType: NumPyFile.ElementType { float16 ? .float16 : .float32 }

    private func writeJoined(of model: ArtefactModel, count: Int?, to file: URL) async throws {
        guard model.joinedDimension > 0 else { throw WorkflowError.noJoinedVectors(path: options.artefact) }
        let vectors = try PendingVectors(to: file, dimension: model.joinedDimension, as: elementType)
        let leftOut = NamedVectors.leftOut(of: model.rankingSources(offline: offline), kept: [.dense])
        try await embed(model, count: count, texts: open) { try vectors.append($0, ids: $1.map(\.id)) }
        try vectors.commit()
        warn(ofLeftOut: leftOut)
        try format.print(
            Summary(
                rows: vectors.count, dimension: vectors.dimension, output: file.path, ids: vectors.idsFile.path,
                leftOut: leftOut),
            or: "\(vectors.count) × \(vectors.dimension) to \(output), ids to \(vectors.idsFile.relativePath)")
    }

    private func writeNamed(
        _ layout: NamedVectors.Format, of model: ArtefactModel, count: Int?, to folder: URL
    ) async throws {
        guard try AtomicFile.canReplaceDirectory(at: folder, holding: NamedVectors.descriptionName) else {
            throw WorkflowError.occupied(path: output)
        }
        var written: NamedVectors.Description?
        try await AtomicFile.replaceDirectory(at: folder) { temporary in
            let vectors = try NamedVectors(
                of: model, as: self.as, layout, isOffline: offline, type: elementType, in: temporary)
            try await embed(model, count: count, texts: open) { try vectors.append($0, $1) }
            written = try vectors.finish()
        }
        guard let written else { preconditionFailure("the folder is filled, or an error is thrown") }
        warn(ofLeftOut: written.leftOut)
        let parts = written.parts.map { "\($0.name) (\($0.face.rawValue), \($0.dimension)) in \($0.file)" }
        try format.print(
            NamedSummary(output: folder.path, description: written),
            or: "\(written.rows) texts to \(output): \(parts.joined(separator: ", "))")
    }

    func warn(ofLeftOut sources: [SourceName]) {
        guard !sources.isEmpty else { return }
        let names = sources.map(\.rawValue).joined(separator: ", ")
        shared.warn(
            "left out: \(names). These files give a part of the artefact's score; "
                + "'mafin inspect' tells what \(named == nil ? "joined" : "these") vectors leave out")
    }

    /// Asks the black box and computes block by block.
    /// - Parameters:
    ///   - count: number of texts; nil for a pipe.
    ///   - open: opens the texts. It is called more than once, unless they come from a pipe.
    ///   - append: gets the joined vectors of each block and its texts.
    /// - Returns: distinct texts that the black box answered, and those that were cached.
    @discardableResult
    func embed(
        _ model: ArtefactModel, count: Int?, title: String = "Embedding", texts open: () throws -> CheckedTexts,
        append: (Matrix, [EmbeddingItem]) throws -> Void
    ) async throws -> (asked: Int, cached: Int) {
        let progress = JoiningProgress(
            ProgressBar(
                title: title, total: count ?? 0, unit: "texts",
                output: count == nil ? .silent : shared.progressOutput))
        var blackBox: (any BlackBox)?
        let inputs = model.sources.filter { $0.face == .dense }.map {
            self.as == .query ? $0.queryInputs : $0.documentInputs
        }
        if !offline, inputs.contains(where: { $0.contains(.blackBox) }) {
            try await announce(model, count: count, texts: open)
            blackBox = try await options.makeBlackBox(
                model, shared, use: BlackBoxUse(announcesPlans: count == nil, progress: progress.asked))
            if count != nil {
                var texts = try open()
                try await options.beginBatches(model, shared, as: self.as, announcesPlan: false) {
                    try Self.block(&texts, size: $0)
                }
            }
        }
        let blockSize = options.blockSize(otherwise: Self.blockSize)
        var texts = try open()
        while let block = try Self.block(&texts, size: blockSize) {
            if Interruption.isRequested { throw CancellationError() }
            progress.begin(block.count)
            try append(try await joined(block, model, blackBox, progress), block)
        }
        if count == nil { shared.context.warn(of: texts.warnings) }
        progress.finish()
        return progress.answered
    }

    /// Joined vectors of a block. Without a black box they are those of the stand-in or the local encoder, or have no columns.
    private func joined(
        _ block: [EmbeddingItem], _ model: ArtefactModel, _ blackBox: (any BlackBox)?, _ progress: JoiningProgress
    ) async throws -> Matrix {
        if offline {
            let vectors = try model.embedOffline(block, isCancelled: { Interruption.isRequested })
            progress.computed(block.count)
            return vectors
        }
        if let blackBox {
            return try await model.embed(
                block, as: self.as, asking: blackBox, isCancelled: { Interruption.isRequested },
                progress: progress.computed)
        }
        let local =
            model.encoder == nil
            ? nil
            : try model.localVectors(
                of: block.map(\.item), as: self.as, isCancelled: { Interruption.isRequested },
                progress: progress.computed)
        return try model.join(blackBox: nil, local: local, as: self.as, ids: block.map(\.id))
    }

    /// Tells what an embedding API will be asked in all, and stops if that is above a limit. A pipe is planned block by block.
    private func announce(
        _ model: ArtefactModel, count: Int?, texts open: () throws -> CheckedTexts
    ) async throws {
        guard count != nil else { return }
        var texts = try open()
        try await options.announce(model, shared, as: self.as) { try Self.block(&texts, size: Self.blockSize) }
    }

    private struct Summary: Encodable {
        var rows: Int
        var dimension: Int
        var output: String
        var ids: String
        /// Sources that joined vectors do not hold.
        var leftOut: [SourceName]
    }

    private struct NamedSummary: Encodable {
        private enum CodingKeys: CodingKey { case output }

        var output: String
        var description: NamedVectors.Description

        func encode(to encoder: any Encoder) throws {
            try description.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(output, forKey: .output)
        }
    }

    private func open() throws -> CheckedTexts {
        let url = URL(fileURLWithPath: input)
        return try self.as == .query ? CheckedTexts(queries: url) : CheckedTexts(documents: url)
    }

    /// Whether the texts come from a pipe. It can be read only once, so its texts are checked as they come.
    private var isPipe: Bool {
        var status = stat()
        return stat(input, &status) == 0 && ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT)
    }

    /// Reads and checks all texts without keeping them.
    /// - Returns: their number.
    func checkTexts(_ open: () throws -> CheckedTexts) throws -> Int {
        var texts = try open()
        while try texts.next() != nil {}
        shared.context.warn(of: texts.warnings)
        return texts.count
    }

    /// The next texts; nil at the end.
    private static func block(_ texts: inout CheckedTexts, size: Int) throws -> [EmbeddingItem]? {
        var block: [EmbeddingItem] = []
        while block.count < size, let text = try texts.next() {
            block.append(EmbeddingItem(id: text.id, text: text.text, image: text.image))
        }
        return block.isEmpty ? nil : block
    }
}

/// The progress of embedding block by block. One bar shows both sources: a text is done when both sources are.
private final class JoiningProgress: Sendable {
    private struct State {
        /// Texts of earlier blocks.
        var before = 0
        /// Number of texts of this block, and for how many of them each source is done.
        var texts = 0
        var asked = 0
        var computed = 0
        /// Distinct texts of earlier blocks, and of this one, that the black box and the cache have answered.
        var answered = (asked: 0, cached: 0)
        var ofThisBlock = (asked: 0, cached: 0)
        var whole: (asked: Int, cached: Int) {
            (answered.asked + ofThisBlock.asked, answered.cached + ofThisBlock.cached)
        }
    }

    private let bar: ProgressBar
    private let state = Mutex(State())

    init(_ bar: ProgressBar) {
        self.bar = bar
    }

    func begin(_ texts: Int) {
        state.withLock { $0 = State(before: $0.before + $0.texts, texts: texts, answered: $0.whole) }
    }

    /// Distinct texts that the black box and the cache have answered so far.
    var answered: (asked: Int, cached: Int) { state.withLock { $0.whole } }

    /// Reports the texts of this block that the black box has answered.
    @Sendable func asked(_ counts: EmbeddingCounts) {
        update {
            $0.ofThisBlock = (counts.asked, counts.cached)
            $0.asked = counts.distinct == 0 ? 0 : $0.texts * (counts.distinct - counts.remaining) / counts.distinct
        }
    }

    /// Reports the texts of this block that the local encoder has computed. It begins when the black box has answered all of them.
    func computed(_ texts: Int) {
        update { ($0.asked, $0.computed) = ($0.texts, texts) }
    }

    func finish() { bar.finish() }

    private func update(_ change: (inout State) -> Void) {
        let done = state.withLock { state in
            change(&state)
            return state.before + (state.asked + state.computed) / 2
        }
        bar.update(completed: done)
    }
}

extension TextRole: ExpressibleByArgument {}
extension NamedVectors.Format: ExpressibleByArgument {}
