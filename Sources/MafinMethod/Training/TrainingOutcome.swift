/// One evaluation of a run.
public struct EvaluationRecord: Sendable, Codable, Equatable {
    /// Updates made before it; 0 is the untrained start.
    public var step: Int
    /// Its figures, without those of single queries.
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

/// A weighted mean of trained and released weights, tried when training is over.
///
/// Training on the labels of a few hundred queries changes the encoder too much for all others. Part of the way back keeps most of what was
/// learned and regains some of what was forgotten (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
public struct Interpolation: Sendable, Codable, Equatable {
    /// Share of the trained weights; the rest is that of the released ones.
    public var trainedShare: Float
    /// The figures of the mean on dev.
    public var result: DevelopmentResult
}

/// How a run ended. The encoders hold the best state.
public struct TrainingOutcome: Sendable {
    /// Why it ended.
    public var reason: StopReason
    /// Updates made.
    public var steps: Int
    /// The untrained start.
    public var start: EvaluationRecord
    /// The best state, with the figures of the mean where ``trainedShare`` is below 1; the start itself where no other state was better.
    public var best: EvaluationRecord
    /// All evaluations in order.
    public var history: [EvaluationRecord]
    /// What training gained, on development queries that did not choose the state; `nil` where evaluations give no figures of single
    /// queries.
    public var gain: TrainingGain?
    /// Share of the best state's weights in what the query encoder holds; the rest is that of the released ones. 1: all.
    public var trainedShare: Float
    /// The scale at which the best state was trained (not the one fitted on dev, which is `best.result.scale`).
    public var trainingScale: MixtureWeights
    /// How the encoder's rows are made ready to be compared.
    public var localForm: LocalForm
    /// Tokens encoded with gradient.
    public var tokens: Int
    /// Seconds.
    public var elapsed: Double

    /// Whether some state was better on dev than the start. Of several states one nearly always is; whether training gained anything is
    /// what ``gain`` says.
    public var improved: Bool { best.step > 0 }
}
