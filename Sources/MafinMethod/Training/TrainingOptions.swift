import MafinRetrieval

/// Every choice of a training run that is not its data, its mode or its loss, each with the default that is known to work.
public struct TrainingOptions: Sendable, Codable, Equatable {
    /// Everything random (order, dropout, sampled candidates) follows from it: equal seeds, equal results.
    public var seed: UInt64 = 1

    // MARK: Optimiser

    /// Peak learning rate. 1.5e-4 is for the query tower, where the frozen bank keeps the encoder from drifting; documents that
    /// learn too want about 5e-5. Too high shows as a dev figure that falls from the first evaluation on.
    public var learningRate: Float = 1.5e-4
    /// AdamW's decoupled decay. Handed to the encoder's optimiser by whoever makes the encoder; kept here for the record.
    public var weightDecay: Float = 0.01
    /// The encoder's dropout rate, set by whoever makes the encoder. 0 trains without masks; .1 delays over-fitting of few labels.
    public var dropout: Float = 0.1
    /// Gradients of a larger norm are scaled down to it, per tower; `nil` leaves them. Keeps one odd batch from undoing the run.
    public var maximumGradientNorm: Float? = 1
    /// Batches whose gradients are averaged before an update: larger batches in the memory of one.
    public var accumulation = 1
    /// How the learning rate falls after the warm-up, over the whole run.
    public var decay: LearningRateDecay = .linear
    /// Share of the whole run over which the learning rate rises.
    public var warmupFraction = 0.05
    /// The warm-up takes at least so many steps (but no more than a quarter of the run).
    public var minimumWarmupSteps = 10

    // MARK: Length (the first limit that is reached ends the run)

    /// Passes over the training data. Where neither this, nor steps, nor time is given, 20.
    public var epochs: Int?
    /// Updates.
    public var steps: Int?
    /// Seconds for everything: bank, evaluations, steps. The number of steps is planned once, from the time of the first few, and
    /// belongs to the state that a resumed run reads; so the clock does not enter the schedule again.
    public var time: Double?
    /// Steps that are measured before a run with a time budget is planned.
    public var timingSteps = 5
    /// A run with a time budget ends early once it has spent this multiple of it (the machine became slower than planned).
    public var timeTolerance = 1.05

    // MARK: Choosing on dev

    /// Updates between evaluations; `nil`: the run is cut into ``evaluations`` parts.
    public var evaluateEvery: Int?
    /// Evaluations of a run where ``evaluateEvery`` does not say; fewer where they would take more than ``evaluationShare`` of the time.
    public var evaluations = 12
    /// Largest share of a time budget that evaluations may take.
    public var evaluationShare = 0.2
    /// The run ends after so many evaluations in a row without a gain; `nil`: never early.
    public var patience: Int? = 6
    /// The figure of merit of ``Selection/metric``.
    public var metric = Metric.nDCG(cutoff: 10)
    /// What makes a state the best. With few dev queries the likelihood is the steadier choice.
    public var selection: Selection = .metric

    /// Shares of the trained weights that are tried when training is over, the rest being that of the released ones; the mean (or the trained
    /// weights themselves) that makes the dev labels most likely is kept. For modes whose document vectors stay as released. Empty: the trained
    /// weights as they are.
    public var trainedShares: [Float] = [0.85, 0.7, 0.5]

    // MARK: Score

    /// How the two halves' scores become one.
    public var form: ScoreForm = .fixed
    /// Where the scale of both halves comes from.
    public var scale: ScaleStart = .calibrated
    /// Whether evaluations rank at the scale fitted on dev; off: at the scale of training, as the paper's fixed λ = ½ wants it.
    public var fitsScaleOnDev = true
    /// Training queries, drawn by seed, on which the scale is calibrated before training.
    public var calibrationQueries = 300
    /// Adam's learning rate of λ's logit and τ's logarithm in the `learned` form.
    public var scaleLearningRate: Float = 0.01
    /// A calibrated λ below it is raised to it for training (a is kept, b raised): at λ = 0 the encoder would get no gradient at all, and
    /// could never earn its share. The scale that evaluations fit is not touched.
    public var minimumLambda: Float = 0.05
    /// Whether training that started at a calibrated scale goes on, in the `fixed` form, at the scale that each evaluation fits on dev: the
    /// local half's say grows as it gets better, and with it its gradient. (NFCorpus, 300 steps of the query tower, one seed: dev
    /// nDCG@10 .357 instead of .348.) A given scale is always kept.
    public var refitScale = true

