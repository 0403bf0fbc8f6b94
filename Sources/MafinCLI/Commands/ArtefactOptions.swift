import ArgumentParser
import Foundation
import Mafin
import MafinBlackBox
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
    func load(_ shared: SharedOptions) throws -> JoinedModel {
        let model = try JoinedModel(artefact: folder, released: released)
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
        _ model: JoinedModel, _ shared: SharedOptions, announcesPlan: Bool = true,
        progress: (@Sendable (EmbeddingCounts) -> Void)? = nil, manner: AskingManner = AskingManner()
    ) async throws -> any BlackBox {
        let blackBox = try await blackBox.make(
            shared: shared, default: model.manifest.blackBoxSource, announcesPlan: announcesPlan, progress: progress,
            manner: manner)
        try model.artefact.require(blackBox: blackBox.identity)
        return blackBox
    }
}

extension LocalVectorCache {
    /// Beside the cache of paid vectors, unless `MAFIN_CACHE` says otherwise.
    static var shared: LocalVectorCache {
        LocalVectorCache(
            folder: EmbeddingCache.defaultFile().deletingLastPathComponent().appendingPathComponent("local-vectors"))
    }
}
