import Foundation
import MafinNumerics

/// Trains a local encoder beside a frozen black box: steps of a ``TrainingMode``, a ``Loss`` over the joint score, evaluations on dev, and in
/// the end the best state. A run resumes from its checkpoints bitwise as if it had never stopped.
///
/// ```swift
/// let trainer = try Trainer(queryEncoder: encoder, data: data, mode: QueryTowerMode(), loss: ListNet(target: .exponentialGain))
/// let outcome = try trainer.run { event in print(event) }
/// ```
/// Everything random follows from ``TrainingOptions/seed``. The black box's scores are computed from its stored vectors; it is never called.
public final class Trainer<Encoder: TrainableEncoder> {
    /// Evaluates a state on the development queries.
    public typealias Evaluation = (DevelopmentState) throws -> DevelopmentResult
    /// Vectors of queries as the released encoder emits them, `(queries, dimension)`; called before the first update only.
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
    let evaluation: Evaluation
    /// What a checkpoint must be of to be resumed.
    let identity: RunIdentity

    /// A trainer; nothing is encoded before ``run(resume:isCancelled:onEvent:)``.
    /// - Parameters:
    ///   - queryEncoder: the encoder to train, at its released weights. It encodes documents too if `documentEncoder` is `nil`.
    ///   - documentEncoder: a separate encoder of documents. It is trained in modes that train documents; otherwise it only makes the bank.
    ///   - mode: what each step encodes, and against what.
    ///   - loss: over the joint score's logits.
    ///   - documentBank: the document vectors of the released encoder as it emits them, `(documents, dimension)`; `nil`: they are made at
    ///     the start of the run, one pass over the corpus.
    ///   - checkpointFolder: the folder of checkpoints; `nil`: none are written, and the run cannot be resumed.
    ///   - evaluation: gives the figures to choose by; `nil`: ``DevelopmentEvaluator``.
    ///   - untrainedQueries: gives query vectors of the released encoder; `nil`: they are made. In a mode that trains documents it must be
    ///     `nil`, as the time of a pass over the corpus is estimated from them.
    /// - Throws: ``TrainingError`` for options out of range, a bank of the wrong size, or no development queries.
    public init(
        queryEncoder: Encoder, documentEncoder: Encoder? = nil, data: TrainingData<Encoder.Inputs>,
        mode: any TrainingMode, loss: any Loss, options: TrainingOptions = TrainingOptions(),
        documentBank: Matrix? = nil, checkpointFolder: URL? = nil, evaluation: Evaluation? = nil,
        untrainedQueries: UntrainedQueries? = nil
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
        self.options = options
        precondition(
            untrainedQueries == nil || !mode.trainsDocuments,
            "where documents train, query vectors are made to be timed")
        releasedBank = documentBank
        self.untrainedQueries = untrainedQueries
        checkpoints = checkpointFolder.map { TrainingCheckpoints(folder: $0) }
        if let evaluation {
            self.evaluation = evaluation
        } else {
            self.evaluation = try DevelopmentEvaluator(
                data: data, byteBudget: options.scoreByteBudget, metric: options.metric,
                fitsScale: options.fitsScaleOnDev
            ).evaluate
        }
        identity = RunIdentity(
            options: options, mode: mode, loss: loss, encoders: [queryEncoder, documentEncoder].compactMap { $0 },
            data: data)
    }

    /// The encoders that are trained, that of queries first.
    var trained: [Encoder] {
        guard mode.trainsDocuments, let documentEncoder else { return [queryEncoder] }
        return [queryEncoder, documentEncoder]
    }

    /// Whether the corpus is so large that candidates are mined.
    var mines: Bool { mode.usesBank && data.index.documentCount > options.wholeCorpusLimit }

    /// Whether every step has the same candidates with the same vectors.
    var hasFixedColumns: Bool {
        mode.usesBank && !mode.trainsDocuments && !mines && options.candidates == .labelled
    }

    /// Trains until the planned end, until patience or time run out, or until cancelled. The encoders then hold the best state.
    ///
    /// - Parameters:
    ///   - resume: whether to continue from the latest checkpoint in the folder. If that run had ended, its best state is restored.
    ///   - isCancelled: called before every update and between pieces of long encodings; `true` ends the run with a checkpoint.
    ///   - onEvent: progress, called on this thread.
    /// - Throws: ``TrainingError/notFinite(what:step:value:)`` (the best state is restored, the last checkpoint kept),
    ///   ``TrainingError/checkpoint(path:expected:found:)``, what encoder, evaluation or files throw, and `CancellationError` if cancelled
    ///   before the untrained start was evaluated, when there is nothing to resume yet.
    public func run(
        resume: Bool = false, isCancelled: @escaping () -> Bool = { false },
        onEvent: @escaping (TrainingEvent) -> Void = { _ in }
    ) throws -> TrainingOutcome {
        let run = try TrainingRun(trainer: self, resume: resume, isCancelled: isCancelled, onEvent: onEvent)
        return try run.course()
    }

    /// All documents as the document side emits them with the present weights, without dropout: `(documents, dimension)`. Each distinct text
    /// is encoded once. In a mode that does not train documents and has no document encoder this is not the bank once training has begun.
    /// - Throws: `CancellationError`, and what the encoder throws.
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
