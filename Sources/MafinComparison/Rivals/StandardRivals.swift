import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// The rivals of a comparison: built on the black box's vectors, and on a lexical system and joined vectors where there are any.
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

    /// The black box's row, with which names of its rivals begin.
    static let blackBoxName = ArtefactEvaluation.baseline

    /// All rivals, the cheapest first. On NFCorpus and two cores each adapter takes 0.5 to 2.5 minutes, all others together about ten seconds.
    public var rivals: [any Rival] {
        func built(on vectors: VectorSystem, _ prefix: String = "") -> [any Rival] {
            [
                NudgeN(vectors, name: "\(prefix)nudge-n"), NudgeM(vectors, name: "\(prefix)nudge-m"),
                MemoryRival(vectors, queries: vectors.queries, name: "\(prefix)query-memory"),
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

    /// Hidden units of the two-layer adapter: as many as the vectors are wide, but no more than this.
    static let largestHiddenLayer = 768

    /// The best weighted sum of all systems here; without joined vectors, of those that need no trained encoder.
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
