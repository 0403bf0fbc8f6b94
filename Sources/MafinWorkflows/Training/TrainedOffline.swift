import MafinComparison
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// A stand-in that was trained for an artefact, and the sums with it that ask the black box for nothing.
package struct TrainedOffline: Sendable, Encodable {
    /// A sum, measured on dev as ``TrainedComposition/Development`` is.
    package struct Sum: Sendable, Encodable {
        package var name: String
        package var development: TrainedComposition.Development
    }

    /// The name of the sum that is kept: the best on dev.
    package var system: String
    /// Its weights, in the unit of ``MafinPipeline/Mixture/rankingWeights``.
    package var weights: SourceWeights
    /// All sums that were fitted.
    package var sums: [Sum]
    /// The same metric of the black box on dev.
    package var blackBox: Double
    /// Seconds of the stand-in's training, and the updates in it.
    package var seconds: Double
    package var steps: Int

    /// Trains a stand-in, and fits the sums.
    /// - Parameters:
    ///   - local: the local encoder of the artefact; its documents are used, and its queries unless the stand-in estimates
    ///     them.
    ///   - remembers: whether sources that remember labels may take part.
    ///   - asked: the metric on each development query if it is asked, for the curve of the artefact.
    /// - Returns: the summary, and what is shipped.
    /// - Throws: `CombinationError`, `TrainingError`; `CancellationError` when cancelled.
    static func make(
        _ training: CollectionTraining, settings: StandInTraining.Settings, local: VectorSystem, words: LexicalSource?,
        remembers: Bool, asked: [Double]?, metric: Metric = .nDCG(cutoff: 10), isCancelled: @escaping () -> Bool,
        onEvent: @escaping (TrainingEvent) -> Void
    ) throws -> (summary: TrainedOffline, shipped: Artefact.ShippedStandIn) {
        let began = ContinuousClock.now
        let trained = try StandInTraining(training, settings: settings).run(isCancelled: isCancelled, onEvent: onEvent)
        let seconds = (ContinuousClock.now - began).inSeconds
        let table = try RivalData(training, metric: metric)
        let data = try table.offline(trained, local: local)
        let rivals = OfflineSums.rivals(
            trained.source, local: LocalVectorSource(dimension: local.documents.columns), words: words,
            remembers: remembers)
        var sums: [FittedRival] = []
        var failure: (any Error)?
        for rival in rivals {
            do {
                sums.append(try rival.fit(to: data, seed: settings.seed, isCancelled: isCancelled))
            } catch let error where TrainingError.isOfOneMethod(error) {
                failure = error
            }
        }
        if sums.isEmpty, let failure { throw failure }
        guard let best = sums.max(by: { $0.development < $1.development }),
            let shipped = best.shipped(
                newDocuments: data.newDocuments, fittedQueries: data.index.devQueries.count)?.adding([trained.source])
        else { preconditionFailure("the stand-in alone is a sum") }
        let blackBox = try table.developmentValues(of: training.blackBoxSystem)
        let values = try data.developmentValues(of: best)
        // By sums that have not seen the labels of these queries, as the metric.
        guard let sureness = best.sureness else { preconditionFailure("the sums measure how sure they are") }
        let summary = TrainedOffline(
            system: best.name, weights: shipped.mixture.rankingWeights,
            sums: sums.map {
                Sum(
                    name: $0.name,
                    development: .init(
                        metric: metric, known: $0.developmentKnown, new: $0.developmentNew,
                        newDocuments: data.newDocuments))
            }, blackBox: blackBox.reduce(0, +) / Double(blackBox.count), seconds: seconds,
            steps: trained.training.steps)
        let ids = data.index.devQueries.map { training.queries[$0].id }
        let report = try EvaluationReport(
            split: JudgedSplits.Part.dev.rawValue,
            evaluations: [(ArtefactEvaluation.baseline, blackBox), (ArtefactEvaluation.offlineName, values)].map {
                ($0, SeededEvaluation([RunEvaluation(queryIds: ids, values: [metric: $1])]))
            }, baseline: ArtefactEvaluation.baseline, metrics: [metric])
        return (
            summary,
            Artefact.ShippedStandIn(
                sources: shipped, encoder: trained.record, released: training.releasedRecord(beside: trained),
                training: trained.training, development: report,
                asking: asked.map { Sureness.curve(sureness: sureness, offline: values, asked: $0) },
                save: trained.save)
        )
    }
}
