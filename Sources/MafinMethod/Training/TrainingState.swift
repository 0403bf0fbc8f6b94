/// The state of a run, apart from weights, moments and the bank. The next step depends on nothing else.
struct TrainingState: Codable {
    var identity: RunIdentity
    /// Updates made.
    var step = 0
    /// The present epoch, and how many of its step plans are done.
    var epoch = 0
    var position = 0
    /// The epoch for which bank and hard negatives were last prepared.
    var preparedEpoch = -1
    /// Number of updates that were made when the bank was last encoded as a whole.
    var refreshedAt = 0
    var drift = DocumentBank.DriftState()

    var scale: MixtureWeights
    var localForm: LocalForm
    var learnedScale: LearnedScale?
    var plan: RunPlan?

    var history: [EvaluationRecord] = []
    /// The figures of each query in each evaluation of ``history``; empty if evaluations do not give them.
    var queryFigures: [DevelopmentResult.QueryFigures] = []
    /// Position in ``history`` of the best evaluation, and the scale of training then.
    var best = 0
    var scaleAtBest: MixtureWeights
    /// Evaluations since the best.
    var withoutGain = 0

    var loss = SmoothedLoss()
    var tokens = 0
    var timing = Timing()
    var stopped: StopReason?
    /// The mean of best and released weights that was kept when training was over; `nil`: the best weights were kept.
    var interpolation: Interpolation?
    /// The figures of the start and of the kept state on all development queries, those of each query included; `nil`
    /// if all evaluations of ``history`` measure all queries.
    var wholeStart: DevelopmentResult?
    var wholeBest: DevelopmentResult?

    /// Measured times in seconds. They affect the run only through ``plan``.
    struct Timing: Codable {
        var elapsed: Double = 0
        /// Of the updates before the plan.
        var stepSeconds: Double = 0
        var stepTokens = 0
        /// Of all updates, encoding of the bank for them included.
        var allStepSeconds: Double = 0
        /// Of the last evaluation, without and with the embedding of its queries.
        var rankingSeconds: Double = 0
        var evaluationSeconds: Double = 0
        /// Of the last mining.
        var miningSeconds: Double = 0
        var embeddingSecondsPerToken: Double = 0
    }

    /// An exponential moving mean of the loss with bias correction, as for Adam's moments.
    struct SmoothedLoss: Codable {
        private var mean: Float = 0
        private var weight: Float = 0

        /// Weight of the newest loss.
        static let momentum: Float = 0.05

        /// The mean; `nil` before the first loss.
        var value: Float? { weight > 0 ? mean / weight : nil }

        mutating func add(_ loss: Float) {
            mean += Self.momentum * (loss - mean)
            weight += Self.momentum * (1 - weight)
        }
    }
}
