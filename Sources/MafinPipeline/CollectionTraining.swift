import Foundation
import MafinBlackBox
import MafinEncoder
import MafinImages
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// Training on one collection. Makes an artefact for each contender from texts, labels and a black box's vectors.
///
/// Tokens, labels, the black box's unit vectors and the released encoder's document vectors are made once and shared by
/// all contenders.
public struct CollectionTraining {
    /// Settings that all contenders of a comparison share.
    public struct Settings: Sendable {
        /// Options of the trainer. The time is that of one contender.
        public var options = TrainingOptions()
        /// Peak learning rate; `nil`: the default, see ``peakLearningRate(in:)``.
        public var learningRate: Float?
        /// The mode of training; `nil`: chosen from the data and the time.
        public var mode: ModeChoice.Mode?
        /// The reason for ``mode`` that the artefact records; `nil`: the user asked for it.
        public var modeReason: String?
        /// The objective.
        public var loss: any Loss = ListNet(target: .exponentialGain)
        /// Which side of joined vectors contains the weights.
        public var layout = Mixture.Layout.querySided
        /// Which weights of the encoder are trained.
        public var trained = TrainedPart()
        /// How training changes images at random.
        public var augmentation = ImageAugmentation()
        /// The dropout rate of an encoder of images; `nil`: none, as they were pre-trained. Augmentation delays overfitting in its place.
        public var imageDropout: Float?
        /// Bytes of memory that training an encoder may take (``TransformerEncoder/limitTrainingMemory(to:)``); `nil`: the
        /// encoder's default.
        public var memory: Int?
        /// The numbers in which training multiplies: single precision or bfloat16. Weights, moments and sums are in single precision either way,
        /// and so are evaluations on dev.
        public var trainingPrecision = Precision.float32
        /// The processes that train together. All of them prepare the same data.
        public var communicator: any Communicator = SingleProcess()

        /// All defaults.
        public init() {}

        /// The peak learning rate of a training: ``learningRate``, or the mode's default. Low-rank terms need a rate about ten times as high as
        /// the weights themselves (measured: Documentation/results.md, "Low-rank terms").
        public func peakLearningRate(in mode: ModeChoice.Mode) -> Float {
            if let learningRate { return learningRate }
            let rate: Float = mode == .query ? 1.5e-4 : 5e-5
            return trained.lowRank == nil ? rate : 10 * rate
        }

        /// Applies ``trainingPrecision``, and ``memory``, which depends on it. The memory includes the trainer's three copies of the weights:
        /// the start, the best state, and the state that is being tried.
        /// - Throws: `EncoderError.memory` if the memory is too small.
        public func prepare(_ encoder: TransformerEncoder) throws {
            encoder.trainingPrecision = trainingPrecision
            if let memory { try encoder.limitTrainingMemory(to: memory, copiesOfWeights: 3) }
        }
    }

    /// Number of passes over the labels after which training of the query tower ends, even if time is left. On the
    /// bundled sample, fae-10k and NFCorpus the dev figure peaks between two and eight passes. A schedule over more
    /// passes keeps the learning rate high for too long, and the peak is lower.
    public static let queryTowerEpochs = 10

    /// The data to train on.
    public private(set) var data: TrainingData<ItemBatch>
    /// The mode of training, and the reason for it.
    public let choice: ModeChoice
    /// The settings of all contenders.
    public private(set) var settings: Settings

    package let collection: RetrievalCollection
    private let blackBox: BlackBoxIdentity
    package let queries: [Query]
    let released: ReleasedEncoder
    package let devQrels: Qrels
    /// ``QueryPartition/tooFewNewSets`` of dev.
    package let tooFewNewSets: Int?
    /// The queries that are learned from or chosen on.
    public let knownQueries: KnownQueries
    /// The vectors of all documents that the query side learns beside, not normalised, `(documents, dimension)`: those of
    /// the released encoder, unless others were given.
    package let documentBank: Matrix
    let cache: LocalVectorCache
    package let dataRecords: [ArtefactManifest.DataRecord]
    /// The released encoder in memory, not yet trained. The first contender trains this object.
    private var untrained: Untrained

    private final class Untrained {
        var encoder: TextEncoder?

        init(_ encoder: TextEncoder?) { self.encoder = encoder }
    }

