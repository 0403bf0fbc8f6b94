import Foundation
import MafinNumerics

/// Trains a local encoder beside a frozen black box: steps of a ``TrainingMode``, a ``Loss`` over the joint score, evaluations on dev, the best
/// state restored, checkpoints from which a run goes on bitwise as if it had never stopped.
///
/// ```swift
/// let trainer = try Trainer(queryEncoder: encoder, data: data, mode: QueryTowerMode(), loss: ListNet(target: .exponentialGain))
/// let outcome = try trainer.run { event in print(event) }
/// ```
/// Everything random follows from ``TrainingOptions/seed``, and the black box's scores from its stored vectors; it is never asked.
public final class Trainer<Encoder: TrainableEncoder> {
    /// An evaluation of a state on development queries.
    public typealias Evaluation = (DevelopmentState) throws -> DevelopmentResult
    /// Vectors of queries as the released encoder emits them, `(queries, dimension)`; asked for before the first update only.
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

    /// A trainer; nothing is encoded before ``run(resume:isCancelled:onEvent:)``.
    /// - Parameters:
    ///   - queryEncoder: the encoder that learns, at its released weights. It encodes documents too where `documentEncoder` is `nil`.
    ///   - documentEncoder: a tower of its own for documents. In a mode that trains documents it learns too; otherwise it only makes
    ///     the bank.
    ///   - mode: what each step encodes, and against what.
    ///   - loss: over the joint score's logits.
    ///   - documentBank: the document vectors of the released encoder as it emits them, `(documents, dimension)`, where they are known
    ///     already; `nil`: they are made at the start of the run, one pass over the corpus.
    ///   - checkpointFolder: where checkpoints go; `nil`: none are written, and the run cannot be resumed.
    ///   - evaluation: what to choose by; `nil`: ``DevelopmentEvaluator``.
    ///   - untrainedQueries: finds query vectors of the released encoder that are known already; `nil`: they are made. For a mode that
    ///     trains documents they must be made, as that is what tells how long a corpus takes.
    /// - Throws: ``TrainingError`` for options out of range, a bank of the wrong size, or no development queries.
    public init(
        queryEncoder: Encoder, documentEncoder: Encoder? = nil, data: TrainingData<Encoder.Inputs>,
        mode: any TrainingMode, loss: any Loss, options: TrainingOptions = TrainingOptions(),
        documentBank: Matrix? = nil, checkpointFolder: URL? = nil, evaluation: Evaluation? = nil,
        untrainedQueries: UntrainedQueries? = nil
    ) throws {
        try options.validate()
        func check(_ part: String, _ found: Int, _ expected: Int) throws {
            guard found == expected else { throw TrainingError.size(part: part, expected: expected, found: found) }
        }
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
    }

    /// The encoders that learn, query side first.
    var trained: [Encoder] {
        guard mode.trainsDocuments, let documentEncoder else { return [queryEncoder] }
        return [queryEncoder, documentEncoder]
    }

    /// What a checkpoint must be of to be resumed.
    var identity: RunIdentity {
        var options = options
        options.checkpointSeconds = 0  // Moves no result.
        return RunIdentity(
            options: options, mode: mode.summary, loss: loss.summary, towers: documentEncoder == nil ? 1 : 2,
            dimension: queryEncoder.dimension, dataHash: DataHash(data).value)
    }

    /// Trains until the planned end, until patience or time run out, or until cancelled. The encoders then hold the best state.
    ///
    /// - Parameters:
    ///   - resume: goes on from the checkpoint folder's latest checkpoint. Of a run that had ended the best state is restored.
    ///   - isCancelled: asked before every update and between pieces of long encodings; `true` ends the run with a checkpoint.
    ///   - onEvent: progress, called on this thread.
    /// - Throws: ``TrainingError/notFinite(what:step:value:)`` (best state restored, last checkpoint kept),
    ///   ``TrainingError/checkpoint(path:expected:found:)``, what encoder, evaluation or files throw, and `CancellationError` where cancelled
    ///   before the untrained start was evaluated, when there is nothing yet to resume.
    public func run(
        resume: Bool = false, isCancelled: @escaping () -> Bool = { false },
        onEvent: @escaping (TrainingEvent) -> Void = { _ in }
    ) throws -> TrainingOutcome {
        let run = try TrainingRun(trainer: self, resume: resume, isCancelled: isCancelled, onEvent: onEvent)
        return try run.course()
    }
}
