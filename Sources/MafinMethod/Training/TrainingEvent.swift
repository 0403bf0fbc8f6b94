/// Progress of a run.
public enum TrainingEvent: Sendable {
    /// Documents are being encoded for the bank: tokens done, tokens in all.
    case encodingDocuments(done: Int, total: Int)
    /// The scale at which training starts.
    case calibrated(MixtureWeights)
    /// A run is resumed after `step` updates.
    case resumed(step: Int)
    /// The run was planned.
    case planned(RunPlan)
    /// An epoch begins; the first is 0.
    case epoch(Int)
    /// An update was made.
    case step(StepReport)
    /// A state was evaluated. `isBest`: it is the best so far.
    case evaluated(EvaluationRecord, isBest: Bool)
    /// Training is over. A mean of trained and released weights was better on dev than the best state and is kept.
    case interpolated(Interpolation)
    /// A checkpoint was written.
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
    /// Norm of the gradient before clipping. If two encoders are trained, the larger of both norms.
    public var gradientNorm: Float
    /// The scale after this update.
    public var scale: MixtureWeights
    /// Tokens encoded with gradient since the start of the run.
    public var tokens: Int
    /// Tokens per second in recent updates.
    public var tokensPerSecond: Double
    /// Seconds since the start of the run, including the earlier parts of a resumed run.
    public var elapsed: Double
    /// Estimated seconds that are left, evaluations included; `nil` until the run is planned.
    public var timeLeft: Double?
}
