import MafinMethod
import MafinPipeline

extension SourceWeights {
    /// The weights by the names of the sources, as answers write them.
    var byName: [String: Float] {
        Dictionary(uniqueKeysWithValues: zip(sources.map(\.rawValue), values))
    }

    /// The sources with a weight that joined vectors of texts without ids do not hold.
    func leftOutOfVectors(_ sources: [any ScoreSource]) -> [SourceName] {
        sources.unreduced.filter { !($0 is any DenseSource) || $0.documentInputs.contains(.identifier) }.map(\.name)
            .filter { self[$0] > 0 }
    }

    /// Each source with one of these weights, as clients and the page see it.
    func described(_ sources: [any ScoreSource]) -> [ServedSource] {
        sources.filter { self.sources.contains($0.name) }.map {
            ServedSource(name: $0.name, face: $0.face, weight: self[$0.name])
        }
    }
}

extension ArtefactManifest {
    /// The weights that a request to a service may replace, those of sources that rank without the black box alone included if some queries ask
    /// it and others do not.
    func offeredWeights(isOffline: Bool, asksSome: Bool) -> SourceWeights {
        let own = rankingWeights(offline: isOffline)
        guard asksSome, !isOffline else { return own }
        let others = rankingWeights(offline: true)
        return SourceWeights(
            allSources.map(\.name).compactMap { name in
                own.sources.contains(name)
                    ? (name, own[name]) : others.sources.contains(name) ? (name, others[name]) : nil
            })
    }
}

/// A source as clients and the page see it.
struct ServedSource: Sendable, Encodable {
    var name: SourceName
    var face: SourceFace
    /// Its weight in the ranking.
    var weight: Float
}

extension Mixture {
    /// The mixture for queries without the black box: the local part has unit length, and the other parts are zeros.
    var withLocalAlone: Mixture {
        guard localForm == .unit else { return self }
        var alone = self
        alone.weights = SourceWeights(weights.sources.map { ($0, $0 == .local ? 1 : 0) })
        return alone
    }
}
