import MafinComparison
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// Fits and measures the sum of an artefact's sources beside any vectors of queries and documents.
///
/// The local encoder, BM25 and all settings stay. Only the weights are fitted again, to the labels of dev, and to those of
/// train too if no encoder has learned them. A memory of queries and moved documents are made again from the same labels.
/// Trained adapters belong to the old space and are left out.
struct MigrationMeasurement {
    let model: ArtefactModel
    let collection: RetrievalCollection
    let queries: MigrationQueries
    /// The local encoder's vectors of all queries and documents; nil without an encoder.
    var local: VectorSystem?
    let seed: UInt64
    let context: WorkflowContext

    var isCancelled: @Sendable () -> Bool { context.isCancelled }

    static let metric = Metric.nDCG(cutoff: 10)

    private var documentTexts: [String] { collection.documents.map(\.textForEncoding) }

    private func inputs(_ vectors: Matrix) throws -> SourceQueries {
        try SourceQueries(
            ids: queries.all.map(\.id), texts: queries.all.map(\.text), blackBox: vectors, local: local?.queries,
            form: .unit)
    }

    private func inputs(of vectors: Matrix) throws -> SourceDocuments {
        try SourceDocuments(
            ids: collection.documentIds, texts: documentTexts, blackBox: vectors, local: local?.documents, form: .unit)
    }

    /// The same with another encoder of queries.
    func encodingQueries(by trained: TrainedEncoder) throws -> MigrationMeasurement {
        var result = self
        result.local = try local.map {
            VectorSystem(
                queries: try trained.encoder.embedUnnormalized(
                    queries.all.map(\.item), prefix: trained.encoder.prefixes.query, isCancelled: isCancelled),
                documents: $0.documents)
        }
        return result
    }

    // MARK: Fitting

    /// A source of the black box's vectors, and the artefact's sources that do not depend on the black box's space. Vectors
    /// are taken as they are before a reduction, which belongs to the old space too.
    private func lasting(beside vectors: any DenseSource) -> [any ScoreSource] {
        [vectors] + model.sources.unreduced.filter { [.local, .bm25].contains($0.record.kind) }
    }

    /// The sources of the artefact that cannot be made again beside the given source.
    func leftOut(beside vectors: any DenseSource) -> [SourceName] {
        model.sources.filter { source in
            switch source.record.kind {
            case .adapter, .bridge, .standIn: true
            case .queryMemory: !canFit
            case .movedDocuments: !canFit || vectors.record.kind == .bridge
            case .blackBox, .local, .bm25: false
            }
        }.map(\.name)
    }

    /// Whether there are labels to fit weights to.
    var canFit: Bool { !queries.train.isEmpty && !queries.dev.isEmpty }

    /// ``QueryPartition/tooFewNewSets`` of dev.
    var tooFewNewSets: Int? {
        let (train, dev) = (queries.train, queries.dev)
        let identity = ContentIdentity(collection, labelledBy: [train, dev])
        return QueryPartition(dev, learned: [train], identity: identity).tooFewNewSets
    }

    /// The sum beside a source of the black box's vectors. Without labels to fit, the weights stay those of the artefact.
    /// - Parameters:
    ///   - source: takes the place of the black box.
    ///   - vectors, documents: the black box's vectors, or what stands for them. A bridge does not read those of documents.
    /// - Throws: `CombinationError`, `TrainingError`; `CancellationError`.
    func fitted(beside source: any DenseSource, queries vectors: Matrix, documents: Matrix) throws -> ShippedSources {
        let sources = lasting(beside: source)
        guard canFit else {
            return ShippedSources(sources, mixture: Mixture(kept(of: sources, beside: source)))
        }
        let kinds = Set(model.sources.map(\.record.kind))
        let remembering: [any RememberingSource] =
            (kinds.contains(.queryMemory) ? RememberedQueries.standard : [])
            // Moved documents need the black box's vectors of all others.
            + (kinds.contains(.movedDocuments) && source.record.kind != .bridge ? [RememberedByMoving()] : [])
        let data = try data(vectors, documents)
        let fit = SourceFit(
            sources, remembering: remembering, local: local, learned: local == nil ? [] : [.local],
            name: ComparedSystem.composition)
        guard let sum = try fit.fit(to: data, seed: seed, isCancelled: isCancelled).sum else {
            preconditionFailure("a fit of sources gives a sum of sources")
        }
        let remembers = sum.sources.contains { [.queryMemory, .movedDocuments].contains($0.record.kind) }
        return ShippedSources(
            sum.sources,
            mixture: Mixture(
                sum.weights, origin: .calibrated, fittedQueries: data.index.devQueries.count,
                newDocuments: remembers ? data.newDocuments : nil))
    }

