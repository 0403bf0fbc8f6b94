import ArgumentParser
import Foundation
import MafinBlackBox
import MafinCommandLine
import MafinEncoder
import MafinPipeline
import MafinProviderWorkflows
import MafinProviders
import MafinWorkflows

/// The artefact that a command uses, and how its black box is asked.
struct ArtefactOptions: ParsableArguments {
    @Argument(help: "Folder that 'mafin train', 'compare' or 'ship' wrote.")
    var artefact: String

    @OptionGroup var blackBox: BlackBoxOptions

    var folder: URL { URL(fileURLWithPath: artefact) }

    /// Loads the artefact, and warns if it is marked as not to be used.
    func load(_ shared: SharedOptions, _ precision: PrecisionOptions) throws -> ArtefactModel {
        try ArtefactOpening.model(at: artefact, precision: precision.precision, shared.context)
    }

    /// The black box of the artefact, or the one that flags name. A black box that the artefact was not trained beside is refused before it is asked.
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
    /// With `--batch`, begins the jobs of all texts. Their vectors are then asked for block by block.
    /// - Parameter texts: gives the next texts, as many as its argument says; nil at the end.
    /// - Throws: with `--no-wait` a `ProviderError.batchPending` for all jobs.
    func beginBatches(
        _ model: ArtefactModel, _ shared: SharedOptions, as role: TextRole, announcesPlan: Bool,
        texts: (_ count: Int) throws -> [EmbeddingItem]?
    ) async throws {
        guard blackBox.asking.batch,
            case .provider = try blackBox.source(default: model.manifest.blackBoxSource).specification
        else { return }
        var options = self
        options.blackBox.asking.noWait = true
        // The check for drift is made when the blocks are asked. Here it would be paid for twice.
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

    /// Number of texts that are asked for at a time. With `--batch` it is the number that a job takes, in case the provider has no room for several
    /// jobs.
    func blockSize(otherwise size: Int) -> Int { blackBox.asking.batch ? BatchedBlackBox.maximumTexts : size }
}
