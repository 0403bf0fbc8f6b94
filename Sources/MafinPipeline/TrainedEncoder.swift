import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinRetrieval

/// A contender after its training: the encoder at its best state, how it is mixed with the black box, and what dev says of it.
public struct TrainedEncoder {
    /// At its best state; of queries, and in modes that train documents of these too.
    public let encoder: TextEncoder
    /// How the training went.
    public let outcome: TrainingOutcome
    /// Everything that is known of it, except how to reach the black box again.
    public let manifest: ArtefactManifest
    /// The comparison on dev with the black box, on which everything was chosen.
    public let development: EvaluationReport
    let knownQueries: KnownQueries

    /// Which contender.
    public var contender: Contender { manifest.contender }
    /// How the black box and the encoder are mixed.
    public var mixing: Mixture { manifest.mixing }
    /// Whether it pays, by dev.
    public var verdict: Verdict { manifest.verdict }
    /// Whether the encoder is of documents too.
    package var trainsDocuments: Bool { manifest.queryEncoder == nil }

    /// Writes the artefact, whole or not at all.
    /// - Parameters:
    ///   - source: how to open the black box again.
    ///   - force: whether a verdict against it is overridden.
    /// - Throws: ``ArtefactError``, `NumericsError`.
    @discardableResult
    public func write(to folder: URL, source: BlackBoxSource? = nil, force: Bool = false) throws -> Artefact {
        var manifest = manifest
        manifest.blackBoxSource = source
        if force { manifest.verdict = manifest.verdict.forced() }
        // In the norm form a vector's length is its weight.
        let normalizes = mixing.localForm == .unit
        let save: (URL) throws -> Void = { [encoder] in
            try encoder.encoder.save(to: $0, tokenizerFrom: encoder.folder, normalizes: normalizes)
        }
        return trainsDocuments
            ? try Artefact.write(manifest, to: folder, knownQueries: knownQueries, saveDocumentEncoder: save)
            : try Artefact.write(manifest, to: folder, knownQueries: knownQueries, saveQueryEncoder: save)
    }
}
