import Foundation
import MafinEncoder
import MafinNumerics
import MafinRetrieval

/// Every system that an artefact can be compared with, ranked on one split of one collection.
public struct JoinedEvaluation {
    /// A system's name in tables and JSON, and its ranking.
    public typealias System = (name: String, run: Run)

    /// The name of the system to which differences are taken.
    public static let baseline = "black-box"

    /// All systems, the simplest first.
    public private(set) var systems: [System] = []
    /// Rows of the table that could not be made, and why.
    public private(set) var omitted: [(name: String, reason: String)] = []

    private let collection: RetrievalCollection
    private let qrels: Qrels
    private let queries: [Query]
    private let blackBoxQueries: Matrix
    private let blackBoxDocuments: Matrix

    /// Documents of a ranking that are kept, as many as trec_eval's users keep; a metric cannot look deeper.
    public static let depth = 1000

    /// Ranks all systems.
    ///
    /// - Parameters:
    ///   - model: the artefact.
    ///   - vectors: the black box's answers for all documents and the queries that `qrels` judges.
    ///   - released: the folder of a released checkpoint.
    ///   - onProgress: what is being done, and how much of it: (name, done, total).
    /// - Throws: ``ArtefactError`` where the vectors are not of the artefact's black box; what encoders and files throw;
    ///   `CancellationError` when cancelled.
    public init(
        of model: JoinedModel, on collection: RetrievalCollection, qrels: Qrels, vectors: BlackBoxVectors,
        cache: LocalVectorCache, released: (EncoderRecord) throws -> URL, isCancelled: () -> Bool = { false },
        onProgress: (String, Int, Int) -> Void = { _, _, _ in }
    ) throws {
        try model.require(vectors)
        self.collection = collection
        self.qrels = qrels
        queries = collection.queries(judgedIn: qrels)
        blackBoxQueries = vectors.queryVectors.selecting(rows: vectors.rows(of: queries)).normalizedRows().matrix
        blackBoxDocuments = vectors.documentVectors.normalizedRows().matrix

        let texts = collection.documents.map(\.textForEncoding)
        let lexical = BM25(texts: texts).rankings(of: queries.map(\.text), count: Self.depth)
        add("bm25", lexical)

        func halves(_ model: JoinedModel) throws -> HalfVectors {
            let documents = try model.localVectors(
                of: collection.documents, cache: cache, isCancelled: isCancelled
            ) { onProgress("Encoding documents", $0, texts.count) }
            let queries = try model.localVectors(of: queries.map(\.text), as: .query, isCancelled: isCancelled)
            return self.halves(
                queries: queries, documents: documents, model.manifest.mixing.combination.localForm)
        }

        let start = try releasedHalves(
            model, cache: cache, released: released, isCancelled: isCancelled,
            progress: { onProgress("Encoding documents", $0, texts.count) })
        if let start {
            add(Self.baseline, start.rankings(.lambda(0), count: Self.depth))
            add("local", start.rankings(.lambda(1), count: Self.depth))
            add("concatenation", start.rankings(.lambda(0.5), count: Self.depth))
            if let scale = model.manifest.untrainedScale {
                add("concatenation-calibrated", start.rankings(.lambda(scale.lambda), count: Self.depth))
            }
        }
        let rivals = try model.rivals(released: released)
        for rival in rivals {
            let halves = try halves(rival)
            let contender = rival.manifest.contender
            if contender == .tunedAlone { add(contender.aloneName, halves.rankings(.lambda(1), count: Self.depth)) }
            add(
                contender.joinedName,
                halves.rankings(rival.manifest.mixing.combination.mixing, count: Self.depth))
        }
        let trained = try halves(model)
        if start == nil { add(Self.baseline, trained.rankings(.lambda(0), count: Self.depth)) }
        add(
            model.manifest.contender.joinedName,
            trained.rankings(model.manifest.mixing.combination.mixing, count: Self.depth))
        let there = rivals.map(\.manifest.contender)
        for rival in Contender.rivals where rival != model.manifest.contender && !there.contains(rival) {
            omitted.append((rival.rawValue, "not trained beside this artefact (mafin train --rivals)"))
        }
        systems.sort { Self.place($0.name) < Self.place($1.name) }
    }

    /// The comparison of all systems with the black box.
    /// - Throws: `RetrievalError/noJudgedQueries(path:)` where no query has a relevant document.
    public func report(split: String, metrics: [Metric] = Metric.standard) throws -> EvaluationReport {
        try EvaluationReport(
            split: split, runs: systems, qrels: qrels, baseline: Self.baseline, metrics: metrics)
    }

    private static let order = [
        "bm25", baseline, "local", "concatenation", "concatenation-calibrated", "tuned-alone", "tuned-alone-mixed",
        "paper-mafin", "lambda-mafin", "norm-mafin", "hybrid-mafin", "mafin",
    ]

    private static func place(_ name: String) -> Int { order.firstIndex(of: name) ?? order.count }

    private mutating func add(_ name: String, _ rankings: Rankings) {
        systems.append(
            (name, Run(rankings, queryIds: queries.map(\.id), documentIds: collection.documentIds)))
    }

    private func halves(queries: Matrix, documents: Matrix, _ form: LocalForm) -> HalfVectors {
        HalfVectors(
            blackBoxQueries: blackBoxQueries, blackBoxDocuments: blackBoxDocuments,
            localQueries: form.prepare(queries), localDocuments: form.prepare(documents))
    }

    /// Both halves with the encoder as released; `nil` (and named in ``omitted``) where the checkpoint is not on this machine.
    private mutating func releasedHalves(
        _ model: JoinedModel, cache: LocalVectorCache, released: (EncoderRecord) throws -> URL,
        isCancelled: () -> Bool, progress: (Int) -> Void
    ) throws -> HalfVectors? {
        let record = model.artefact.encoder(.document)
        let encoder: TextEncoder
        let weights: String
        if record.folder == nil {
            (encoder, weights) = (model.documentEncoder, record.weightsSHA256)
        } else {
            let start: ReleasedEncoder
            do {
                start = try ReleasedEncoder(
                    name: record.name, folder: released(record),
                    prefixes: TextPrefixes(query: record.queryPrefix, document: record.documentPrefix),
                    maximumLength: record.maximumLength)
            } catch {
                for name in ["local", "concatenation", "concatenation-calibrated"] {
                    omitted.append((name, "the released encoder is not here: \(error)"))
                }
                return nil
            }
            (encoder, weights) = (try start.load(), start.weightsHash)
        }
        let documents = try cache.documentVectors(
            of: collection.documents.map(\.textForEncoding), encoder: encoder, weights: weights,
            isCancelled: isCancelled, progress: progress)
        let queries = try encoder.embedUnnormalized(
            queries.map(\.text), prefix: encoder.prefixes.query, isCancelled: isCancelled)
        return halves(queries: queries, documents: documents, .unit)
    }
}