    // MARK: Documents

    /// When all rows of the bank are encoded anew, in modes that train the document side.
    public var bankRefresh: BankRefresh = .everyEpoch
    /// Whether evaluations use the bank as it is instead of encoding the corpus with the weights of the moment. Saves a pass over
    /// the corpus an evaluation; the figures are then those of partly stale vectors.
    public var evaluationUsesBank = false

    // MARK: Candidates

    /// Which documents a row of the score block is a distribution over, in modes that use the bank. The whole corpus would make
    /// every document that no training query knows a negative of all queries, and push the very documents away that held-out
    /// queries look for.
    public var candidates: CandidateScope = .labelled

    // MARK: Candidates of large corpora

    /// The loss sees the whole corpus up to so many documents; above, mined and random candidates.
    public var wholeCorpusLimit = 100_000
    /// Hard negatives of each query: the top of the current mixed score, anew every epoch.
    public var minedPerQuery = 50
    /// Random documents added to the candidates of every batch: they keep the easy part of the corpus in sight.
    public var randomCandidates = 1_000
    /// A candidate whose mixed score `(1−λ) s_bb + λ s_θ` is above that of the query's best positive by more than this is taken for an
    /// unlabelled positive: never a negative of that query.
    public var miningMargin: Float = 0.05

    // MARK: Resources

    /// Bytes up to which a matrix of black-box scores is kept; larger ones are computed block by block from the vectors.
    public var scoreByteBudget = 512 << 20
    /// Tokens of one forward pass. A step of more tokens is cut: embed all, then each piece again with its backward pass (GradCache),
    /// the same gradient at a third more time. Bounds the memory for activations.
    public var tokensPerPass = 32_768
    /// Seconds that lie at least between two checkpoints made at evaluations; 0: one at each. A run that ends or is cancelled always
    /// leaves one.
    public var checkpointSeconds: Double = 30

    /// All defaults.
    public init() {}

    /// Which dev figure decides.
    public enum Selection: String, Sendable, Codable {
        /// The metric (nDCG@10); equal metrics are told apart by likelihood.
        case metric
        /// The mean log-likelihood of the dev labels at the fitted scale.
        case likelihood
    }

    /// - Throws: ``TrainingError/option(name:expected:found:)`` for the first value out of range.
    public func validate() throws {
        func require(_ holds: Bool, _ name: String, _ expected: String, _ found: some Any) throws {
            guard holds else { throw TrainingError.option(name: name, expected: expected, found: "\(found)") }
        }
        try require(learningRate > 0 && learningRate.isFinite, "learningRate", "a number above 0", learningRate)
        try require(weightDecay >= 0 && weightDecay.isFinite, "weightDecay", "a number of at least 0", weightDecay)
        try require(dropout >= 0 && dropout < 1, "dropout", "a rate in 0 ..< 1", dropout)
        if let norm = maximumGradientNorm {
            try require(norm > 0, "maximumGradientNorm", "a number above 0, or none", norm)
        }
        try require(accumulation >= 1, "accumulation", "at least 1", accumulation)
        try require((0..<1).contains(warmupFraction), "warmupFraction", "a share in 0 ..< 1", warmupFraction)
        try require(minimumWarmupSteps >= 0, "minimumWarmupSteps", "at least 0", minimumWarmupSteps)
        if let epochs { try require(epochs >= 1, "epochs", "at least 1", epochs) }
        if let steps { try require(steps >= 1, "steps", "at least 1", steps) }
        if let time { try require(time > 0 && time.isFinite, "time", "seconds above 0", time) }
        try require(timingSteps >= 1, "timingSteps", "at least 1", timingSteps)
        try require(timeTolerance >= 1, "timeTolerance", "at least 1", timeTolerance)
        if let evaluateEvery { try require(evaluateEvery >= 1, "evaluateEvery", "at least 1", evaluateEvery) }
        try require(evaluations >= 1, "evaluations", "at least 1", evaluations)
        try require(
            evaluationShare > 0 && evaluationShare < 1, "evaluationShare", "a share between 0 and 1", evaluationShare)
        if let patience { try require(patience >= 1, "patience", "at least 1, or none", patience) }
        for share in trainedShares {
            try require(share > 0 && share < 1, "trainedShares", "shares between 0 and 1", share)
        }
        try require(calibrationQueries >= 1, "calibrationQueries", "at least 1", calibrationQueries)
        try require(scaleLearningRate > 0, "scaleLearningRate", "a number above 0", scaleLearningRate)
        try require(minimumLambda >= 0 && minimumLambda < 1, "minimumLambda", "a share in 0 ..< 1", minimumLambda)
        try require(wholeCorpusLimit >= 0, "wholeCorpusLimit", "at least 0", wholeCorpusLimit)
        try require(minedPerQuery >= 0, "minedPerQuery", "at least 0", minedPerQuery)
        try require(randomCandidates >= 0, "randomCandidates", "at least 0", randomCandidates)
        try require(
            minedPerQuery + randomCandidates > 0, "minedPerQuery + randomCandidates", "at least 1 candidate", 0)
        try require(miningMargin >= 0, "miningMargin", "at least 0", miningMargin)
        try require(tokensPerPass >= 1, "tokensPerPass", "at least 1", tokensPerPass)
        try bankRefresh.validate()
    }
}

