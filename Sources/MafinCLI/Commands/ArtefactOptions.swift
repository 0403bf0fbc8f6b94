import ArgumentParser
import Foundation
import MafinBlackBox
import MafinPipeline
import MafinProviders

/// The artefact that a command works with, and how its black box is reached.
struct ArtefactOptions: ParsableArguments {
    @Argument(help: "Folder that 'mafin train' wrote.")
    var artefact: String

    @OptionGroup(title: "Black box (default: the artefact's own)") var blackBox: BlackBoxOptions

    var folder: URL { URL(fileURLWithPath: artefact) }

    /// Finds the released checkpoints that an artefact names.
    func released(_ record: EncoderRecord) throws -> URL { try Self.releasedFolder(record) }

    /// The folder of a released checkpoint: where it lay, else in the hub's folder on this machine.
    static func releasedFolder(_ record: EncoderRecord) throws -> URL {
        if let path = record.path, FileManager.default.fileExists(atPath: path) { return URL(fileURLWithPath: path) }
        return try ModelHub().resolve(record.name, revision: record.revision ?? "main")
    }

    /// - Parameter shared: where a warning goes if the artefact is marked `do-not-ship`.
    func load(_ shared: SharedOptions) throws -> ArtefactModel {
        let model = try ArtefactModel(artefact: folder, released: released)
        let verdict = model.manifest.verdict
        if !verdict.allowsUse { shared.warn("\(artefact) is marked \(verdict.decision.rawValue). \(verdict.reason)") }
        return model
    }

    /// The black box of the artefact, or the one named by flags. One that the artefact was not trained beside is refused before it is asked.
    /// - Parameters:
    ///   - announcesPlan: whether each call says what it will ask; false where that has been said of all.
    ///   - progress: told of each call's counts, instead of a progress bar a call.
    ///   - manner: how a server is asked that no flag says.
    func makeBlackBox(
        _ model: ArtefactModel, _ shared: SharedOptions, announcesPlan: Bool = true,
        progress: (@Sendable (EmbeddingCounts) -> Void)? = nil, manner: AskingManner = AskingManner()
    ) async throws -> any BlackBox {
        let blackBox = try await blackBox.make(
            shared: shared, default: model.manifest.blackBoxSource, announcesPlan: announcesPlan, progress: progress,
            manner: manner)
        try model.artefact.require(blackBox: blackBox.identity)
        return blackBox
    }
}

extension ArtefactOptions {
    /// With `--batch`, has the jobs of all texts begun, which are then asked for block by block.
    /// - Parameter texts: gives the next so many texts; nil at the end.
    /// - Throws: `ProviderError.batchPending` of all of them with `--no-wait`.
    func beginBatches(
        _ model: ArtefactModel, _ shared: SharedOptions, as role: TextRole, announcesPlan: Bool,
        texts: (_ count: Int) throws -> [EmbeddingItem]?
    ) async throws {
        guard blackBox.asking.batch,
            case .provider = try blackBox.source(default: model.manifest.blackBoxSource).specification
        else { return }
        var options = self
        options.blackBox.asking.noWait = true
        // Whoever asks block by block looks for drift: here it would be paid twice.
        options.blackBox.asking.driftCheck = nil
        let box = try await options.makeBlackBox(model, shared, announcesPlan: announcesPlan, progress: { _ in })
        let begun = try await BatchedBlackBox.begin(with: box, as: role) {
            if Interruption.isRequested { throw CancellationError() }
            return try texts(BatchedBlackBox.maximumTexts)
        }
        if blackBox.asking.noWait, begun.texts > 0 {
            throw ProviderError.batchPending(jobs: begun.jobs, texts: begun.texts)
        }
    }

    /// Texts of a block that is asked for at a time: with `--batch` as many as a job takes, where the provider has no room for several.
    func blockSize(otherwise size: Int) -> Int { blackBox.asking.batch ? BatchedBlackBox.maximumTexts : size }
}

extension LocalVectorCache {
    /// Beside the cache of paid vectors, unless `MAFIN_CACHE` says otherwise.
    static var shared: LocalVectorCache {
        LocalVectorCache(
            folder: EmbeddingCache.defaultFile().deletingLastPathComponent().appendingPathComponent("local-vectors"))
    }
}