    /// The artefact's weights of the sources that last. The source of the black box's vectors has that of the black box, or,
    /// if the black box alone has none, that of all sources that read its vectors.
    private func kept(of sources: [any ScoreSource], beside source: any DenseSource) -> SourceWeights {
        let own = model.manifest.mixing.rankingWeights
        let replaced = model.sources.filter { [.adapter, .movedDocuments, .bridge].contains($0.record.kind) }
        let base = own[.blackBox] > 0 ? own[.blackBox] : replaced.reduce(0) { $0 + own[$1.name] }
        let kept = sources.map { ($0.name, $0.name == source.name ? base : own[$0.name]) }
        if kept.contains(where: { $0.1 > 0 }) { return SourceWeights(kept) }
        context.warn(
            "no source that moves along has a weight in the artefact, and there are no labels to fit one to: each of "
                + "\(sources.map(\.name.rawValue).joined(separator: ", ")) gets the weight 1")
        return SourceWeights(sources.map { ($0.name, 1) })
    }

    private func data(_ vectors: Matrix, _ documents: Matrix) throws -> RivalData {
        let rows = Dictionary(uniqueKeysWithValues: queries.all.enumerated().map { ($1.id, $0) })
        var labels = [[Judgement]](repeating: [], count: queries.all.count)
        func learn(_ qrels: Qrels) -> [Int] {
            qrels.queryIds.compactMap { id in
                guard let row = rows[id], queries.known.contains(row) else { return nil }
                labels[row] = qrels.judgements(of: id, in: collection)
                return row
            }
        }
        let train = learn(queries.train)
        let dev = learn(queries.dev)
        let isDev = Set(dev)
        let documentContents = collection.documents.map(\.contentForIdentity)
        let index = try TrainingIndex(
            labels: labels, trainQueries: train.filter { !isDev.contains($0) }, devQueries: dev,
            queryLengths: [Int](repeating: 1, count: labels.count),
            documentLengths: [Int](repeating: 1, count: documentContents.count),
            queryIdentities: TextIdentity.classes(of: queries.all.map(\.contentForIdentity)),
            documentIdentities: TextIdentity.classes(of: documentContents), documentIds: collection.documentIds)
        var data = try RivalData(
            index: index, metric: Self.metric, queries: inputs(vectors), documents: inputs(of: documents),
            newDocuments: RivalData.newDocuments(expectedFrom: index, dates: queries.all.map(\.date)))
        data.newAnswers = RivalData.newAnswers(expectedFrom: index)
        return data
    }

    // MARK: Measuring

    /// The metric of a sum on the measured queries; nil without labels.
    func evaluation(of sum: ShippedSources, queries vectors: Matrix, documents: Matrix) throws -> RunEvaluation? {
        guard let qrels = queries.measured else { return nil }
        return try evaluation(
            of: sum, rows: Array(0..<queries.measuredCount), qrels, queries: vectors, documents: documents)
    }

    /// The artefact's sum that asks for nothing, the estimates of its stand-in for all queries, and the metric on the
    /// measured ones (nil without labels); nil without a stand-in.
    func standIn(documents: Matrix) throws -> (sum: ShippedSources, estimates: Matrix, evaluation: RunEvaluation?)? {
        guard let offline = model.manifest.offline else { return nil }
        let asked = try model.offlineQueries(
            queries.all.map(\.item), ids: queries.all.map(\.id), isCancelled: isCancelled)
        guard let estimates = asked.blackBox else { return nil }
        let sum = ShippedSources(model.sources.unreduced, mixture: offline.mixing)
        let found = try queries.measured.map { qrels in
            try evaluation(of: sum, rows: Array(0..<queries.measuredCount), qrels, asked, documents: documents)
        }
        return (sum, estimates, found)
    }

