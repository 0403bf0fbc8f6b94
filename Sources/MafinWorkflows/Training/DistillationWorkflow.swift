import Foundation
import MafinBlackBox
import MafinComparison
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// One `mafin train --stand-in --no-labels`: makes a stand-in from the black box's vectors alone. The artefact ranks by the
/// black box, or without asking it by the stand-in and the local encoder as released.
///
/// Without labels nothing tells which documents are relevant. The best guess are those on which different rankings agree, so
/// weights are fitted to the first documents of the rankings of the black box, the local encoder and BM25, fused by reciprocal
/// ranks, on queries that were held out. (The black box's ranking alone favours the stand-in, which imitates it, too much.)
/// Queries of the split `test` are not used.
package struct DistillationWorkflow {
    /// The collection. It needs no labels.
    package var data: String
    /// The folder of the artefact.
    package var output: String
    package var encoder = EncoderChoice()
    package var tuning = TrainingTuning()
    /// Time for the distillation.
    package var time = Duration.seconds(600)
    package var seed: UInt64 = 1
    /// The language of the documents, for BM25; nil to guess it.
    package var language: Language?

    /// What was made.
    package struct Result: Sendable, Encodable {
        package var artefact: String
        /// Queries that were distilled, and those on which weights were fitted.
        package var queries: Int
        package var heldOutQueries: Int
        /// Its metrics count the first documents of the fused rankings as the answers.
        package var standIn: TrainedOffline
    }

    /// Number of documents of the fused ranking that count as answers.
    package static let answers = 10
    /// Number of documents of each ranking that are fused.
    private static let depth = 100

    private let context: WorkflowContext
    private let source: BlackBoxSource?
    private let openBlackBox: BlackBoxOpening

    /// - Parameter source: how to open the artefact's black box later. It is written into the artefact.
    package init(
        data: String, output: String, source: BlackBoxSource?, context: WorkflowContext,
        openBlackBox: @escaping BlackBoxOpening
    ) {
        (self.data, self.output, self.source) = (data, output, source)
        (self.context, self.openBlackBox) = (context, openBlackBox)
    }

    /// Distils and writes.
    /// - Throws: ``WorkflowError``, errors of the modules; `CancellationError` when the user asks to end.
    package func run() async throws -> Result {
        let folder = URL(fileURLWithPath: output)
        try Artefact.requireReplaceable(folder)
        let released = try self.encoder.resolve()
        let encoder = try self.encoder.load(released)
        try tuning.limitMemory(of: encoder.encoder)
        let collection = try RetrievalCollection(contentsOf: URL(fileURLWithPath: data))
        context.warn(of: collection.warnings)
        let queries = try Self.learned(of: collection)
        guard queries.count >= Self.leastQueries else {
            throw WorkflowError.tooFewToDistil(path: data, queries: queries.count, needed: Self.leastQueries)
        }
        context.note("\(collection.documents.count) documents, \(queries.count) queries, no labels")
        let vectors = try await BlackBoxVectors(
            asking: openBlackBox(nil), documents: collection.documents, queries: queries)
        // Without texts there is no BM25.
        let words =
            collection.documentsHaveText
            ? LexicalSource(
                texts: collection.documents.map(\.textForEncoding),
                language: context.language(language, of: collection.documents).language)
            : nil
        let training = try prepare(collection, vectors, released, encoder, words)
        var settings = StandInTraining.Settings()
        (settings.seconds, settings.seed, settings.learnsLabels) = (time.inSeconds, seed, false)
        context.note("distilling the black box's vectors of documents and queries")
        let held = training.data.index.devQueries.count
        let seconds = max(1, Int(time.inSeconds.rounded()))
        let progress = context.beginProgress("Distilling", seconds, "seconds")
        defer { progress.finish() }
        let began = ContinuousClock.now
        let made = try TrainedOffline.make(
            training, settings: settings, local: training.releasedSystem(isCancelled: context.isCancelled),
            words: words, remembers: false,
            asked: RivalData(training, metric: .nDCG(cutoff: 10)).developmentValues(of: training.blackBoxSystem),
            isCancelled: { [context] in
                progress.update(completed: min(seconds, Int((ContinuousClock.now - began).inSeconds)))
                return context.isCancelled()
            }, onEvent: { _ in })
        let blackBox = BlackBoxVectorSource(dimension: vectors.dimension)
        let artefact = try Artefact.ship(
            ShippedSources([blackBox], mixture: Mixture(SourceWeights([(.blackBox, 1)]))),
            Artefact.Shipment(
                system: ArtefactEvaluation.baseline, blackBox: vectors.identity, blackBoxSource: source,
                blackBoxDimension: vectors.dimension, data: training.dataRecords.filter { !$0.role.hasPrefix("qrels") },
                verdict: Verdict(
                    cannotTell:
                        "The stand-in learned without labels, so nothing tells whether it is better or worse than the black box."
                ),
                knownQueries: training.knownQueries),
            standIn: made.shipped, encoderFrom: nil, to: folder)
        return Result(
            artefact: artefact.folder.path, queries: queries.count - held, heldOutQueries: held, standIn: made.summary)
    }

    /// Fewer queries say too little about the weights.
    package static let leastQueries = 20

    /// The queries of a collection without those of `test`, by id and by text.
    static func learned(of collection: RetrievalCollection) throws -> [Query] {
        let test = JudgedSplits.Part.test
        guard collection.splits.contains(test.rawValue) || collection.splits == [RetrievalCollection.wholeSplit] else {
            return collection.queries
        }
        let measured = collection.queries(judgedIn: try JudgedSplits(collection).qrels(test))
        let known = Set(KnownQueries(measured).among(collection.queries).map(\.id))
        return collection.queries.filter { !known.contains($0.id) }
    }

    /// Labels by rankings, cut into two parts by the order of the queries.
    static func splits(of collection: RetrievalCollection, _ queries: [Query], fusing rankings: [Rankings])
        -> JudgedSplits
    {
        let every = Int((1 / JudgedSplits.heldOutShare).rounded())
        func qrels(isHeldOut: Bool) -> Qrels {
            Qrels(
                queries.indices.filter { ($0 % every == every - 1) == isHeldOut }.flatMap { row in
                    Fusion.reciprocalRank(offset: Run.standardRankOffset)
                        .ranking(of: rankings.map { Array($0[row]) }, count: answers)
                        .map { (queries[row].id, collection.documents[$0.index].id, 1) }
                })
        }
        return JudgedSplits(collection, train: qrels(isHeldOut: false), dev: qrels(isHeldOut: true))
    }

    private func prepare(
        _ collection: RetrievalCollection, _ vectors: BlackBoxVectors, _ released: ReleasedEncoder,
        _ encoder: TextEncoder, _ words: LexicalSource?
    ) throws -> CollectionTraining {
        var settings = CollectionTraining.Settings()
        tuning.apply(to: &settings)
        settings.options.seed = seed
        settings.mode = .query
        let progress = EncodingProgress(context)
        defer { progress.finish() }
        func training(_ rankings: [Rankings], documentBank: Matrix?) throws -> CollectionTraining {
            try CollectionTraining(
                collection: collection, splits: Self.splits(of: collection, vectors.queries, fusing: rankings),
                vectors: vectors, released: released, encoder: encoder, documentBank: documentBank,
                settings: settings, cache: .shared, isCancelled: context.isCancelled, onProgress: progress.update)
        }
        let rows = Array(vectors.queries.indices)
        let blackBox = try VectorSystem(queries: vectors.queryVectors, documents: vectors.documentVectors)
            .rankings(queries: rows, count: Self.depth)
        // Encodes the documents, which the fused rankings need.
        let first = try training([blackBox], documentBank: nil)
        let local = try first.releasedSystem(isCancelled: context.isCancelled).rankings(
            queries: rows, count: Self.depth)
        guard let words else { return try training([blackBox, local], documentBank: first.documentBank) }
        let index = try SourceIndex(
            [words], documents: SourceDocuments(texts: collection.documents.map(\.textForEncoding)))
        let lexical = try index.rankings(
            of: index.queries(SourceQueries(texts: vectors.queries.map(\.text))),
            weights: SourceWeights([(words.name, 1)]), count: Self.depth)
        return try training([blackBox, local, lexical], documentBank: first.documentBank)
    }
}
