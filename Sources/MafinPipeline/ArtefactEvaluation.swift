import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// The rankings of an artefact and of every system that it can be compared with, on one split of a collection.
public struct ArtefactEvaluation {
    /// A system's name in tables and JSON, and its ranking.
    public typealias System = (name: String, run: Run)

    /// The name of the system that the others are compared with.
    public static let baseline = "black-box"

    /// All systems. The simplest come first.
    public private(set) var systems: [System] = []
    /// Rows of the table that are missing, and why.
    public private(set) var omitted: [(name: String, reason: String)] = []

    /// The split that was measured.
    public let split: MeasuredSplit
    private let vectors: BlackBoxVectors

    /// The name of the artefact itself: the sum of all its sources, with their vectors as they are before any reduction.
    public static let artefactName = "artefact"

    /// The name of the artefact's dense sources alone, which its joined vectors hold.
    public static let denseName = "artefact-dense"

    /// The name of the black box's ranking of a ``StandIn``'s estimated query vectors.
    public static let standInName = "stand-in"

    /// The name of the sum that ranks if the black box is not asked.
    public static let offlineName = "mafin-offline"

    /// The name of the artefact with reduced vectors, as an index holds them and every other command ranks. Without a
    /// reduction there is no such row, and ``artefactName`` is what they rank.
    public static let indexName = "artefact-index"

    /// The name of the sum that ranks if the black box is not asked, with reduced vectors.
    public static let offlineIndexName = "mafin-offline-index"

    /// Number of documents of a ranking that are kept, as usual with trec_eval. Metrics ignore deeper ranks.
    public static let depth = 1000

    /// Ranks all systems.
    /// - Parameters:
    ///   - split: the split to measure, already checked against the queries that the artefact knows.
    ///   - vectors: the black box's vectors of all documents and of the queries of `split`.
    ///   - language: the language of the documents, for the row of BM25.
    ///   - released: the folder of a released checkpoint.
    ///   - onProgress: receives (name of the work, done, total).
    /// - Throws: ``ArtefactError`` if the vectors are of another black box; whatever encoders and files throw;
    ///   `CancellationError`.
    public init(
        of model: ArtefactModel, on split: MeasuredSplit, vectors: BlackBoxVectors, language: Language = .english,
        cache: LocalVectorCache, released: (EncoderRecord) throws -> URL, isCancelled: () -> Bool = { false },
        onProgress: (String, Int, Int) -> Void = { _, _, _ in }
    ) throws {
        try model.require(vectors)
        self.split = split
        let (collection, queries) = (split.collection, split.queries)
        self.vectors = vectors

        if collection.documentsHaveText {
            let words = BM25(
                texts: collection.documents.map(\.textForEncoding), analyzer: TextAnalyzer(language: language))
            add("bm25", words.rankings(of: queries.map(\.text), count: Self.depth))
        } else {
            omitted.append(("bm25", "documents or queries have no text"))
        }

        func progress(_ done: Int) { onProgress("Encoding documents", done, collection.documents.count) }
        func prepared(_ model: ArtefactModel, _ sources: [any ScoreSource]) throws -> Prepared {
            let index = try model.index(
                of: collection.documents, by: sources, blackBox: vectors.documentVectors, cache: cache,
                isCancelled: isCancelled,
                progress: progress)
            return (
                index,
                try index.queries(
                    model.queries(
                        queries.map(\.item), ids: queries.map(\.id), blackBox: vectors.queryVectors(of: queries),
                        isCancelled: isCancelled))
            )
        }

        // Only one model's encoders and vectors are in memory at a time.
        let blackBox = VectorSystem(queries: vectors.queryVectors(of: queries), documents: vectors.documentVectors)
        add(Self.baseline, try blackBox.rankings(queries: Array(queries.indices), count: Self.depth))
        if model.encoder != nil {
            try rankReleased(model, cache: cache, released: released, isCancelled: isCancelled, progress: progress)
        }
        let rivals = model.rivals
        for contender in rivals {
            let rival = try model.rival(contender, released: released)
            let prepared = try prepared(rival, rival.sources)
            if contender == .tunedAlone {
                add(
                    contender.aloneName,
                    try prepared.index.rankings(by: .local, of: prepared.queries, count: Self.depth))
            }
            try add(contender.joinedName, prepared, rival.manifest.mixing.rankingWeights)
        }
        let unasked = try model.manifest.offline.map { offline in
            (
                mixture: offline.mixing,
                queries: try model.offlineQueries(
                    queries.map(\.item), ids: queries.map(\.id), isCancelled: isCancelled)
            )
        }
        if model.manifest.reduction != nil {
            let reduced = try prepared(model, model.sources)
            try add(Self.indexName, reduced, model.manifest.mixing.rankingWeights)
            if let unasked {
                try add(
                    Self.offlineIndexName, (reduced.index, reduced.index.queries(unasked.queries)),
                    unasked.mixture.rankingWeights)
            }
        }
        let own = try prepared(model, model.sources.unreduced)
        // The black box and the local encoder alone: what other sources add to.
        if let pair = model.pairWeights { try add(model.manifest.contender.joinedName, own, pair) }
        try add(Self.artefactName, own, model.manifest.mixing.rankingWeights)
        if let dense = model.denseWeights { try add(Self.denseName, own, dense) }
        if let unasked {
            let queries = try own.index.queries(unasked.queries)
            add(Self.standInName, try own.index.rankings(by: .standIn, of: queries, count: Self.depth))
            try add(Self.offlineName, (own.index, queries), unasked.mixture.rankingWeights)
        }
        for rival in Contender.rivals
        where model.encoder != nil && rival != model.manifest.contender && !rivals.contains(rival) {
            omitted.append((rival.rawValue, "not trained beside this artefact (mafin train --rivals)"))
        }
        systems.sort { Self.place($0.name) < Self.place($1.name) }
    }