/// How the learning rate falls after the warm-up.
public enum LearningRateDecay: String, Sendable, Codable {
    /// In a straight line to 0 at the end of the run.
    case linear
    /// By half a cosine to 0.
    case cosine
    /// Not at all.
    case constant
}

/// How the two halves' scores become one logit.
public enum ScoreForm: String, Sendable, Codable {
    /// `z = a · s_bb + b · s_θ`, unit rows, the scale of the start kept: the paper's Mafin at λ = ½, or calibrated.
    case fixed
    /// The same with λ and τ trained along (λ-Mafin).
    case learned
    /// λ-Mafin's form without a λ: e_θ is not normalised, `z = (s_bb + c² q · d) / (τ √(1 + c²‖q‖²) √(1 + c²‖d‖²))`, so that the norm which
    /// the encoder emits is a weight per text. The constant c makes the start agree with the scale's λ.
    case norm
    /// `z = s_θ / τ`: the local encoder tuned alone, the baseline that joint training has to beat.
    case localOnly
}

/// Where the scale of both halves comes from before the first step.
public enum ScaleStart: Sendable, Codable, Equatable {
    /// Fitted by maximum likelihood of training labels over full lists, untrained encoder (``Calibration``, whose error ends the run where
    /// neither half ranks the labels above chance). With ``ScoreForm/localOnly`` only τ is fitted.
    case calibrated
    /// As given, for instance ``MixtureWeights/paper``. ``ScoreForm/localOnly`` takes the temperature only.
    case given(MixtureWeights)
}

/// Which documents the loss sees.
public enum CandidateScope: String, Sendable, Codable, CaseIterable {
    /// Every document. Those that no training query knows are then negatives of every query.
    case corpus
    /// Documents that some training query judges, relevant or not: what is not labelled is not pushed away. For collections whose held-out answers
    /// are documents of their own.
    case labelled
}

/// When the bank of document vectors is encoded anew as a whole.
public enum BankRefresh: Sendable, Codable, Equatable {
    /// Only fresh rows of the steps (and evaluations) replace old ones.
    case never
    /// Before every epoch but the first.
    case everyEpoch
    /// After so many updates.
    case everySteps(Int)
    /// When the rows that a step replaces differ from their successors by more than `drift` on average (1 − cosine, a moving mean over
    /// steps): a measure of staleness that costs nothing.
    case whenStale(drift: Float)

    func validate() throws {
        switch self {
        case .never, .everyEpoch:
            return
        case .everySteps(let steps):
            guard steps >= 1 else {
                throw TrainingError.option(name: "bankRefresh", expected: "at least 1 step", found: "\(steps)")
            }
        case .whenStale(let drift):
            guard drift > 0 else {
                throw TrainingError.option(name: "bankRefresh", expected: "a drift above 0", found: "\(drift)")
            }
        }
    }
}
