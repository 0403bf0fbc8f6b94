import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinRetrieval

/// The result of training a contender: the encoder in its best state, its mixture with the black box, and its figures
/// on dev.
public struct TrainedEncoder {
    /// The encoder in its best state. It encodes queries, and also documents in modes that train documents.
    public let encoder: TextEncoder
    /// The outcome of the training.
    public let outcome: TrainingOutcome
    /// The manifest, except for how to reach the black box again.
    public internal(set) var manifest: ArtefactManifest
    /// The comparison with the black box on dev, where everything was chosen.
    public let development: EvaluationReport
    let knownQueries: KnownQueries

    /// The contender.
    public var contender: Contender { manifest.contender }
    /// How the black box and the encoder are mixed.
    public var mixing: Mixture { manifest.mixing }
    /// Whether it is worth using, judged on dev.
    public var verdict: Verdict { manifest.verdict }
    /// Whether the encoder encodes documents too.
    package var trainsDocuments: Bool { manifest.queryEncoder == nil }

    /// Writes the encoder into an empty folder.
    func save(to folder: URL) throws {
        // In the norm form the length of a vector acts as its weight, so it must be kept.
        try encoder.save(to: folder, normalizes: mixing.localForm == .unit)
    }

    /// Writes the artefact, whole or not at all.
    /// - Parameters:
    ///   - source: how to reach the black box again.
    ///   - force: whether a verdict against the artefact is overridden.
    /// - Throws: ``ArtefactError``, `NumericsError`.
    @discardableResult
    public func write(to folder: URL, source: BlackBoxSource? = nil, force: Bool = false) throws -> Artefact {
        var manifest = manifest
        manifest.blackBoxSource = source
        if force { manifest.verdict = manifest.verdict.forced() }
        return trainsDocuments
            ? try Artefact.write(manifest, to: folder, knownQueries: knownQueries, saveDocumentEncoder: save)
            : try Artefact.write(manifest, to: folder, knownQueries: knownQueries, saveQueryEncoder: save)
    }
}
