import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// Further facts for the report: distributions of scores, labels that may be missing, costs.
extension Comparison {
    /// The input files with their hashes: texts and the labels of all splits.
    /// - Throws: a file error if the labels cannot be read again.
    public func inputs() throws -> [ArtefactManifest.DataRecord] {
        var records = training.dataRecords
        if training.collection.format == .beir, let file = training.collection.file(ofSplit: plan.request.split) {
            records.append(try .init(role: "qrels/\(plan.request.split)", file: file, count: qrels.pairCount))
        }
        return records
    }

    /// The share of queries about new documents, in 0…1, for which weights are fitted and systems chosen.
    public var expectedNewDocuments: Double { data.newDocuments }

    private var measuredQueries: [(query: Query, row: Int)] {
        training.queries.enumerated().filter { qrels.hasRelevantDocument($0.element.id) }.map { ($1, $0) }
    }

    /// An artefact over all documents and the measured queries with a relevant document. Its vectors are taken as they are
    /// before a reduction, as the comparison measured them, also if an earlier run has reduced the artefact.
    /// - Throws: errors of encoder and vectors; `CancellationError`.
    public func measured(_ model: ArtefactModel, cache: LocalVectorCache) throws -> MeasuredArtefact {
        let queries = measuredQueries
        let index = try model.index(
            of: training.collection.documents, by: model.sources.unreduced,
            blackBox: training.data.blackBoxDocuments, cache: cache, isCancelled: isCancelled, progress: { _ in })
        let prepared = try index.queries(
            model.queries(
                queries.map(\.query.item), ids: queries.map(\.query.id),
                blackBox: training.data.blackBoxQueries.selecting(rows: queries.map(\.row)), isCancelled: isCancelled))
        // Sources that only rank where the black box is not asked have no weight here.
        let weights = model.manifest.mixing.rankingWeights
        let used = weights.sources.filter { weights[$0] > 0 }
        return MeasuredArtefact(
            model: model,
            system: SourceSystem(
                index, weights: SourceWeights(used.map { ($0, weights[$0]) }), queries: prepared),
            queries: queries.map(\.query), collection: training.collection)
    }

    /// The rankings of an artefact and of the black box, to the depth at which they were measured.
    public func rankings(of artefact: MeasuredArtefact) throws -> (chosen: Run, blackBox: Run) {
        (try artefact.run(), try training.run(of: training.blackBoxSystem, on: qrels))
    }

    /// Scores of one source: those of pairs that are labelled as relevant, and those of all other pairs or of an evenly
    /// spaced sample of them.
    public typealias ScoreSample = (relevant: [Double], other: [Double])

    /// Number of queries in a sample, and about how many documents per query.
    private static let sampledQueries = 200
    private static let sampledDocuments = 2_000

    /// The scores of each source of an artefact without its weight, for the first measured queries. Pairs that BM25 or a
    /// memory scores 0 are left out.
    public func scoreSamples(of artefact: MeasuredArtefact) -> [(source: SourceName, sample: ScoreSample)] {
        let system = artefact.system
        let queries = artefact.queries.prefix(Self.sampledQueries)
        let prepared = system.queries.selecting(rows: Array(queries.indices))
        let stride = max(1, system.documentCount / Self.sampledDocuments)
        let relevant = queries.map { query in
            Set(qrels.relevantDocuments(of: query.id).compactMap { training.collection.documentIndex[$0.document] })
        }
        return system.sources.filter { system.weights[$0.name] > 0 }.map { source in
            let isDense = source is any DenseSource
            let scores = system.index.scores(of: prepared, weights: SourceWeights([(source.name, 1)]))
            var sample: ScoreSample = ([], [])
            for row in queries.indices {
                for (document, score) in scores.row(row).enumerated() where isDense || score != 0 {
                    if relevant[row].contains(document) {
                        sample.relevant.append(Double(score))
                    } else if document % stride == row % stride {
                        sample.other.append(Double(score))
                    }
                }
            }
            return (source.name, sample)
        }
    }

    /// Largest number of queries that are checked for missing labels. Measured queries come first.
    private static let suspectedQueries = 5_000

