import MafinMethod
import MafinRetrieval

/// The system that was chosen on dev, and the figures of its artefact on the measured split.
///
/// They are figures of the artefact itself: of the one seed that is shipped. `mafin evaluate REPORT/artefact` gives the same. The tables and the
/// verdict have the mean over all seeds.
public struct ChosenFacts: Sendable, Equatable, Codable {
    /// ``SystemFacts/name``.
    public var name: String
    /// The seed of the artefact.
    public var seed: UInt64
    /// The weights of its sources, before they are scaled for ranking.
    public var weights: SourceWeights?
    /// Over all measured queries.
    public var all: GroupResult
    /// Over the queries about known documents; `nil` if there are none.
    public var known: GroupResult?
    /// Over the queries about new documents; `nil` if there are none.
    public var new: GroupResult?
}

extension ChosenFacts {
    /// - Parameter partition: the measured queries by known and new documents; `nil` if it is not known.
    init(
        name: String, seed: UInt64, weights: SourceWeights?, _ evaluation: RunEvaluation, _ partition: QueryPartition?
    ) {
        func group(_ part: QueryPartition.Part) -> GroupResult? {
            guard let queries = partition?.queries(part), !queries.isEmpty else { return nil }
            let wanted = Set(queries)
            return GroupResult(evaluation.filter { wanted.contains($0) })
        }
        self.init(
            name: name, seed: seed, weights: weights, all: GroupResult(evaluation),
            known: group(.seenDocuments), new: group(.newDocuments))
    }
}

extension GroupResult {
    fileprivate init(_ evaluation: RunEvaluation) {
        self.init(queries: evaluation.queryIds.count, metrics: evaluation.means)
    }
}