    /// The comparison of all systems with the black box.
    /// - Throws: `RetrievalError/noJudgedQueries(path:)` if no query has a relevant document.
    public func report(metrics: [Metric] = Metric.standard) throws -> EvaluationReport {
        try EvaluationReport(
            split: split.name, runs: systems, qrels: split.qrels, baseline: Self.baseline, metrics: metrics)
    }

    private static let order = [
        "bm25", baseline, "local", "concatenation", "concatenation-calibrated", "tuned-alone", "tuned-alone-mixed",
        "paper-mafin", "lambda-mafin", "norm-mafin", "hybrid-mafin", "mafin", standInName, offlineName,
        offlineIndexName, denseName, artefactName, indexName,
    ]

    private static func place(_ name: String) -> Int { order.firstIndex(of: name) ?? order.count }

    private mutating func add(_ name: String, _ rankings: Rankings) {
        systems.append(
            (name, Run(rankings, queryIds: split.queries.map(\.id), documentIds: split.collection.documentIds)))
    }

    private mutating func add(_ name: String, _ prepared: Prepared, _ weights: SourceWeights) throws {
        add(name, try prepared.index.rankings(of: prepared.queries, weights: weights, count: Self.depth))
    }

    /// Documents and queries of some sources, ready for ranking.
    private typealias Prepared = (index: SourceIndex, queries: SourceIndex.Queries)

    /// Ranks by the released encoder, alone and joined with the black box. If that checkpoint cannot be loaded, its
    /// rows are ``omitted``.
    private mutating func rankReleased(
        _ model: ArtefactModel, cache: LocalVectorCache, released: (EncoderRecord) throws -> URL,
        isCancelled: () -> Bool, progress: (Int) -> Void
    ) throws {
        let scale = model.manifest.untrainedScale
        let encoder: TextEncoder
        let weights: String
        do {
            (encoder, weights) = try Self.releasedEncoder(of: model, released: released)
        } catch {
            for name in ["local", "concatenation"] + (scale == nil ? [] : ["concatenation-calibrated"]) {
                omitted.append((name, "\(error)"))
            }
            return
        }
        let documents = try cache.vectors(
            of: split.collection.documents.map(\.item), as: .document, encoder: encoder, weights: weights,
            isCancelled: isCancelled, progress: progress)
        let index = try SourceIndex(
            [
                BlackBoxVectorSource(dimension: vectors.dimension),
                LocalVectorSource(dimension: encoder.encoder.dimension),
            ],
            documents: SourceDocuments(
                ids: split.collection.documentIds, blackBox: vectors.documentVectors, local: documents, form: .unit))
        let prepared = (
            index,
            try index.queries(
                SourceQueries(
                    ids: split.queries.map(\.id), blackBox: vectors.queryVectors(of: split.queries),
                    local: encoder.embedUnnormalized(
                        split.queries.map(\.item), prefix: encoder.prefixes.query, isCancelled: isCancelled),
                    form: .unit))
        )
        add("local", try index.rankings(by: .local, of: prepared.1, count: Self.depth))
        try add("concatenation", prepared, SourceWeights(MixtureWeights(lambda: 0.5)))
        if let scale {
            try add("concatenation-calibrated", prepared, SourceWeights(MixtureWeights(lambda: scale.lambda)))
        }
    }

    /// The encoder with which training began, checked by the hash of its weights, and that hash.
    private static func releasedEncoder(
        of model: ArtefactModel, released: (EncoderRecord) throws -> URL
    ) throws -> (encoder: TextEncoder, weights: String) {
        guard let record = model.manifest.releasedEncoder else {
            throw ArtefactError.releasedUnknown(path: model.artefact.folder.path)
        }
        // Loading the model has already compared its hash.
        if model.manifest.documentEncoder?.folder == nil, let encoder = model.encoder {
            return (encoder.document, record.weightsSHA256)
        }
        let folder = try Artefact.releasedFolder(of: record, released: released)
        return (try record.load(from: folder, precision: model.precision), record.weightsSHA256)
    }
}
