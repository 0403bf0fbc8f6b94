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
        let mixtures = [mixture, model.manifest.offline?.mixing].compactMap(\.self)
        guard
            sources.contains(where: { source in
                source is any DenseSource && mixtures.contains { $0.rankingWeights[source.name] > 0 }
            })
        else {
            throw refuse("no source with a weight has dense vectors")
        }
        let ranksWithOthers = mixtures.contains { mixture in
            sources.contains { !($0 is any DenseSource) && mixture.rankingWeights[$0.name] > 0 }
        }
        guard !trainsQueries || !ranksWithOthers else {
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
    ///   - vectors: the black box's vectors of the queries of train and dev, and of all documents if the artefact reads
    ///     those of documents; `nil` if no dense source reads any.
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
                collection.documents,
                blackBox: model.documentInputs.contains(.blackBox) ? vectors?.documentVectors : nil, cache: cache,
                isCancelled: isCancelled, progress: progress), of: sources)
        func list(_ part: JudgedSplits.Part) throws -> [Query] { collection.queries(judgedIn: try splits.qrels(part)) }
        func asked(_ queries: [Query]) throws -> Matrix {
            try mixture.join(
                model.queries(
                    queries.map(\.item), ids: queries.map(\.id), blackBox: vectors?.queryVectors(of: queries),
                    isCancelled: isCancelled), of: sources)
        }
        func unasked(_ queries: [Query]) throws -> Matrix? {
            try model.manifest.offline.map { offline in
                try offline.mixing.join(
                    model.offlineQueries(queries.map(\.item), ids: queries.map(\.id), isCancelled: isCancelled),
                    of: sources)
            }
        }
        let labels = (train: try splits.qrels(.train), dev: try splits.qrels(.dev))
        let train = (list: try list(.train), joined: try asked(list(.train)), offline: try unasked(list(.train)))
        let dev = (list: try list(.dev), joined: try asked(list(.dev)), offline: try unasked(list(.dev)))
        if isCancelled() { throw CancellationError() }

        let weights = mixture.rankingWeights
        var sums = [(joined: train.joined, weights: weights)]
        if let rows = train.offline, let offline = model.manifest.offline {
            sums.append((rows, offline.mixing.rankingWeights))
        }
        let closed = Self.closedForm(to: dimension, of: sources, documents: documents, queries: sums)

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
                scale: mixture.origin == .calibrated ? mixture.logitPerScore : Self.standardScale)
            let maps = try training.run(seed: seed, isCancelled: isCancelled)
            let found = try evaluation(maps)
            // The sum that asks nothing goes through the same map, and must not lose by it.
            let harmsOffline = try dev.offline.map { rows in
                try Self.isBetter(
                    evaluation(RowMap(closed.queries)(rows), reducedDocuments),
                    than: evaluation(RowMap(maps.queries)(rows), reducedDocuments))
            }
            if try Self.isBetter(found, than: chosen.evaluation), harmsOffline != true {
                chosen = (maps, found, .trained)
            }
        }
        reduction = chosen.maps
        func report(_ full: RunEvaluation, _ reduced: RunEvaluation) throws -> EvaluationReport {
            try EvaluationReport(
                split: JudgedSplits.Part.dev.rawValue,
                evaluations: [(ReductionRecord.fullName, full), (ReductionRecord.reducedName, reduced)],
                baseline: ReductionRecord.fullName)
        }
        record = ReductionRecord(
            dimension: dimension, kind: chosen.kind, sources: model.manifest.denseRecords,
            weights: weights, target: target,
            development: try report(evaluation(dev.joined, documents), chosen.evaluation),
            offlineDevelopment: try dev.offline.map { rows in
                try report(
                    evaluation(rows, documents), evaluation(RowMap(chosen.maps.queries)(rows), reducedDocuments))
            })
    }

    /// The factor of scores in logits if the weights were given, and not fitted to a likelihood.
    private static let standardScale: Float = 20

    /// The closed form for one or two sums over the same documents. The queries of each count alike: those of the second sum
    /// are scaled to the mean squared length of the first, because the two sets of weights have units of their own.
    /// - Parameter queries: the joined training queries of each sum, with its weights.
    static func closedForm(
        to dimension: Int, of sources: [any ScoreSource], documents: Matrix,
        queries: [(joined: Matrix, weights: SourceWeights)]
    ) -> DimensionReduction {
        func squares(_ matrix: Matrix) -> Double { matrix.values.reduce(0) { $0 + Double($1) * Double($1) } }
        let first = queries.first.map { squares($0.joined) } ?? 0
        let parts = Mixture.denseParts(of: sources)
        var rows: [Matrix] = []
        var columnWeights = [Float](repeating: 0, count: documents.columns)
        for (joined, weights) in queries {
            let own = squares(joined)
            let factor: Float = own > 0 && first > 0 ? Float((first / own).squareRoot()) : 1
            var scaled = joined
            scaled.scale(by: factor)
            rows.append(scaled)
            var start = 0
            for part in parts {
                let sum = sources.reduce(Float(0)) { sum, source in
                    (source as? any DenseSource)?.documentVectors == part.source ? sum + weights[source.name] : sum
                }
                for column in start..<start + part.dimension {
                    columnWeights[column] += factor * sum / Float(queries.count)
                }
                start += part.dimension
            }
        }
        return DimensionReduction.closedForm(
            to: dimension, documents: documents, queries: Matrix(stacking: rows), columnWeights: columnWeights)
    }

    private static func isBetter(_ trained: RunEvaluation, than closed: RunEvaluation) throws -> Bool {
        let report = try EvaluationReport(
            split: JudgedSplits.Part.dev.rawValue, evaluations: [("closed", closed), ("trained", trained)],
            baseline: "closed", metrics: [metric])
        guard let difference = report.systems[1].difference?[metric] else { return false }
        return difference.mean > 0 && difference.p <= significance
    }
}
