import Foundation
import MafinNumerics

/// Trains a local encoder beside a frozen black box, or beside any other frozen scores (``TrainingBase``). A ``TrainingMode`` plans the steps, a ``Loss`` of the joint score
/// is minimised, and the state that is best on dev is kept. A run that is resumed from a checkpoint continues bit for
/// bit as if it had never stopped.
///
/// ```swift
/// let trainer = try Trainer(queryEncoder: encoder, data: data, mode: QueryTowerMode(), loss: ListNet(target: .exponentialGain))
/// let outcome = try trainer.run { event in print(event) }
/// ```
/// Everything random is determined by ``TrainingOptions/seed``. The black box's scores are computed from its stored
/// vectors. The black box itself is never called.
public final class Trainer<Encoder: TrainableEncoder> {
    /// Evaluates a state on the development queries.
    public typealias Evaluation = (DevelopmentState) throws -> DevelopmentResult
    /// Gives the released encoder's vectors of queries, not normalised, `(queries, dimension)`. Called only before the
    /// first update.
    public typealias UntrainedQueries = ([Int]) throws -> Matrix

    let queryEncoder: Encoder
    let documentEncoder: Encoder?
    let data: TrainingData<Encoder.Inputs>
    let mode: any TrainingMode
    let loss: any Loss
    let options: TrainingOptions
    let releasedBank: Matrix?
    let untrainedQueries: UntrainedQueries?
    let checkpoints: TrainingCheckpoints?
    let base: TrainingBase?
    let distillation: Distillation?
    let evaluation: Evaluation
    /// The processes that train together.
    let communicator: any Communicator
    /// Whether evaluations may measure only some of the development queries. An evaluation of the caller's own measures
    /// all of them. A mode that trains documents encodes the corpus for an evaluation, so a sample would save little.
    let samplesDevelopment: Bool
    /// What a checkpoint must match to be resumed.
    let identity: RunIdentity

    /// A trainer. Nothing is encoded before ``run(resume:isCancelled:onEvent:)`` is called.
    /// - Parameters:
    ///   - queryEncoder: the encoder to train, with its released weights. It encodes documents too if `documentEncoder`
    ///     is `nil`.
    ///   - documentEncoder: a separate encoder of documents. Modes that train documents train it. In other modes it
    ///     only makes the bank.
    ///   - mode: which texts each step encodes, and with which documents it compares them.
    ///   - loss: the loss of the joint score's logits.
    ///   - base: the frozen scores beside which the encoder is trained; `nil`: the black box's.
    ///   - distillation: a teacher of query vectors beside the labels; `nil`: none.
    ///   - documentBank: the released encoder's document vectors, not normalised, `(documents, dimension)`; `nil`: the
    ///     run starts by making them, in one pass over the corpus.
    ///   - checkpointFolder: the folder of checkpoints; `nil`: no checkpoints are written, and the run cannot be
    ///     resumed.
    ///   - evaluation: computes the figures by which states are chosen; `nil`: ``DevelopmentEvaluator``.
    ///   - communicator: the processes that train together, which `queryEncoder` is distributed over
    ///     (``DistributedEncoder``). All of them run the same trainer, and process 0 writes the checkpoints.
    ///   - untrainedQueries: gives the released encoder's query vectors; `nil`: the trainer makes them. Must be `nil`
    ///     in a mode that trains documents, because the time of a pass over the corpus is estimated from making them.
    /// - Throws: ``TrainingError`` if an option is out of range, a bank or an encoder has the wrong size, or there are
    ///   no development queries.
    public init(
        queryEncoder: Encoder, documentEncoder: Encoder? = nil, data: TrainingData<Encoder.Inputs>,
        mode: any TrainingMode, loss: any Loss, base: TrainingBase? = nil, distillation: Distillation? = nil,
        options: TrainingOptions = TrainingOptions(),
        documentBank: Matrix? = nil, checkpointFolder: URL? = nil, evaluation: Evaluation? = nil,
        untrainedQueries: UntrainedQueries? = nil, communicator: any Communicator = SingleProcess()
    ) throws {
        try options.validate()
        let check = TrainingError.requireSize
        if let documentEncoder {
            try check("document encoder's dimension", documentEncoder.dimension, queryEncoder.dimension)
        }
        if let documentBank {
            try check("rows of the document bank", documentBank.rows, data.documents.count)
            try check("columns of the document bank", documentBank.columns, queryEncoder.dimension)
        }
        self.queryEncoder = queryEncoder
        self.documentEncoder = documentEncoder
        self.data = data
        self.mode = mode
        self.loss = loss
        self.base = base
        if let distillation {
            try check("rows of the distillation's targets", distillation.targets.rows, data.queries.count)
            guard distillation.targets.columns <= queryEncoder.dimension else {
                throw TrainingError.size(
                    part: "columns of the distillation's targets", expected: queryEncoder.dimension,
                    found: distillation.targets.columns)
            }
        }
        self.distillation = distillation
        self.communicator = communicator
        self.options = options
        precondition(
            untrainedQueries == nil || !mode.trainsDocuments,
            "where documents train, query vectors are made to be timed")
        releasedBank = documentBank
        self.untrainedQueries = untrainedQueries
        checkpoints = checkpointFolder.map { TrainingCheckpoints(folder: $0) }
        samplesDevelopment = evaluation == nil && !mode.trainsDocuments
        if let evaluation {
            self.evaluation = evaluation
        } else {
            self.evaluation = try DevelopmentEvaluator(
                data: data, byteBudget: options.scoreByteBudget, metric: options.metric,
                fitsScale: options.fitsScaleOnDev, base: base
            ).evaluate
        }
        identity = RunIdentity(
            options: options, mode: mode, loss: loss, encoders: [queryEncoder, documentEncoder].compactMap { $0 },
            data: data, base: base, distillation: distillation)
    }

