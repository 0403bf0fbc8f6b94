import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// The rivals of a comparison. They are built on the black box's vectors, and on BM25 and a trained encoder if these are
/// given.
public struct StandardRivals: Sendable {
    /// The black box's vectors, unit rows.
    public var blackBox: VectorSystem
    /// BM25 alone, over the same queries and documents.
    public var lexical: SourceSystem?
    /// A trained encoder.
    public var joined: JoinedSystems?
    /// The weights of sums without the encoder that were fitted before, by their names.
    var weights: [String: SourceWeights] = [:]
    /// See ``SourceFit/standardErrors``.
    public var standardErrors = SourceFit.standardErrors
    /// See ``SourceFit/level``.
    public var level = SourceFit.level

    /// Rivals over the given systems.
    public init(blackBox: VectorSystem, lexical: SourceSystem? = nil, joined: JoinedSystems? = nil) {
        self.blackBox = blackBox
        self.lexical = lexical
        self.joined = joined
    }

    private static let memoryName = "query-memory"
    private static let compositionName = "composition-without-encoder"

    /// Name of the black box's row. The names of fusions with it begin with this name.
    static let blackBoxName = ArtefactEvaluation.baseline

    /// All rivals, the cheapest first. On NFCorpus with two cores, each adapter takes 0.5 to 2.5 minutes, and all
    /// others together take less than a minute.
    public var rivals: [any Rival] {
        var rivals: [any Rival] = []
        if let lexical {
            let systems: [any RankingSystem] = [blackBox, lexical]
            rivals = [
                UntunedRival(ReciprocalRankFusion(systems), name: "\(Self.blackBoxName)+bm25-rrf"),
                ConvexFusion(
                    (Self.blackBoxName, blackBox), ("bm25", lexical), name: "\(Self.blackBoxName)+bm25-convex"),
                sum(vectors + lexical.sources, name: "\(Self.blackBoxName)+bm25"),
            ]
        }
        let remembering: [any RememberingSource] = RememberedQueries.standard + [RememberedByMoving()]
        let words = lexical?.sources ?? []
        rivals += [
            NudgeN(blackBox), NudgeM(blackBox),
            sum(vectors, remembering: RememberedQueries.standard, name: Self.memoryName),
            BestComposition(blackBox, others: lexical.map { [("bm25", $0)] } ?? []),
            sum(vectors + words, remembering: remembering, name: Self.compositionName),
        ]
        if let joined {
            let both = vectors + [LocalVectorSource(dimension: joined.local.documents.columns)]
            if lexical != nil { rivals.append(sum(both + words, joined, name: "\(joined.name)+bm25")) }
            rivals += [
                sum(
                    both, remembering: RememberedQueries.standard, joined, beside: Self.memoryName,
                    name: "\(joined.name)+query-memory"),
                sum(
                    both + words, remembering: remembering, joined, beside: Self.compositionName,
                    name: ComparedSystem.composition),
            ]
        }
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

    private var vectors: [any ScoreSource] { [BlackBoxVectorSource(dimension: blackBox.documents.columns)] }

    /// - Parameters:
    ///   - encoder: a trained encoder, if it takes part.
    ///   - other: the name of the sum without it.
    private func sum(
        _ sources: [any ScoreSource], remembering: [any RememberingSource] = [], _ encoder: JoinedSystems? = nil,
        beside other: String? = nil, name: String
    ) -> SourceFit {
        var fit = SourceFit(
            sources, remembering: remembering, local: encoder?.local, learned: encoder == nil ? [] : [.local],
            name: name)
        (fit.standardErrors, fit.level) = (standardErrors, level)
        fit.proportions = other.flatMap { weights[$0] }
        return fit
    }
}