    /// Unlabelled documents that the black box and the released encoder both rank first, in order of falling margin.
    /// - Parameter labels: labels of all splits. The measured split comes first.
    /// - Throws: errors of the released encoder.
    public func suspectedNegatives(labels: [Qrels]) throws -> [(query: Query, document: Document)] {
        let collection = training.collection
        var relevant = [[Judgement]](repeating: [], count: training.queries.count)
        var judged = [[Int]](repeating: [], count: training.queries.count)
        var rows: [Int] = []
        let rowOf = Dictionary(
            training.queries.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
        for qrels in labels {
            for query in qrels.queryIds {
                guard let row = rowOf[query], relevant[row].isEmpty, judged[row].isEmpty else { continue }
                let found = qrels.judgements(of: query, in: collection)
                relevant[row] = found.filter { $0.grade > 0 }
                judged[row] = found.filter { $0.grade <= 0 }.map(\.column)
                rows.append(row)
            }
        }
        return try SuspectedNegatives.find(
            queries: Array(rows.prefix(Self.suspectedQueries)), blackBox: training.blackBoxSystem,
            local: training.releasedSystem(isCancelled: isCancelled), relevant: relevant, judged: judged,
            documentIdentities: data.index.documentIdentities, count: rows.count
        ).map { (training.queries[$0.query], collection.documents[$0.document]) }
    }

    /// Measures single queries one by one, and takes the medians.
    /// - Parameters:
    ///   - training: seconds that training and fitting took.
    ///   - machine: the machine that measures.
    /// - Throws: errors of encoder and index.
    public func costs(
        of artefact: MeasuredArtefact, training seconds: Double?, machine: String?
    ) throws -> CostFacts {
        let (model, system) = (artefact.model, artefact.system)
        let rows = artefact.timedRows
        let kinds = system.sources.filter { system.weights[$0.name] > 0 }.map(\.record.kind)
        let median = artefact.medianMilliseconds
        let blackBox = VectorIndex(try VectorRows(training.data.blackBoxDocuments))
        let vectors = training.data.blackBoxQueries.selecting(rows: measuredQueries.prefix(rows.count).map(\.row))
        return CostFacts(
            query: ComparisonVerdict.QueryCost(kinds),
            dimensions: .init(
                before: Double(training.data.blackBoxDocuments.columns), after: Double(system.sources.joinedDimension)),
            indexBytes: .init(
                before: Double(blackBox.byteCount), after: Double(system.index.vectors?.byteCount ?? 0)),
            searchMilliseconds: .init(
                before: try median { _ = try blackBox.search(queries: vectors.selecting(rows: [$0]), count: 100) },
                after: try median { _ = try system.rankings(queries: [$0], count: 100) }),
            encoderMilliseconds: !kinds.contains(.local)
                ? nil : try median { _ = try model.localVectors(of: [artefact.queries[$0].item], as: .query) },
            tokensToBuyAgain: 0, trainingSeconds: seconds, machine: machine)
    }
}

/// An artefact over the measured queries and all documents of a comparison.
public struct MeasuredArtefact {
    /// The artefact.
    public let model: ArtefactModel
    let system: SourceSystem
    let queries: [Query]
    private let documentIds: [String]
    private let rows: [String: Int]
    private let columns: [String: Int]

    init(model: ArtefactModel, system: SourceSystem, queries: [Query], collection: RetrievalCollection) {
        (self.model, self.system, self.queries) = (model, system, queries)
        (documentIds, columns) = (collection.documentIds, collection.documentIndex)
        rows = Dictionary(queries.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// The ranking of every query.
    func run() throws -> Run {
        Run(
            try system.rankings(queries: Array(queries.indices), count: ArtefactEvaluation.depth),
            queryIds: queries.map(\.id), documentIds: documentIds)
    }

    /// The fitted weights of the sources that have one.
    public var weights: SourceWeights {
        let fitted = model.manifest.mixing.weights
        return SourceWeights(system.weights.sources.map { ($0, fitted[$0]) })
    }

    private static let timedQueries = 40

    /// The queries that are timed.
    var timedRows: [Int] { Array(queries.indices.prefix(Self.timedQueries)) }

    /// The median of the milliseconds that something takes for each of ``timedRows``.
    func medianMilliseconds(_ body: (Int) throws -> Void) rethrows -> Double {
        var times: [Double] = []
        for row in timedRows {
            let start = ContinuousClock.now
            try body(row)
            times.append((ContinuousClock.now - start).inSeconds * 1e3)
        }
        times.sort()
        return times.isEmpty ? 0 : times[times.count / 2]
    }

    /// The median of the milliseconds of a whole query that is not asked, from its text to its ranking; `nil` if the
    /// artefact has no stand-in.
    public func offlineMilliseconds() throws -> Double? {
        guard model.standIn != nil, let mixture = model.manifest.offline?.mixing else { return nil }
        return try medianMilliseconds { row in
            let prepared = try system.index.queries(model.offlineQueries([queries[row].item]))
            _ = try system.index.rankings(of: prepared, weights: mixture.rankingWeights, count: 100)
        }
    }

    /// What each source adds to the score of a document for a query; `nil` if the query was not measured, or the document
    /// is not known.
    public func parts(query: String, document: String) -> ScoreParts? {
        guard let query = rows[query], let document = columns[document] else { return nil }
        let parts = system.index.parts(of: [document], query: query, of: system.queries, weights: system.weights)
        return ScoreParts(
            zip(system.sources.map(\.name), parts.row(0)).filter { system.weights[$0.0] > 0 }.map {
                .init(source: $0, value: Double($1))
            })
    }
}
