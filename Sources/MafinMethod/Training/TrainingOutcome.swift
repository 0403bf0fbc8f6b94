import MafinNumerics

/// One evaluation of a run.
public struct EvaluationRecord: Sendable, Codable, Equatable {
    /// Updates made before it; 0 is the untrained start.
    public var step: Int
    /// Its figures, without the figures of single queries.
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
    /// The caller's `isCancelled` returned `true`. The run can be resumed if it has a checkpoint folder.
    case cancelled
}

/// A weighted mean of trained and released weights. Such means are tried when training is over.
///
/// Training on a few hundred labelled queries can change the encoder so much that other queries suffer. A mean with the
/// released weights keeps most of what was learned and restores some of what was lost (Wortsman et al. 2022, "Robust
/// fine-tuning of zero-shot models").
public struct Interpolation: Sendable, Codable, Equatable {
    /// Share of the trained weights; the rest is the share of the released weights.
    public var trainedShare: Float
    /// The figures on dev with the averaged weights.
    public var result: DevelopmentResult
}

/// How a run ended. The encoders hold the best state.
public struct TrainingOutcome: Sendable {
    /// Why it ended.
    public var reason: StopReason
    /// Updates made.
    public var steps: Int
    /// The untrained start, measured on all development queries.
    public var start: EvaluationRecord
    /// The best state, or the start if no other state was better, measured on all development queries. If
    /// ``trainedShare`` is below 1, the figures are those of the averaged weights.
    public var best: EvaluationRecord
    /// All evaluations in order. All measure the same queries, either all or a sample (``RunPlan/OutsideWork/sample``).
    public var history: [EvaluationRecord]
    /// The gain of training on development queries that did not choose the state; `nil` if evaluations give no figures
    /// of single queries.
    public var gain: TrainingGain?
    /// Share of the best state's weights in the query encoder's weights; the rest is the share of the released weights.
    /// 1: all.
    public var trainedShare: Float
    /// The scale at which the best state was trained (not the one fitted on dev, which is `best.result.scale`).
    public var trainingScale: MixtureWeights
    /// How the encoder's rows are prepared for comparison.
    public var localForm: LocalForm
    /// Tokens encoded with gradient.
    public var tokens: Int
    /// Duration of the run in seconds.
    public var elapsed: Double
    /// Seconds spent in updates, encoding of the bank for them included. The rest of ``elapsed`` went into the start,
    /// evaluations, means of weights, mining and checkpoints.
    public var stepSeconds: Double
    /// The kept state's vectors of the development queries, not normalised, in the order of
    /// ``TrainingIndex/devQueries``; `nil` if the kept state comes from a checkpoint. They save the caller from making
    /// them again.
    public var developmentVectors: Matrix?

    /// Share of ``elapsed`` that was not spent in updates; 0 for a run without duration.
    public var outsideShare: Double { elapsed > 0 ? max(0, 1 - stepSeconds / elapsed) : 0 }

    /// Whether some state was better on dev than the start. Of several states one nearly always is, so use ``gain`` to
    /// judge whether training helped.
    public var improved: Bool { best.step > 0 }
}
