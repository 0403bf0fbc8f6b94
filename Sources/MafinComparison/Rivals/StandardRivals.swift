import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// The rivals of a comparison, made from what there is: the black box's vectors, a lexical system, a joined embedding.
public struct StandardRivals: Sendable {
    /// A trained encoder's half and what it makes of the black box.
    public struct Joined: Sendable {
        /// Name of the joined embedding, in front of the rivals that build on it.
        public var name: String
        /// Its vectors: inner products are its scores.
        public var vectors: VectorSystem
        /// The local half alone.
        public var local: VectorSystem

        /// A joined embedding from its parts.
        public init(name: String = "mafin", vectors: VectorSystem, local: VectorSystem) {
            self.name = name
            self.vectors = vectors
            self.local = local
        }
    }

    /// The black box's vectors.
    public var blackBox: VectorSystem
    /// BM25's scores of the same queries and documents.
    public var lexical: (any RankingSystem)?
    /// A joined embedding.
    public var joined: Joined?

    /// What there is.
    public init(blackBox: VectorSystem, lexical: (any RankingSystem)? = nil, joined: Joined? = nil) {
        self.blackBox = blackBox
        self.lexical = lexical
        self.joined = joined
    }

    /// Name of the black box in names of rivals.
    static let blackBoxName = ArtefactEvaluation.baseline

    /// Rivals of the black box, and of the joined embedding where there is one; the cheapest first. NFCorpus on two cores: the adapters take half
    /// a minute to two and a half each, all others together some ten seconds.
    public var rivals: [any Rival] {
        var rivals = fusions(of: blackBox, named: Self.blackBoxName)
        rivals += [
            NudgeN(blackBox), NudgeM(blackBox), MemoryRival(blackBox, queries: blackBox.queries),
        ]
        if let joined {
            rivals += fusions(of: joined.vectors, named: joined.name)
            rivals += [
                NudgeN(joined.vectors, name: "\(joined.name)+nudge-n"),
                NudgeM(joined.vectors, name: "\(joined.name)+nudge-m"),
                MemoryRival(joined.vectors, queries: joined.vectors.queries, name: "\(joined.name)+query-memory"),
            ]
        }
        if joined != nil { rivals.append(StandardRivals(blackBox: blackBox, lexical: lexical).composition) }
        rivals.append(composition)
        let hidden = min(blackBox.queries.columns, Self.largestHiddenLayer)
        rivals += [
            AdapterRival(blackBox, sides: .query, name: "linear-adapter"),
            AdapterRival(blackBox, sides: .query, shape: .twoLayer(hidden: hidden), name: "two-layer-adapter"),
            AdapterRival(blackBox, sides: .both, name: "linear-adapter-both"),
        ]
        return rivals
    }

    /// Hidden units of the two-layer adapter at most; as many as the vectors are wide below that.
    static let largestHiddenLayer = 768

    /// The best sum of all of it. Without a joined embedding: of what can be had without one.
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
