import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// The rivals of a comparison. They are built on the black box's vectors, and on a lexical system and joined vectors if
/// these are given.
public struct StandardRivals: Sendable {
    /// The black box's vectors.
    public var blackBox: VectorSystem
    /// BM25's scores of the same queries and documents.
    public var lexical: (any RankingSystem)?
    /// The joined vectors of a trained encoder.
    public var joined: JoinedSystems?

    /// Rivals over the given systems.
    public init(blackBox: VectorSystem, lexical: (any RankingSystem)? = nil, joined: JoinedSystems? = nil) {
        self.blackBox = blackBox
        self.lexical = lexical
        self.joined = joined
    }

    /// Name of the black box's row. The names of fusions with it begin with this name.
    static let blackBoxName = ArtefactEvaluation.baseline

    /// All rivals, the cheapest first. On NFCorpus with two cores, each adapter takes 0.5 to 2.5 minutes, and all
    /// others together take about ten seconds.
    public var rivals: [any Rival] {
        func built(on vectors: VectorSystem, _ prefix: String = "") -> [any Rival] {
            [
                NudgeN(vectors, name: "\(prefix)nudge-n"), NudgeM(vectors, name: "\(prefix)nudge-m"),
            ]
        }
        var rivals = fusions(of: blackBox, named: Self.blackBoxName) + built(on: blackBox)
        if let joined {
            rivals += fusions(of: joined.vectors, named: joined.name) + built(on: joined.vectors, "\(joined.name)+")
            rivals.append(StandardRivals(blackBox: blackBox, lexical: lexical).composition)
        }
        rivals.append(composition)
        let hidden = min(blackBox.queries.columns, Self.largestHiddenLayer)
        rivals += [
            AdapterRival(blackBox, sides: .query, name: "linear-adapter"),
            AdapterRival(blackBox, sides: .query, shape: .twoLayer(hidden: hidden), name: "two-layer-adapter"),
            AdapterRival(blackBox, sides: .both, name: "linear-adapter-both"),
        ]
        return rivals
    }

    /// Largest number of hidden units of the two-layer adapter. Otherwise it has as many as the vectors have
    /// dimensions.
    static let largestHiddenLayer = 768

    /// The best weighted sum of all these systems. Without joined vectors, it has only systems that need no trained
    /// encoder.
    public var composition: BestComposition {
        var embeddings = [(name: Self.blackBoxName, vectors: blackBox)]
        if let joined { embeddings += [(joined.name, joined.vectors), ("\(joined.name)-local-half", joined.local)] }
        return BestComposition(
            embeddings: embeddings, others: lexical.map { [("bm25", $0)] } ?? [],
            name: joined == nil ? "composition-without-encoder" : "composition")
    }

    private func fusions(of system: any RankingSystem, named name: String) -> [any Rival] {
        guard let lexical else { return [] }
        return [
            UntunedRival(ReciprocalRankFusion([system, lexical]), name: "\(name)+bm25-rrf"),
            ConvexFusion((name, system), ("bm25", lexical), name: "\(name)+bm25"),
        ]
    }
}