    /// The metric of the black box's vectors alone on the measured queries; nil without labels.
    func evaluationAlone(queries vectors: Matrix, documents: Matrix) throws -> RunEvaluation? {
        guard let qrels = queries.measured else { return nil }
        return try evaluationAlone(Array(0..<queries.measuredCount), qrels, vectors, documents)
    }

    /// A sum beside the black box alone on dev, where the weights were fitted; nil if there is no such query.
    func development(of sum: ShippedSources, queries vectors: Matrix, documents: Matrix) throws -> EvaluationReport? {
        let rows = queries.known.filter { queries.dev.hasRelevantDocument(queries.all[$0].id) }
        guard !rows.isEmpty else { return nil }
        let ids = Set(rows.map { queries.all[$0].id })
        let qrels = queries.dev.filter(ids.contains)
        return try EvaluationReport(
            split: JudgedSplits.Part.dev.rawValue,
            evaluations: [
                (ArtefactEvaluation.baseline, try evaluationAlone(rows, qrels, vectors, documents)),
                (
                    ArtefactEvaluation.artefactName,
                    try evaluation(of: sum, rows: rows, qrels, queries: vectors, documents: documents)
                ),
            ], baseline: ArtefactEvaluation.baseline, metrics: [Self.metric])
    }

    private func evaluation(
        of sum: ShippedSources, rows: [Int], _ qrels: Qrels, queries vectors: Matrix, documents: Matrix
    ) throws -> RunEvaluation {
        try evaluation(of: sum, rows: rows, qrels, inputs(vectors), documents: documents)
    }

    private func evaluation(
        of sum: ShippedSources, rows: [Int], _ qrels: Qrels, _ asked: SourceQueries, documents: Matrix
    ) throws -> RunEvaluation {
        let index = try SourceIndex(sum.sources, documents: inputs(of: documents))
        let asked = try index.queries(asked.selecting(rows: rows))
        let isCancelled = isCancelled
        return evaluation(
            try index.rankings(of: asked, weights: sum.mixture.rankingWeights, count: ArtefactEvaluation.depth) {
                if isCancelled() { throw CancellationError() }
            }, rows, qrels)
    }

    private func evaluationAlone(
        _ rows: [Int], _ qrels: Qrels, _ vectors: Matrix, _ documents: Matrix
    ) throws -> RunEvaluation {
        let system = VectorSystem(queries: vectors, documents: documents)
        return evaluation(try system.rankings(queries: rows, count: ArtefactEvaluation.depth), rows, qrels)
    }

    private func evaluation(_ rankings: Rankings, _ rows: [Int], _ qrels: Qrels) -> RunEvaluation {
        evaluate(
            Run(rankings, queryIds: rows.map { queries.all[$0].id }, documentIds: collection.documentIds),
            against: qrels, metrics: [Self.metric])
    }

    /// The ten best documents of each measured query by the black box's vectors alone.
    func best(queries vectors: Matrix, documents: Matrix) throws -> [Set<Int>] {
        let system = VectorSystem(queries: vectors, documents: documents)
        let rankings = try system.rankings(queries: Array(0..<queries.measuredCount), count: 10)
        return (0..<rankings.count).map { Set(rankings[$0].map(\.index)) }
    }

    // MARK: Buying in the background

    /// All documents in the order in which buying them again helps most: by `Σ 1 / rank` over the known queries, for
    /// which the old vectors rank a document among the first 100. nil without known queries.
    func order(queries vectors: Matrix, documents: Matrix) throws -> [Int]? {
        guard !queries.known.isEmpty else { return nil }
        let system = VectorSystem(queries: vectors, documents: documents)
        let rankings = try system.rankings(queries: Array(queries.known), count: 100)
        var gains = [Double](repeating: 0, count: documents.rows)
        for row in 0..<rankings.count {
            for (place, entry) in rankings[row].enumerated() { gains[entry.index] += 1 / Double(place + 1) }
        }
        return gains.indices.sorted { (gains[$1], $0) < (gains[$0], $1) }
    }
}
