import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
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
        abstract: "Write the joined vectors of texts to a .npy file, and their ids beside it.",
        usage: "mafin embed <artefact> --input <file> --as <query|document> --output <file> [<options>]",
        discussion: """
            Each row is the black box's vector followed by the local encoder's. Put documents into the index, and search it with queries by \
            inner product (or cosine). The file OUTPUT.ids holds one id a line, in the order of the rows. Both files appear when all is done. \
            Memory does not grow with the number of texts, except for their ids.

            --batch uses the provider's cheaper batch API. More flags: mafin embed --help-hidden
            """)

    @Option(help: "Texts: a .jsonl file with '_id' and 'text' (documents also 'title'), also .gz.")
    var input: String

    @Option(
        help: ArgumentHelp("What the texts are. Both encoders treat the two differently.", valueName: "query|document"))
    var `as`: TextRole

    @Option(name: .shortAndLong, help: "The .npy file to write. Ids go to the same name with .ids.")
    var output: String

    @Flag(help: "Store 16-bit floats: half the size, three digits.")
    var float16 = false

    @OptionGroup var options: ArtefactOptions
    @OptionGroup var computing: ComputingOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var shared: SharedOptions

    /// Number of texts that are held at a time with their vectors. That takes some hundred megabytes with the dimensions of today's black boxes.
    private static let blockSize = 4096

    func validate() throws {
        if !output.hasSuffix(".npy") { throw ValidationError("--output must end in .npy, found \(output).") }
    }

    func run() async throws {
        try computing.begin()
        let model = try options.load(shared)
        // Faults of the texts or of the output's place are found before anything is asked or computed.
        let count = try checkTexts()
        let file = URL(fileURLWithPath: output)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        let vectors = try PendingVectors(
            to: file, dimension: model.manifest.joinedDimension, as: float16 ? .float16 : .float32)

        let progress = JoiningProgress(
            ProgressBar(
                title: "Embedding", total: count ?? 0, unit: "texts",
                output: count == nil ? .silent : shared.progressOutput))
        try await announce(model, count: count)
        let blackBox = try await options.makeBlackBox(
            model, shared, use: BlackBoxUse(announcesPlans: count == nil, progress: progress.asked))
        if count != nil {
            var texts = try open()
            try await options.beginBatches(model, shared, as: self.as, announcesPlan: false) {
                try Self.block(&texts, size: $0)
            }
        }
        let blockSize = options.blockSize(otherwise: Self.blockSize)
        var texts = try open()
        while let block = try Self.block(&texts, size: blockSize) {
            if Interruption.isRequested { throw CancellationError() }
            progress.begin(block.count)
            let joined = try await model.embed(
                block, as: self.as, asking: blackBox, isCancelled: { Interruption.isRequested },
                progress: progress.computed)
            try vectors.append(joined, ids: block.map(\.id))
        }
        if count == nil { shared.context.warn(of: texts.warnings) }
        try vectors.commit()
        progress.finish()
        try format.print(
            Summary(rows: vectors.count, dimension: vectors.dimension, output: file.path, ids: vectors.idsFile.path),
            or: "\(vectors.count) × \(vectors.dimension) to \(output), ids to \(vectors.idsFile.relativePath)")
    }

    /// Tells what an embedding API will be asked in all, and stops if that is above a limit. A pipe is planned block by block.
    private func announce(_ model: ArtefactModel, count: Int?) async throws {
        let stored = model.manifest.blackBoxSource
        guard count != nil, let opened = try options.blackBox.openedProvider(shared, default: stored) else { return }
        let overflow = try options.blackBox.source(default: stored).overflow ?? .error
        let ruler = try TokenRuler(opened.profile, tokenizer: options.blackBox.asking.tokenizer)
        var plan: EmbeddingPlan?
        var texts = try open()
        while let block = try Self.block(&texts, size: Self.blockSize) {
            let part = try await EmbeddingPlan(
                opened.server, cache: opened.cache, texts: [(self.as, block)], ruler: ruler, overflow: overflow,
                isInBatches: options.blackBox.asking.batch)
            plan = plan?.adding(part) ?? part
        }
        guard let plan else { return }
        if plan.toAsk > 1 { shared.note(plan.summary) }
        try await plan.require(withinLimitOf: opened.server)
    }

    private struct Summary: Encodable {
        var rows: Int
        var dimension: Int
        var output: String
        var ids: String
    }

    private func open() throws -> CheckedTexts {
        let url = URL(fileURLWithPath: input)
        return try self.as == .query ? CheckedTexts(queries: url) : CheckedTexts(documents: url)
    }

    /// Reads and checks all texts without keeping them. A pipe can be read only once, so its texts are checked as they come.
    /// - Returns: their number; nil for a pipe.
    private func checkTexts() throws -> Int? {
        var status = stat()
        if stat(input, &status) == 0, ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT) { return nil }
        var texts = try open()
        while try texts.next() != nil {}
        shared.context.warn(of: texts.warnings)
        return texts.count
    }

    /// The next texts; nil at the end.
    private static func block(_ texts: inout CheckedTexts, size: Int) throws -> [EmbeddingItem]? {
        var block: [EmbeddingItem] = []
        while block.count < size, let text = try texts.next() {
            block.append(EmbeddingItem(id: text.id, text: text.text))
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
    }

    private let bar: ProgressBar
    private let state = Mutex(State())

    init(_ bar: ProgressBar) {
        self.bar = bar
    }

    func begin(_ texts: Int) {
        state.withLock { $0 = State(before: $0.before + $0.texts, texts: texts) }
    }

    /// Reports the texts of this block that the black box has answered.
    @Sendable func asked(_ counts: EmbeddingCounts) {
        update {
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
