import MafinMethod
import MafinPipeline

/// The sums that rank where the black box is not asked, from the simplest to all that there is.
public enum OfflineSums {
    /// The black box's document vectors and estimated query vectors alone.
    public static let standInName = ArtefactEvaluation.standInName
    /// The stand-in and the local encoder: Mafin without the black box.
    public static let pairName = ArtefactEvaluation.offlineName

    /// The largest, which remembers documents too.
    public static let compositionName = "composition-offline"

    /// The names of the sums with a local encoder, in the order of tables.
    static let names = [standInName, pairName, "\(pairName)+bm25", compositionName]

    /// The sums, to be fitted to ``RivalData/offline(_:local:)``.
    /// - Parameters:
    ///   - local: the local encoder; `nil`: there is none.
    ///   - words: BM25; `nil`: the collection has no words that rank.
    ///   - remembers: whether sources that remember documents may take part in the largest.
    public static func rivals(
        _ standIn: StandInSource, local: LocalVectorSource?, words: LexicalSource?, remembers: Bool = true
    ) -> [SourceFit] {
        let dense: [any ScoreSource] = [standIn] + (local.map { [$0] } ?? [])
        let all: [any ScoreSource] = dense + (words.map { [$0] } ?? [])
        // The stand-in and the local encoder know the answers of the training queries.
        func sum(_ sources: [any ScoreSource], remembering: [any RememberingSource] = [], _ name: String) -> SourceFit {
            var fit = SourceFit(sources, remembering: remembering, learned: [.standIn, .local], name: name)
            fit.measuresSureness = true
            return fit
        }
        var sums = [sum([standIn], standInName)]
        if local != nil { sums.append(sum(dense, pairName)) }
        if words != nil { sums.append(sum(all, "\(local == nil ? standInName : pairName)+bm25")) }
        if remembers {
            sums.append(
                sum(all, remembering: RememberedQueries.offline + [RememberedByMoving.offline], compositionName))
        }
        return sums
    }
}
