/// What a run tells while it runs.
public enum TrainingEvent: Sendable {
    /// Documents are being encoded for the bank: tokens done, tokens in all.
    case encodingDocuments(done: Int, total: Int)
    /// The scale at which training starts.
    case calibrated(MixtureWeights)
    /// A run goes on after so many updates.
    case resumed(step: Int)
    /// How long the run will be.
    case planned(RunPlan)
    /// An epoch begins; the first is 0.
    case epoch(Int)
    /// An update was made.
    case step(StepReport)
    /// A state was evaluated; whether it is the best so far.
    case evaluated(EvaluationRecord, isBest: Bool)
    /// Training is over, and a mean with the released weights does better on dev than the best state.
    case interpolated(Interpolation)
    /// A checkpoint lies on disk.
    case checkpoint(step: Int)
    /// The run is over.
    case stopped(StopReason)
}

/// One update, for a progress line.
public struct StepReport: Sendable {
    /// Updates made, this one included.
    public var step: Int
    /// Updates of the whole run; `nil` until it is planned.
    public var totalSteps: Int?
    /// The epoch; the first is 0.
    public var epoch: Int
    /// Loss of this update's batch, in nats.
    public var loss: Float
    /// Moving mean of the loss.
    public var smoothedLoss: Float
    /// Learning rate of this update.
    public var learningRate: Float
    /// Norm of the gradient before clipping; of two towers the larger.
    public var gradientNorm: Float
    /// The scale after this update.
    public var scale: MixtureWeights
    /// Tokens encoded with gradient since the start of the run.
    public var tokens: Int
    /// Tokens a second of recent updates.
    public var tokensPerSecond: Double
    /// Seconds since the start of the run, earlier parts of a resumed run included.
    public var elapsed: Double
    /// Seconds left as planned, evaluations included; `nil` until the run is planned.
    public var timeLeft: Double?
}

/// One evaluation.
public struct EvaluationRecord: Sendable, Codable, Equatable {
    /// Updates made before it; 0 is the untrained start.
    public var step: Int
    /// What the evaluation said.
    public var result: DevelopmentResult
    /// Moving mean of the training loss; `nil` at the start.
    public var smoothedLoss: Float?
    /// Tokens encoded with gradient so far.
    public var tokens: Int
    /// Seconds since the start of the run.
    public var elapsed: Double
}

/// Why a run ended.
public enum StopReason: String, Sendable, Codable {
    /// All planned updates were made.
    case completed
    /// ``TrainingOptions/patience`` evaluations in a row brought no gain.
    case noGain
    /// The time budget was overrun.
    case timeSpent
    /// The caller's `isCancelled` said so; the run can be resumed where it has a checkpoint folder.
    case cancelled
}

/// How a run ended. The encoders hold the best state.
public struct TrainingOutcome: Sendable {
    /// Why it ended.
    public var reason: StopReason
    /// Updates made.
    public var steps: Int
    /// The untrained start.
    public var start: EvaluationRecord
    /// The best state, with the figures of the mean where ``trainedShare`` is below 1; the start itself where training brought nothing.
    public var best: EvaluationRecord
    /// All evaluations in order.
    public var history: [EvaluationRecord]
    /// Share of the best state's weights in what the query encoder holds; the rest is that of the released ones. 1: all.
    public var trainedShare: Float
    /// The scale at which the best state was trained (not the one fitted on dev, which is `best.result.scale`).
    public var trainingScale: MixtureWeights
    /// What is done to the encoder's rows.
    public var localForm: LocalForm
    /// Tokens encoded with gradient.
    public var tokens: Int
    /// Seconds.
    public var elapsed: Double

    /// Whether training brought a better state than the start.
    public var improved: Bool { best.step > 0 }
}
