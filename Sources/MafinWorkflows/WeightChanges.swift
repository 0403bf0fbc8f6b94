import MafinMethod
import MafinPipeline

/// Weights that replace those of an artefact for one run.
package struct WeightChanges: Sendable, Equatable {
    /// λ: the share of the local encoder in the weights of the black box and the local encoder; nil for the artefact's.
    package var lambda: Float?
    /// Weights by the names of sources, in the unit of ``MafinPipeline/Mixture/rankingWeights``.
    package var weights: [SourceName: Float] = [:]

    package init() {}

    /// The weights of a mixture with the changes; nil if there are none.
    /// - Parameters:
    ///   - ranking: the weights to change; nil: those of all sources of the mixture.
    ///   - ignoresUnknown: whether changes that do not fit these weights are left out, λ included.
    /// - Throws: ``WorkflowError`` for weights that the mixture cannot have, ``NameError`` for an unknown source.
    package func applied(to mixture: Mixture, ranking: SourceWeights? = nil, ignoresUnknown: Bool = false) throws
        -> SourceWeights?
    {
        guard lambda != nil || !weights.isEmpty else { return nil }
        guard mixture.localForm == .unit else { throw WorkflowError.weightsNotChangeable }
        var changed = ranking ?? mixture.rankingWeights
        let known = changed.sources.map(\.rawValue)
        if let lambda, !ignoresUnknown {
            guard changed.pair != nil else { throw WorkflowError.noLambda(sources: known) }
            changed = changed.with(lambda: lambda)
        }
        var weights = weights
        for name in weights.keys.sorted(by: { $0.rawValue < $1.rawValue }) where !changed.sources.contains(name) {
            guard ignoresUnknown else { throw NameError("source", name.rawValue, known: known) }
            weights[name] = nil
        }
        guard let replaced = changed.replacing(weights) else { throw WorkflowError.noWeightLeft }
        return replaced
    }
}
