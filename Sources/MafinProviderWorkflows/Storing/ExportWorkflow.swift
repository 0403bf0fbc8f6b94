import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import MafinStores
import MafinWorkflows

/// One `mafin export`: writes the vectors of a collection's documents into a store.
///
/// Texts that the store holds already, with the hash of the same text and the same sources, are neither embedded nor written again. So an
/// export that was interrupted goes on where it ended, and a collection that has grown is brought up to date.
package struct ExportWorkflow {
    /// The folder of the artefact.
    package var artefact: String
    /// The texts: a file of documents, or a collection.
    package var input: URL
    /// The store.
    package var target: StoreTarget
    /// How it is written.
    package var stores = Stores()
    /// Whether the texts are stored too.
    package var storesTexts = false
    /// Whether only the plan is made. Nothing is asked and nothing is written.
    package var isPlanOnly = false
    /// Number of texts that are held at a time with their vectors.
    package var blockSize = 1024
    /// Called before anything is asked of the black box, with what gives the texts that it will be asked for, block by block.
    package var announce: ((ArtefactModel, _ next: () async throws -> [EmbeddingItem]?) async throws -> Void)?

    /// What was done.
    package struct Result: Sendable, Encodable {
        package var plan: ExportPlan
        /// Texts that were written.
        package var written: Int
        /// Texts that were in the store already.
        package var skipped: Int
        /// What the user should know.
        package var notes: [String]

        package var text: String {
            isPlanOnly ? plan.text : "\(plan.text)\n\(written) texts written, \(skipped) were there already"
        }

        var isPlanOnly = false

        private enum CodingKeys: CodingKey { case plan, written, skipped, notes }
    }

    private let context: WorkflowContext
    private let openBlackBox: BlackBoxOpening

    package init(
        artefact: String, input: URL, target: StoreTarget, context: WorkflowContext,
        openBlackBox: @escaping BlackBoxOpening
    ) {
        (self.artefact, self.input, self.target) = (artefact, input, target)
        (self.context, self.openBlackBox) = (context, openBlackBox)
    }

    /// Plans, and unless ``isPlanOnly`` embeds and writes.
    /// - Throws: `StoreError`, also if the vectors do not fit the store, before anything is asked; whatever the black box and files throw.
    package func run() async throws -> Result {
        try stores.require(fitting: target)
        let model = try ArtefactOpening.model(at: artefact, context)
        let vectors = try DocumentVectors(model, keeping: target.kind, foreign: Set(stores.foreign.keys))
        let count = try checkTexts()
        let plan = try ExportPlan(
            target, parts: vectors.allParts, others: vectors.others, texts: count, isHalf: stores.isHalf,
            wantsIndex: stores.wantsIndex, isReduced: model.manifest.reduction != nil, foreign: stores.foreign)
        if isPlanOnly { return Result(plan: plan, written: 0, skipped: 0, notes: [], isPlanOnly: true) }
        context.note(plan.text)
        if !plan.leftOut.isEmpty {
            context.warn(
                "left out: \(plan.leftOut.joined(separator: ", ")). The store gives a part of the artefact's score; 'mafin inspect' tells what that costs"
            )
        }
        guard case .path(let url) = target.place else {
            return try await write(try stores.open(target), vectors, model, plan)
        }
        guard try AtomicFile.canReplaceDirectory(at: url, holding: ExportedFiles.fileName) else {
            throw StoreError.occupied(path: url.path)
        }
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        var result: Result?
        try await AtomicFile.replaceDirectory(at: url) { folder in
            result = try await write(try stores.open(target, writingTo: folder), vectors, model, plan)
        }
        guard let result else { preconditionFailure("the folder is filled, or an error is thrown") }
        return result
    }

    /// Reads and checks all texts without keeping them, before anything is asked or written. Returns their number.
    private func checkTexts() throws -> Int {
        var texts = try CheckedTexts(documents: input)
        while try texts.next() != nil { try context.checkCancellation() }
        context.warn(of: texts.warnings)
        return texts.count
    }

    private func write(
        _ store: any VectorStore, _ vectors: DocumentVectors, _ model: ArtefactModel, _ plan: ExportPlan
    ) async throws -> Result {
        var notes = try await store.prepare(
            StoreSchema(parts: vectors.parts, holdsTexts: storesTexts, isUnit: vectors.areUnit))
        var blackBox: (any BlackBox)?
        if vectors.asksBlackBox {
            if let announce {
                var pass = try Pass(self, store, vectors)
                try await announce(model) { try await pass.next()?.new }
            }
            blackBox = try await ArtefactOpening.blackBox(of: model, openBlackBox)
        }
        let bar = context.beginProgress("Exporting", plan.texts ?? 0, "texts")
        defer { bar.finish() }
        var (written, skipped) = (0, 0)
        var pass = try Pass(self, store, vectors)
        while let block = try await pass.next() {
            try context.checkCancellation()
            skipped += block.skipped
            if !block.new.isEmpty {
                let batch = try await vectors.batch(
                    of: block.new, hashes: block.hashes, holdsTexts: storesTexts, asking: blackBox,
                    isCancelled: context.isCancelled)
                try await store.write(batch)
                written += block.new.count
            }
            bar.update(completed: written + skipped, skipped: skipped, detail: nil)
        }
        notes += try await store.finish()
        for note in notes { context.note(note) }
        return Result(plan: plan, written: written, skipped: skipped, notes: notes)
    }

    /// One pass over the texts: blocks of those that the store does not hold yet.
    private struct Pass {
        private var texts: CheckedTexts
        private let store: any VectorStore
        private let vectors: DocumentVectors
        private let blockSize: Int

        init(_ workflow: ExportWorkflow, _ store: any VectorStore, _ vectors: DocumentVectors) throws {
            texts = try CheckedTexts(documents: workflow.input)
            (self.store, self.vectors, blockSize) = (store, vectors, workflow.blockSize)
        }

        mutating func next() async throws -> (new: [EmbeddingItem], hashes: [String], skipped: Int)? {
            var items: [EmbeddingItem] = []
            while items.count < blockSize, let text = try texts.next() {
                items.append(EmbeddingItem(id: text.id, text: text.text, image: text.image))
            }
            guard !items.isEmpty else { return nil }
            let hashes = items.map { vectors.hash(of: $0) }
            let stored = try await store.storedHashes(of: items.map(\.id))
            let new = items.indices.filter { stored[items[$0].id] != hashes[$0] }
            return (new.map { items[$0] }, new.map { hashes[$0] }, items.count - new.count)
        }
    }
}
