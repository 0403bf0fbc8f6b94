import Foundation
import MafinMethod

/// How an artefact reads queries for which the black box is not asked. Its encoders run at once (``ArtefactModel``) or in the
/// queue of a service; what they have to compute is decided here.
package struct StandInReading: Sendable {
    /// The maps from the stand-in's encoder into the spaces of document vectors.
    package let heads: StandInHeads
    /// How the scores are added.
    package let mixing: Mixture
    /// Whether the local encoder itself encodes the queries, because a source with a weight reads its vectors and the stand-in
    /// does not estimate them.
    package let needsLocal: Bool

    /// - Parameter sources: of the artefact, with or without reduced vectors.
    /// - Returns: `nil` for an artefact without a stand-in.
    /// - Throws: ``ArtefactError/noStandIn(path:)`` if the weights for it are there, and it is not.
    init?(_ artefact: Artefact, _ sources: [any ScoreSource]) throws {
        guard let mixing = artefact.manifest.offline?.mixing else { return nil }
        guard let source = sources.unreduced.lazy.compactMap({ $0 as? StandInSource }).first else {
            throw ArtefactError.noStandIn(path: artefact.folder.path)
        }
        (heads, self.mixing) = (source.heads, mixing)
        needsLocal =
            heads.local == nil
            && sources.contains { mixing.weights[$0.name] > 0 && $0.queryInputs.contains(.local) }
    }
}
