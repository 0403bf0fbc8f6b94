import MafinMethod
import MafinPipeline

extension SourceWeights {
    /// The weights by the names of the sources, as answers write them.
    var byName: [String: Float] {
        Dictionary(uniqueKeysWithValues: zip(sources.map(\.rawValue), values))
    }

    /// Whether a source with a weight reads the black box's vector of the query.
    func needBlackBox(_ sources: [any ScoreSource]) -> Bool {
        sources.contains { self[$0.name] > 0 && $0.queryInputs.contains(.blackBox) }
    }

    /// The weights of the sources that do not need the black box. The local encoder alone has the weight 1, so that it ranks as it does alone,
    /// and it gets that weight if no other source is left. The same rule as `mafin search` has without the black box's vector.
    /// - Returns: `nil` if nothing is left to rank by.
    func withoutBlackBox(_ sources: [any ScoreSource]) -> SourceWeights? {
        let free = Set(sources.filter { !$0.queryInputs.contains(.blackBox) }.map(\.name))
        let left = Set(free.filter { self[$0] > 0 })
        if left == [.local] || left.isEmpty && free.contains(.local) {
            return SourceWeights(self.sources.map { ($0, $0 == .local ? 1 : 0) })
        }
        return left.isEmpty ? nil : SourceWeights(self.sources.map { ($0, left.contains($0) ? self[$0] : 0) })
    }

    /// The sources with a weight that joined vectors of texts without ids do not hold.
    func leftOutOfVectors(_ sources: [any ScoreSource]) -> [SourceName] {
        sources.filter { !($0 is any DenseSource) || $0.documentInputs.contains(.identifier) }.map(\.name)
            .filter { self[$0] > 0 }
    }

    /// Each source as clients and the page see it.
    func described(_ sources: [any ScoreSource]) -> [ServedSource] {
        sources.map { ServedSource(name: $0.name, face: $0.face, weight: self[$0.name]) }
    }
}

/// A source as clients and the page see it.
struct ServedSource: Sendable, Encodable {
    var name: SourceName
    var face: SourceFace
    /// Its weight in the ranking.
    var weight: Float
}

/// What a source's score is an inner product of.
enum SourceFace: String, Sendable, Encodable, CaseIterable {
    /// Of vectors.
    case dense
    /// Of weighted terms.
    case sparse
    /// Of neither: only this service computes it.
    case own
}

extension ScoreSource {
    /// Its face.
    var face: SourceFace { self is any DenseSource ? .dense : self is any SparseSource ? .sparse : .own }
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
