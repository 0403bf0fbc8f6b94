import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinPipeline
import MafinProviderWorkflows
import MafinProviders
import MafinWorkflows

/// The artefact that a command works with, and how its black box is reached.
struct ArtefactOptions: ParsableArguments {
    @Argument(help: "Folder that 'mafin train' wrote.")
    var artefact: String

    @OptionGroup var blackBox: BlackBoxOptions

    var folder: URL { URL(fileURLWithPath: artefact) }

    /// Loads the artefact, and warns if it is marked as not to be used.
    func load(_ shared: SharedOptions) throws -> ArtefactModel {
        try ArtefactOpening.model(at: artefact, shared.context)
    }

    /// The black box of the artefact, or the one named by flags. One that the artefact was not trained beside is refused before it is asked.
    /// - Parameter use: what it is used for.
    func makeBlackBox(
        _ model: ArtefactModel, _ shared: SharedOptions, use: BlackBoxUse = BlackBoxUse()
    ) async throws -> any BlackBox {
        try await ArtefactOpening.blackBox(of: model) {
            try await blackBox.make(shared: shared, default: $0, use: use)
        }
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
        let box = try await options.makeBlackBox(
            model, shared, use: BlackBoxUse(announcesPlans: announcesPlan, progress: { _ in }))
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