    /// The encoders that are trained. The encoder of queries comes first.
    var trained: [Encoder] {
        guard mode.trainsDocuments, let documentEncoder else { return [queryEncoder] }
        return [queryEncoder, documentEncoder]
    }

    /// Whether the corpus is so large that hard negatives are mined.
    var mines: Bool { mode.usesBank && data.index.documentCount > options.wholeCorpusLimit }

    /// Whether every step has the same candidates with the same vectors.
    var hasFixedColumns: Bool {
        mode.usesBank && !mode.trainsDocuments && !mines && options.candidates == .labelled
    }

    /// Trains until the planned end, until patience or time has run out, or until cancelled. The encoders then hold the
    /// best state.
    ///
    /// - Parameters:
    ///   - resume: whether to continue from the latest checkpoint in the folder. If that run has ended, its best state
    ///     is restored.
    ///   - isCancelled: called before every update and between the pieces of long encodings. `true` ends the run with a
    ///     checkpoint.
    ///   - onEvent: progress, called on this thread.
    /// - Throws: ``TrainingError/notFinite(what:step:value:)`` (the best state is restored, and the last checkpoint is
    ///   kept), ``TrainingError/checkpoint(path:expected:found:)``, ``TrainingError/option(name:expected:found:)`` for
    ///   a resumed run without a checkpoint folder, whatever the encoder, the evaluation or files throw, and
    ///   `CancellationError` if the run is cancelled before the untrained start was evaluated, when there is nothing to
    ///   resume yet.
    public func run(
        resume: Bool = false, isCancelled: @escaping () -> Bool = { false },
        onEvent: @escaping (TrainingEvent) -> Void = { _ in }
    ) throws -> TrainingOutcome {
        let run = try TrainingRun(trainer: self, resume: resume, isCancelled: isCancelled, onEvent: onEvent)
        return try run.course()
    }

    /// All documents, encoded with the present weights of the document side and without dropout, not normalised:
    /// `(documents, dimension)`. Each distinct text is encoded once. In a mode that does not train documents and has no
    /// document encoder, the result differs from the bank once training has begun.
    /// - Throws: `CancellationError`, and whatever the encoder throws.
    func embedDocuments(
        isCancelled: () -> Bool = { false }, _ onEvent: (TrainingEvent) -> Void = { _ in }
    ) throws -> Matrix {
        let texts = DistinctRows(Array(0..<data.documents.count), identities: data.index.documentIdentities)
        let embeddings = try (documentEncoder ?? queryEncoder).embed(
            texts.hasRepeats ? data.documents.selecting(rows: texts.rows) : data.documents,
            tokensPerPiece: options.tokensPerPass, isCancelled: isCancelled
        ) { onEvent(.encodingDocuments(done: $0, total: $1)) }
        return texts.hasRepeats ? embeddings.selecting(rows: texts.position) : embeddings
    }
}