    /// Prepares training: makes tokens, labels and the bank of document vectors.
    /// - Parameters:
    ///   - vectors: the black box's vectors of all documents and at least of the queries of `train` and `dev`.
    ///   - encoder: `released`, loaded with the frozen parts of `settings`, if the caller has loaded it already. It
    ///     will be trained.
    ///   - documentBank: vectors of the documents by another encoder of the same dimension, not normalised; `nil`: those
    ///     of `released`. Only for training the query side.
    ///   - onProgress: receives (name of the work, done, total).
    /// - Throws: `RetrievalError`, ``TrainingError``, `EncoderError`; `CancellationError` when cancelled.
    public init(
        collection: RetrievalCollection, splits: JudgedSplits, vectors: BlackBoxVectors, released: ReleasedEncoder,
        encoder: TextEncoder? = nil, documentBank: Matrix? = nil, settings: Settings, cache: LocalVectorCache,
        isCancelled: () -> Bool = { false }, onProgress: (String, Int, Int) -> Void = { _, _, _ in }
    ) throws {
        self.collection = collection
        blackBox = vectors.identity
        queries = vectors.queries
        self.released = released
        self.cache = cache
        let encoder =
            try encoder
            ?? released.load(settings.trained)
        var settings = settings
        if encoder.readsImages {
            settings.options.dropout = settings.imageDropout ?? 0
        } else {
            settings.augmentation = .off
        }
        self.settings = settings
        encoder.augmentation = settings.augmentation
        // Checked before the corpus is encoded, so that too little memory ends the run early.
        try settings.prepare(encoder.encoder)
        untrained = Untrained(encoder)
        let trainQrels = try splits.qrels(.train)
        devQrels = try splits.qrels(.dev)
        tooFewNewSets =
            QueryPartition(
                devQrels, learned: [trainQrels],
                identity: ContentIdentity(collection, labelledBy: [trainQrels, devQrels])
            ).tooFewNewSets
        knownQueries = try splits.knownQueries()

        let documents = collection.documents.map(\.item)
        let queries = vectors.queries.map(\.item)
        let documentInputs = try encoder.inputs(of: documents, prefix: encoder.prefixes.document)
        let queryInputs = try encoder.inputs(of: queries, prefix: encoder.prefixes.query)
        var labels = [[Judgement]](repeating: [], count: vectors.queries.count)
        func rows(_ qrels: Qrels) -> [Int] {
            let rows = vectors.queries.rows(of: collection.queries(judgedIn: qrels))
            for row in rows {
                labels[row] = qrels.judgements(of: vectors.queries[row].id, in: collection)
            }
            return rows
        }
        let trainRows = rows(trainQrels)
        let devRows = rows(devQrels)
        data = try TrainingData(
            queries: queryInputs, documents: documentInputs, labels: labels, trainQueries: trainRows,
            devQueries: devRows, blackBoxQueries: vectors.queryVectors, blackBoxDocuments: vectors.documentVectors,
            queryIdentities: TextIdentity.classes(of: queries.map(\.content)),
            documentIdentities: TextIdentity.classes(of: documents.map(\.content)), documentIds: collection.documentIds)
        self.documentBank =
            try documentBank
            ?? Self.vectors(
                of: documents, as: .document, encoder: encoder, released: released, cache: cache,
                by: settings.communicator, isCancelled: isCancelled
            ) { onProgress("Encoding documents", $0, $1) }

        if let mode = settings.mode {
            choice = ModeChoice(
                mode: mode, reason: settings.modeReason ?? "as asked",
                estimate: ModeChoice.choose(index: data.index).estimate)
        } else {
            let measured =
                settings.options.time == nil
                ? nil : try ModeChoice.measureTokensPerSecond(encoder.encoder, inputs: documentInputs)
            // Every process measures, and the first decides for all: several train as many times as fast, at best.
            choice = try settings.communicator.agreed(
                ModeChoice.choose(
                    index: data.index, time: settings.options.time,
                    tokensPerSecond: measured.map { $0 * Double(settings.communicator.count) }, hasBank: true))
        }
        dataRecords = try Self.records(of: collection, labels: [(.train, trainQrels), (.dev, devQrels)])
    }

    /// The same training with only some of the training queries, and the corresponding part of the time. The
    /// development queries stay the same.
    /// - Parameter rows: training queries of ``data``, by row.
    /// - Throws: ``TrainingError`` if no query is left.
    public func limited(toTrainQueries rows: [Int], seed: UInt64) throws -> CollectionTraining {
        var limited = seeded(seed)
        // If time ends the training, the time is reduced so that the number of passes stays the same.
        let passesEndIt = choice.mode == .query || settings.options.epochs != nil
        if !passesEndIt, let time = settings.options.time {
            limited.settings.options.time = time * Double(rows.count) / Double(max(1, data.index.trainQueries.count))
        }
        limited.data = try data.limited(toTrainQueries: rows)
        return limited
    }

