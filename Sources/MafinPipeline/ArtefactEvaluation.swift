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

    /// Number of documents of a ranking that are kept, as usual with trec_eval. Metrics ignore deeper ranks.
    public static let depth = 1000

    /// Ranks all systems.
    /// - Parameters:
    ///   - split: the split to measure, already checked against the queries that the artefact knows.
    ///   - vectors: the black box's vectors of all documents and of the queries of `split`.
    ///   - released: the folder of a released checkpoint.
    ///   - onProgress: receives (name of the work, done, total).
    /// - Throws: ``ArtefactError`` if the vectors are of another black box; whatever encoders and files throw;
    ///   `CancellationError`.
    public init(
        of model: ArtefactModel, on split: MeasuredSplit, vectors: BlackBoxVectors,
        cache: LocalVectorCache, released: (EncoderRecord) throws -> URL, isCancelled: () -> Bool = { false },
        onProgress: (String, Int, Int) -> Void = { _, _, _ in }
    ) throws {
        try model.require(vectors)
        self.split = split
        let (collection, queries) = (split.collection, split.queries)
        self.vectors = vectors

        let texts = collection.documents.map(\.textForEncoding)
        add("bm25", BM25(texts: texts).rankings(of: queries.map(\.text), count: Self.depth))

        func progress(_ done: Int) { onProgress("Encoding documents", done, texts.count) }
        func prepared(_ model: ArtefactModel) throws -> Prepared {
            let index = try model.index(
                of: collection.documents, blackBox: vectors.documentVectors, cache: cache, isCancelled: isCancelled,
                progress: progress)
            return try prepare(index, model.localVectors(of: queries.map(\.text), as: .query, isCancelled: isCancelled))
        }

        // Only one model's encoders and vectors are in memory at a time.
        try rankReleased(model, cache: cache, released: released, isCancelled: isCancelled, progress: progress)
        let rivals = model.rivals
        for contender in rivals {
            let rival = try model.rival(contender, released: released)
            let prepared = try prepared(rival)
            if contender == .tunedAlone { try add(contender.aloneName, prepared, MixtureWeights(lambda: 1)) }
            try add(contender.joinedName, prepared, rival.manifest.mixing.rankingWeights)
        }
        let trained = try prepared(model)
        add(Self.baseline, try trained.index.blackBoxRankings(of: trained.queries, count: Self.depth))
        try add(model.manifest.contender.joinedName, trained, model.manifest.mixing.rankingWeights)
        for rival in Contender.rivals where rival != model.manifest.contender && !rivals.contains(rival) {
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
        "paper-mafin", "lambda-mafin", "norm-mafin", "hybrid-mafin", "mafin",
    ]

    private static func place(_ name: String) -> Int { order.firstIndex(of: name) ?? order.count }

    private mutating func add(_ name: String, _ rankings: Rankings) {
        systems.append(
            (name, Run(rankings, queryIds: split.queries.map(\.id), documentIds: split.collection.documentIds)))
    }

    private mutating func add(_ name: String, _ prepared: Prepared, _ weights: MixtureWeights) throws {
        add(name, try prepared.index.rankings(of: prepared.queries, weights: weights, count: Self.depth))
    }

    /// The vectors of one encoder and the black box, ready for ranking.
    private typealias Prepared = (index: MixtureIndex, queries: MixtureIndex.Queries)

    private func prepare(_ index: MixtureIndex, _ local: Matrix) throws -> Prepared {
        let blackBox = vectors.queryVectors(of: split.queries)
        return (index, try index.queries(blackBox: blackBox, local: local, ids: split.queries.map(\.id)))
    }

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
            of: split.collection.documents.map(\.textForEncoding), as: .document, encoder: encoder, weights: weights,
            isCancelled: isCancelled, progress: progress)
        let index = try MixtureIndex(
            .unit, blackBox: vectors.documentVectors, local: documents, ids: split.collection.documentIds)
        let prepared = try prepare(
            index,
            encoder.embedUnnormalized(
                split.queries.map(\.text), prefix: encoder.prefixes.query, isCancelled: isCancelled))
        try add("local", prepared, MixtureWeights(lambda: 1))
        try add("concatenation", prepared, MixtureWeights(lambda: 0.5))
        if let scale { try add("concatenation-calibrated", prepared, MixtureWeights(lambda: scale.lambda)) }
    }

    /// The encoder with which training began, checked by the hash of its weights, and that hash.
    private static func releasedEncoder(
        of model: ArtefactModel, released: (EncoderRecord) throws -> URL
    ) throws -> (encoder: TextEncoder, weights: String) {
        guard let record = model.manifest.releasedEncoder else {
            throw ArtefactError.releasedUnknown(path: model.artefact.folder.path)
        }
        // Loading the model has already compared its hash.
        if model.manifest.documentEncoder.folder == nil { return (model.documentEncoder, record.weightsSHA256) }
        return (try record.load(from: Artefact.releasedFolder(of: record, released: released)), record.weightsSHA256)
    }
}
