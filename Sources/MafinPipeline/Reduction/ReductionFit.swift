import Foundation
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// Fits the reduction of an artefact's joined vectors to a collection: the maps on its documents and training queries. What
/// they lose is measured on dev.
public struct ReductionFit {
    /// The maps that were chosen.
    public let reduction: DimensionReduction
    /// What the manifest says about them.
    public let record: ReductionRecord

    /// The metric that chooses.
    public static let metric = Metric.nDCG(cutoff: 10)
    /// A trained map is used if it is better than the closed form on dev with at most this p.
    public static let significance = 0.05

    /// Checks the dimension before anything is asked or computed.
    /// - Throws: ``ArtefactError/notReducible(path:reason:)``.
    public static func check(_ dimension: Int, of model: ArtefactModel, trainsQueries: Bool = false) throws {
        func refuse(_ reason: String) -> ArtefactError {
            .notReducible(path: model.artefact.folder.path, reason: reason)
        }
        let mixture = model.manifest.mixing
        guard mixture.areWeightsFree else {
            throw refuse("its documents hold weights; only vectors of the query-sided form can be reduced")
        }
        let sources = model.sources.unreduced
        let joined = sources.joinedDimension
        guard sources.contains(where: { $0 is any DenseSource && mixture.rankingWeights[$0.name] > 0 }) else {
            throw refuse("no source with a weight has dense vectors")
        }
        guard !trainsQueries || model.denseWeights == nil else {
            throw refuse(
                "a trained map changes the range of scores, and the weights of its sources without vectors fit the old one; "
                    + "only the closed form can be used")
        }
        guard (1..<joined).contains(dimension) else {
            throw refuse("its vectors have \(joined) numbers: expected from 1 to \(joined - 1), found \(dimension)")
        }
    }

    /// - Parameters:
    ///   - dimension: N, at least 1 and below the joined dimension.
    ///   - vectors: the black box's vectors of all documents, and of the queries of train and dev; `nil` if no dense source
    ///     reads them.
    ///   - trainsQueries: whether the map of queries is trained on the labels too (``ReductionRecord/Kind/trained``) and used
    ///     if it is significantly better on dev. What it learns helps on documents that labels name, and can harm on others.
    ///   - seed: of the order of training queries.
    ///   - progress: receives the number of documents whose local vectors are done.
    /// - Throws: ``ArtefactError``; `RetrievalError` for labels that cannot be used; what encoders throw; `CancellationError`.
    public init(
        of model: ArtefactModel, to dimension: Int, target: String? = nil, splits: JudgedSplits,
        vectors: BlackBoxVectors?, trainsQueries: Bool = false, cache: LocalVectorCache, seed: UInt64 = 1,
        isCancelled: () -> Bool = { false },
        progress: (Int) -> Void = { _ in }
    ) throws {
        try Self.check(dimension, of: model, trainsQueries: trainsQueries)
        let collection = splits.collection
        let sources = model.sources.unreduced
        let mixture = model.manifest.mixing
        let documents = try mixture.join(
            model.documents(
                collection.documents, blackBox: vectors?.documentVectors, cache: cache, isCancelled: isCancelled,
                progress: progress), of: sources)
        func queries(_ qrels: Qrels) throws -> (list: [Query], joined: Matrix) {
            let list = collection.queries(judgedIn: qrels)
            let inputs = try model.queries(
                list.map(\.text), ids: list.map(\.id), blackBox: vectors?.queryVectors(of: list),
                isCancelled: isCancelled)
            return (list, try mixture.join(inputs, of: sources))
        }
        let labels = (train: try splits.qrels(.train), dev: try splits.qrels(.dev))
        let train = try queries(labels.train)
        let dev = try queries(labels.dev)
        if isCancelled() { throw CancellationError() }

        let weights = mixture.rankingWeights
        let parts = Mixture.denseParts(of: sources)
        let columnWeights = parts.flatMap { part in
            let sum = sources.reduce(Float(0)) { sum, source in
                (source as? any DenseSource)?.documentVectors == part.source ? sum + weights[source.name] : sum
            }
            return [Float](repeating: sum, count: part.dimension)
        }
        let closed = DimensionReduction.closedForm(
            to: dimension, documents: documents, queries: train.joined, columnWeights: columnWeights)

        func evaluation(_ queries: Matrix, _ documents: Matrix) throws -> RunEvaluation {
            let system = VectorSystem(queries: queries, documents: documents)
            let ranked = try system.rankings(queries: Array(dev.list.indices), count: ArtefactEvaluation.depth)
            return evaluate(
                Run(ranked, queryIds: dev.list.map(\.id), documentIds: collection.documentIds), against: labels.dev,
                metrics: Metric.standard)
        }
        let reducedDocuments = try RowMap(closed.documents)(documents)
        func evaluation(_ maps: DimensionReduction) throws -> RunEvaluation {
            try evaluation(RowMap(maps.queries)(dev.joined), reducedDocuments)
        }
        var chosen = (maps: closed, evaluation: try evaluation(closed), kind: ReductionRecord.Kind.closedForm)
        if trainsQueries {
            let judgements = train.list.map { labels.train.judgements(of: $0.id, in: collection) }
            let training = QueryMapTraining(
                from: closed, queries: train.joined, labels: judgements, documents: documents,
                scale: Self.scale(of: mixture))
            let maps = try training.run(seed: seed, isCancelled: isCancelled)
            let found = try evaluation(maps)
            if try Self.isBetter(found, than: chosen.evaluation) { chosen = (maps, found, .trained) }
        }
        reduction = chosen.maps
        record = ReductionRecord(
            dimension: dimension, kind: chosen.kind, sources: model.manifest.denseRecords,
            weights: weights, target: target,
            development: try EvaluationReport(
                split: JudgedSplits.Part.dev.rawValue,
                evaluations: [
                    (ReductionRecord.fullName, try evaluation(dev.joined, documents)),
                    (ReductionRecord.reducedName, chosen.evaluation),
                ], baseline: ReductionRecord.fullName))
    }

    /// The factor of scores in the logits whose likelihood the weights maximise. Weights that were given have none.
    private static func scale(of mixture: Mixture) -> Float {
        let (own, ranking) = (mixture.weights, mixture.rankingWeights)
        guard mixture.origin == .calibrated,
            let source = own.sources.first(where: { ranking[$0] > 0 })
        else { return 20 }
        return own[source] / ranking[source]
    }

    private static func isBetter(_ trained: RunEvaluation, than closed: RunEvaluation) throws -> Bool {
        let report = try EvaluationReport(
            split: JudgedSplits.Part.dev.rawValue, evaluations: [("closed", closed), ("trained", trained)],
            baseline: "closed", metrics: [metric])
        guard let difference = report.systems[1].difference?[metric] else { return false }
        return difference.mean > 0 && difference.p <= significance
    }
}