    /// The same training with another seed, for at most `seconds`.
    public func seeded(_ seed: UInt64, seconds: Double) -> CollectionTraining {
        var training = seeded(seed)
        training.settings.options.time = seconds
        return training
    }

    /// Shares everything that takes time to make, except the encoder that is to be trained.
    private func seeded(_ seed: UInt64) -> CollectionTraining {
        var training = self
        training.settings.options.seed = seed
        training.untrained = Untrained(nil)
        return training
    }

    /// The released encoder's vectors of items, not normalised. Processes that train together share the work; each keeps its own
    /// part in the cache.
    private static func vectors(
        of items: [Item], as role: TextRole, encoder: TextEncoder, released: ReleasedEncoder, cache: LocalVectorCache,
        by communicator: any Communicator, isCancelled: () -> Bool, progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> Matrix {
        // An image takes as long as any other.
        let costs = items.map { $0.image == nil ? $0.text.utf8.count : 1_000 }
        let range = communicator.shares(of: costs)[communicator.rank]
        let own = communicator.count == 1 ? items : Array(items[range])
        let vectors = try cache.vectors(
            of: own, as: role, encoder: encoder, weights: released.weightsHash, isCancelled: isCancelled
        ) { progress($0, own.count) }
        return try communicator.gather(vectors)
    }

    /// The released encoder's vectors of all queries, not normalised. They are made once and kept in the cache.
    package func releasedQueryVectors(isCancelled: () -> Bool) throws -> Matrix {
        let encoder = try untrained.encoder ?? released.load()
        return try cache.vectors(
            of: queries.map(\.item), as: .query, encoder: encoder, weights: released.weightsHash,
            isCancelled: isCancelled)
    }

    /// Tokens trained per second on this machine, estimated with the released encoder.
    package func tokensPerSecond() throws -> Double {
        let encoder = try untrained.encoder ?? released.load()
        return try ModeChoice.measureTokensPerSecond(encoder.encoder, inputs: data.documents)
    }

    /// Trains one contender.
    /// - Parameters:
    ///   - base: the frozen scores beside which the encoder is trained, by row of ``data``; `nil`: the black box's. The
    ///     mixture of black box and encoder is fitted afterwards in either case.
    ///   - resume: whether to continue from the checkpoint in the folder.
    /// - Throws: ``TrainingError``, whatever the encoder and files throw, and `CancellationError` when cancelled. A
    ///   cancelled run leaves a checkpoint once its start was evaluated.
    public func train(
        _ contender: Contender, base: TrainingBase? = nil, checkpointFolder: URL?, resume: Bool = false,
        isCancelled: @escaping () -> Bool = { false }, onEvent: @escaping (TrainingEvent) -> Void = { _ in }
    ) throws -> TrainedEncoder {
        var options = contender.options(from: settings.options)
        options.learningRate = settings.peakLearningRate(in: choice.mode)
        if choice.mode == .query { options.epochs = options.epochs ?? Self.queryTowerEpochs }
        let encoder =
            try untrained.encoder
            ?? released.load(settings.trained)
        untrained.encoder = nil
        encoder.encoder.optimizerOptions.weightDecay = options.weightDecay
        encoder.encoder.dropoutProbability = options.dropout
        try settings.prepare(encoder.encoder)
        let mode = mode()
        // In modes that train documents the trainer makes these vectors itself, to estimate the time of encoding the
        // corpus.
        let untrainedQueries: (([Int]) throws -> Matrix)? =
            mode.trainsDocuments
            ? nil
            : { [cache, queries, released, settings] rows in
                try Self.vectors(
                    of: rows.map { queries[$0].item }, as: .query, encoder: encoder, released: released, cache: cache,
                    by: settings.communicator, isCancelled: isCancelled)
            }
        func run<Encoder: TrainableEncoder>(_ encoder: Encoder) throws -> TrainingOutcome
        where Encoder.Inputs == ItemBatch {
            let trainer = try Trainer(
                queryEncoder: encoder, data: data, mode: mode, loss: contender.objective(from: settings.loss),
                base: base,
                options: options, documentBank: documentBank, checkpointFolder: checkpointFolder,
                untrainedQueries: untrainedQueries, communicator: settings.communicator)
            return try trainer.run(resume: resume, isCancelled: isCancelled, onEvent: onEvent)
        }
        let outcome =
            settings.communicator.count == 1
            ? try run(encoder.encoder) : try run(DistributedEncoder(encoder.encoder, settings.communicator))
        if outcome.reason == .cancelled { throw CancellationError() }
        var trained = try finish(contender, encoder: encoder, outcome: outcome, mode: mode, options: options)
        trained.manifest.training?.hyperparameters["base"] = base.map { .text($0.name) }
        trained.manifest.training?.hyperparameters["stepSeconds"] = .number(outcome.stepSeconds)
        return trained
    }

    /// Mixes a trained encoder with the black box and measures it on dev.
    private func finish(
        _ contender: Contender, encoder: TextEncoder, outcome: TrainingOutcome, mode: any TrainingMode,
        options: TrainingOptions
    ) throws -> TrainedEncoder {
        let dev = data.index.devQueries
        let ids = dev.map { queries[$0].id }
        let form = outcome.localForm
        func embed(_ inputs: ItemBatch) throws -> Matrix {
            settings.communicator.count == 1
                ? try encoder.encoder.embed(inputs)
                : try DistributedEncoder(encoder.encoder, settings.communicator).embed(inputs)
        }
        let local = try outcome.developmentVectors ?? embed(data.queries.selecting(rows: dev))
        let documents = mode.trainsDocuments ? try embed(data.documents) : documentBank
        let mixture = try mixture(
            of: contender, outcome, local: local, documents: documents, byteBudget: options.scoreByteBudget)

        let index = try SourceIndex(
            Self.pair(blackBox: data.blackBoxDocuments.columns, local: local.columns, form: form),
            documents: SourceDocuments(
                ids: collection.documentIds, blackBox: data.blackBoxDocuments, local: documents, form: form))
        let rows = try index.queries(
            SourceQueries(ids: ids, blackBox: data.blackBoxQueries.selecting(rows: dev), local: local, form: form))
        let depth = ArtefactEvaluation.depth
        let blackBox = VectorSystem(
            queries: data.blackBoxQueries.selecting(rows: dev), documents: data.blackBoxDocuments)
        let rankings = [
            (ArtefactEvaluation.baseline, try blackBox.rankings(queries: Array(dev.indices), count: depth)),
            (contender.aloneName, try index.rankings(by: .local, of: rows, count: depth)),
            (contender.joinedName, try index.rankings(of: rows, weights: mixture.rankingWeights, count: depth)),
        ]
        let wanted = Set(ids)
        let development = try EvaluationReport(
            split: JudgedSplits.Part.dev.rawValue,
            runs: rankings.map { ($0, Run($1, queryIds: ids, documentIds: collection.documentIds)) },
            qrels: devQrels.filter { wanted.contains($0) }, baseline: ArtefactEvaluation.baseline)
        let verdict = Verdict(
            lambda: mixture.lambda, development: development, system: contender.joinedName, gain: outcome.gain,
            tooFewNewSets: tooFewNewSets)
        return TrainedEncoder(
            encoder: encoder, outcome: outcome,
            manifest: try manifest(
                of: contender, encoder: encoder, outcome: outcome, mode: mode, options: options, mixture: mixture,
                development: development, verdict: verdict),
            development: development, knownQueries: knownQueries)
    }

    /// A black box and a local encoder as sources.
    static func pair(blackBox: Int, local: Int, form: LocalForm) -> [any ScoreSource] {
        [BlackBoxVectorSource(dimension: blackBox, form: form), LocalVectorSource(dimension: local)]
    }

    /// The mixture of a trained contender with the black box. The weights are fitted on dev unless they are given.
    private func mixture(
        of contender: Contender, _ outcome: TrainingOutcome, local: Matrix, documents: Matrix, byteBudget: Int
    ) throws -> Mixture {
        if contender == .paperMafin { return Mixture(.paper, layout: settings.layout) }
        if case .norm(let factor) = outcome.localForm {
            return Mixture(normForm: factor, trainedWith: outcome.trainingScale)
        }
        let dev = data.index.devQueries
        let scores = FrozenScores(
            queries: dev, queryVectors: data.blackBoxQueries, documentVectors: data.blackBoxDocuments,
            byteBudget: byteBudget)
        do {
            let fit = try Calibration.fit(
                queries: dev, local: outcome.localForm.prepare(local).vectors,
                documents: outcome.localForm.prepare(documents).vectors, scores: scores, index: data.index,
                byteBudget: byteBudget)
            return Mixture(
                fit.scale, layout: settings.layout, origin: .calibrated,
                lambdaStandardError: fit.lambdaStandardError, fittedQueries: fit.labelledRows)
        } catch CalibrationError.uninformative {
            // Neither source ranks the dev labels above chance, so the weights of training are kept.
            return Mixture(outcome.best.result.scale, layout: settings.layout, origin: .calibrated)
        }
    }

    /// Whether a folder holds a checkpoint from which ``train(_:checkpointFolder:resume:isCancelled:onEvent:)`` can
    /// continue.
    public static func canResume(from folder: URL) -> Bool {
        FileManager.default.fileExists(atPath: folder.appendingPathComponent(TrainingCheckpoints.latestName).path)
    }

    private func mode() -> any TrainingMode {
        switch choice.mode {
        case .query: QueryTowerMode()
        case .block: BlockMode()
        case .pair: PairMode()
        }
    }

    private func manifest(
        of contender: Contender, encoder: TextEncoder, outcome: TrainingOutcome, mode: any TrainingMode,
        options: TrainingOptions, mixture: Mixture, development: EvaluationReport, verdict: Verdict
    ) throws -> ArtefactManifest {
        let trainsDocuments = mode.trainsDocuments
        // Whether the evaluation of the untrained start fitted both weights.
        let startIsCalibrated = outcome.start.result.figures["fitted"] == 1 && options.form != .localOnly
        return ArtefactManifest(
            contender: contender, blackBox: blackBox, blackBoxDimension: data.blackBoxDocuments.columns,
            mixing: mixture,
            documentEncoder: released.record(of: encoder, saved: trainsDocuments ? EncoderRecord.documentFolder : nil),
            queryEncoder: trainsDocuments ? nil : released.record(of: encoder, saved: EncoderRecord.queryFolder),
            released: released.record(of: encoder, saved: nil),
            objective: contender.objective(from: settings.loss).summary,
            training: ArtefactManifest.Training(
                mode: choice.mode.rawValue, steps: outcome.best.step,
                hyperparameters: [
                    "options": try ManifestValue(encoding: options),
                    "mode": try ManifestValue(encoding: mode.summary),
                    "modeReason": .text(choice.reason),
                    "frozenLayers": .integer(Int64(settings.trained.frozenLayers)),
                    "freezesEmbeddings": .boolean(settings.trained.freezesEmbeddings),
                    "augmentation": try settings.augmentation.isOff
                        ? .null : ManifestValue(encoding: settings.augmentation),
                    "lowRank": try settings.trained.lowRank.map { try ManifestValue(encoding: $0) } ?? .null,
                    "history": try ManifestValue(encoding: outcome.history),
                    "trainedShare": .number(Double(outcome.trainedShare)),
                    "gain": try outcome.gain.map { try ManifestValue(encoding: $0) } ?? .null,
                    "seconds": .number(outcome.elapsed),
                    "precision": .text(settings.trainingPrecision.rawValue),
                ]),
            untrainedScale: startIsCalibrated ? outcome.start.result.scale : nil,
            seeds: ["training": options.seed], data: dataRecords, development: development, verdict: verdict)
    }

    /// The records of the data that was learned from and chosen on: the texts, and the labels of `train` and `dev`.
    private static func records(
        of collection: RetrievalCollection, labels: [(part: JudgedSplits.Part, qrels: Qrels)]
    ) throws -> [ArtefactManifest.DataRecord] {
        guard let source = collection.source else { return [] }
        typealias Record = ArtefactManifest.DataRecord
        guard collection.format == .beir else {
            return [try Record(role: "collection", file: source, count: collection.documents.count)]
        }
        let texts = [("corpus", collection.documents.count), ("queries", collection.queries.count)]
        var records = try zip(texts, collection.sourceFiles).map { text, file in
            try Record(role: text.0, file: file, count: text.1)
        }
        for (part, qrels) in labels {
            // A part that was cut out of `train` has the same file as `train`.
            guard let file = collection.file(ofSplit: part.rawValue) ?? collection.file(ofSplit: "train") else {
                continue
            }
            records.append(try Record(role: "qrels/\(part.rawValue)", file: file, count: qrels.pairCount))
        }
        return records
    }
}
