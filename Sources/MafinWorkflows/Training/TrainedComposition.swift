import MafinComparison
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// A trained encoder beside the black box, BM25 and memories of the labelled queries, with weights that make the labels
/// of dev most likely (`SourceFit`).
package struct TrainedComposition: Sendable, Encodable {
    /// A metric on dev. Each query is measured with weights that were fitted to other queries, and memories do not know
    /// its labels.
    package struct Development: Sendable, Encodable {
        package var metric: Metric
        /// Queries as they are.
        package var known: Double
        /// The same if no label had named their answers.
        package var new: Double
        /// The share of queries of the second kind that the weights were fitted for.
        package var newDocuments: Double
    }

    /// The sources that have a weight, in the unit of ``MafinPipeline/Mixture/rankingWeights``.
    package var weights: SourceWeights
    package var development: Development
    /// Why memories are not among the sources; nil if they are, or if they bring nothing.
    package var omission: String?

    let sources: ShippedSources
    /// The metric on each development query, measured as ``development`` is.
    let developmentValues: [Double]

    private enum CodingKeys: CodingKey { case weights, development, omission }

    /// Fits the weights.
    /// - Parameters:
    ///   - local: the trained encoder.
    ///   - words: BM25; nil where documents have no text.
    ///   - seed: draws queries, if the scores of all take too much memory.
    /// - Throws: `CombinationError`, `TrainingError`; `CancellationError` when cancelled.
    init(
        of local: VectorSystem, words: LexicalSource?, _ training: CollectionTraining,
        metric: Metric = .nDCG(cutoff: 10), seed: UInt64,
        isCancelled: () -> Bool
    ) throws {
        let data = try RivalData(training, metric: metric)
        // The encoder has learned the training queries, so its weight is fitted to those of dev alone.
        let vectors: [any ScoreSource] = [
            BlackBoxVectorSource(dimension: training.data.blackBoxDocuments.columns),
            LocalVectorSource(dimension: local.documents.columns),
        ]
        let fit = SourceFit(
            vectors + (words.map { [$0] } ?? []), remembering: RememberedQueries.standard, local: local,
            learned: [.local],
            name: ComparedSystem.composition)
        let fitted = try fit.fit(to: data, seed: seed, isCancelled: isCancelled)
        guard
            let shipped = fitted.shipped(
                newDocuments: data.newDocuments, fittedQueries: data.index.devQueries.count)
        else { preconditionFailure("a fit of sources gives a sum of sources") }
        development = Development(
            metric: metric, known: fitted.developmentKnown, new: fitted.developmentNew,
            newDocuments: data.newDocuments)
        developmentValues = try data.developmentValues(of: fitted)
        omission = fitted.choices["remembering"]?.text
        sources = shipped
        weights = sources.mixture.rankingWeights
    }
}
