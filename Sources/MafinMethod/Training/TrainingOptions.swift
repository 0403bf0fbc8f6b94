import MafinRetrieval

/// The options of a training run, in addition to data, mode and loss. Every option has a usable default.
public struct TrainingOptions: Sendable, Codable, Equatable {
    /// The seed of everything random (order, dropout, sampled candidates). Equal seeds give equal results.
    public var seed: UInt64 = 1

    // MARK: Optimiser

    /// Peak learning rate. 1.5e-4 suits the query tower, in which the frozen bank keeps the encoder from drifting.
    /// About 5e-5 suits modes that train documents. If the rate is too high, the dev figure falls from the first
    /// evaluation on.
    public var learningRate: Float = 1.5e-4
    /// AdamW's decoupled weight decay. It is only recorded here; the caller sets it when making the encoder.
    public var weightDecay: Float = 0.01
    /// The encoder's dropout rate. Its value is only recorded here; the caller sets it when making the encoder. With 0,
    /// training passes the encoder no dropout seed, unless its inputs are augmented. A rate of .1 delays overfitting on few labels.
    public var dropout: Float = 0.1
    /// Gradients of a larger Euclidean norm are scaled down to this norm, per encoder, so that one unusual batch cannot
    /// ruin the run; `nil`: never.
    public var maximumGradientNorm: Float? = 1
    /// Number of batches whose gradients are averaged for one update. It gives a larger batch in the memory of a small
    /// one.
    public var accumulation = 1
    /// How the learning rate falls after the warm-up, over the whole run.
    public var decay: LearningRateDecay = .linear
    /// Share of the updates of the run over which the learning rate rises.
    public var warmupFraction = 0.05
    /// The warm-up takes at least this many updates, or a quarter of the run if that is less.
    public var minimumWarmupSteps = 10

    // MARK: Length (the first limit that is reached ends the run)

    /// Number of passes over the training data. 20 if epochs, steps and time are all `nil`.
    public var epochs: Int?
    /// Number of updates.
    public var steps: Int?
    /// Seconds for everything: bank, evaluations and updates. The number of updates is planned once, from the time of
    /// the first few. Checkpoints store the plan, so that the clock does not affect the schedule again.
    public var time: Double?
    /// Number of updates that are timed before a run with a time budget is planned.
    public var timingSteps = 5
    /// A run ends once it has used this multiple of its time budget, even if the plan has more updates, because the
    /// machine has become slower than planned.
    public var timeTolerance = 1.05

    // MARK: Choosing on dev

    /// Number of updates between evaluations; `nil`: the run is cut into ``evaluations`` parts.
    public var evaluateEvery: Int?
    /// Number of evaluations of a run without ``evaluateEvery``. In a run with a time budget there are fewer, or they
    /// measure a sample of the development queries, if they would take more than ``outsideShare`` of the time.
    public var evaluations = 12
    /// Largest share of a run with a time budget that is spent outside its updates: on the start, evaluations, means of
    /// weights, mining and measuring the kept state. The start and the evaluation of the last state may exceed it.
    public var outsideShare = 0.1
    /// The run ends after this many evaluations in a row without a new best one; `nil`: it never ends early.
    public var patience: Int? = 6
    /// The metric of ``Selection/metric``.
    public var metric = Metric.nDCG(cutoff: 10)
    /// Which dev figure decides which state is the best. With few dev queries the likelihood varies less.
    public var selection: Selection = .metric

    /// Means of trained and released weights are tried when training is over. These are the shares of the trained
    /// weights, the first of them where the time is short. A mean is kept if ``selection`` prefers it to the trained
    /// weights. Applies only to modes that do not train documents. Empty: no mean is tried.
    public var trainedShares: [Float] = [0.85, 0.7, 0.5]

    // MARK: Score

    /// How the scores of black box and local encoder become one.
    public var form: ScoreForm = .fixed
    /// Where the scale of both scores comes from.
    public var scale: ScaleStart = .calibrated
    /// Whether evaluations rank at the scale fitted on dev. If not, at the scale of training, as the paper's fixed λ = ½ asks for.
    public var fitsScaleOnDev = true
    /// Training queries, drawn by seed, on which the scale is calibrated before training.
    public var calibrationQueries = 300
    /// Adam's learning rate for the logit of λ and the logarithm of τ, in the `learned` form.
    public var scaleLearningRate: Float = 0.01
    /// A calibrated λ below it is raised to it for training, by a larger b: at λ = 0 the encoder would get no gradient and could never
    /// become useful. The scale that evaluations fit is not changed.
    public var minimumLambda: Float = 0.05
    /// Whether training continues, in the `fixed` form with a calibrated start, at the scale that each evaluation fits on dev. The weight of
    /// the local score, and with it the gradient, then grows as the encoder gets better. (NFCorpus, 300 steps of the query tower, one
    /// seed: dev nDCG@10 .357 instead of .348.) A given scale is always kept.
    public var refitScale = true

    // MARK: Documents

    /// When all rows of the bank are encoded again, in modes that train documents.
    public var bankRefresh: BankRefresh = .everyEpoch
    /// Whether evaluations use the bank as it is instead of encoding the corpus with the present weights. This saves a
    /// pass over the corpus per evaluation, but the figures then come from partly outdated vectors.
    public var evaluationUsesBank = false

    // MARK: Candidates

    /// Which documents a query is compared with, in modes that use the bank. With the whole corpus, every document that
    /// no training query judges is a negative of all queries. Training then pushes away the documents that held-out
    /// queries ask for.
    public var candidates: CandidateScope = .labelled

    // MARK: Candidates of large corpora

    /// Up to this many documents in the corpus, all ``candidates`` are used. In larger corpora, mined and random
    /// candidates are used.
    public var wholeCorpusLimit = 100_000
    /// Number of hard negatives of each query: the documents with the highest mixed scores, mined again before every
    /// epoch, or less often where ``outsideShare`` asks for it.
    public var minedPerQuery = 50
    /// Number of random documents among the candidates of every batch, so that the loss also has easy negatives.
    public var randomCandidates = 1_000
    /// A document whose mixed score `(1−λ) s_bb + λ s_θ` exceeds that of the query's best positive at the last mining by
    /// more than this margin may be an unlabelled positive. It is no negative of that query.
    public var miningMargin: Float = 0.05

    // MARK: Resources

    /// Bytes up to which a matrix of frozen scores is kept in memory. Larger matrices are computed block by block.
    public var scoreByteBudget = 512 << 20
    /// Number of tokens that are embedded between two calls of the caller's `isCancelled`, when the corpus or the
    /// development queries are encoded. Training steps are not cut into pieces, because the encoder bounds the memory
    /// of a pass itself.
    public var tokensPerPass = 32_768
    /// Least number of seconds between checkpoints that are written at evaluations; 0: one at each evaluation. It is
    /// longer where writing a checkpoint would take more than a fiftieth of the time. A run that ends or is cancelled
    /// always writes one.
    public var checkpointSeconds: Double = 30

    /// All defaults.
    public init() {}

    /// Which dev figure decides.
    public enum Selection: String, Sendable, Codable {
        /// The metric, ``TrainingOptions/metric``. Of equal metrics the larger likelihood decides.
        case metric
        /// The mean log-likelihood of the dev labels at the fitted scale.
        case likelihood

        /// Whether a state with the figures `a` is better than a state with the figures `b`.
        func prefers<Figure: Comparable>(
            _ a: (metric: Figure, logLikelihood: Figure), to b: (metric: Figure, logLikelihood: Figure)
        ) -> Bool {
            switch self {
            case .metric: a.metric > b.metric || (a.metric == b.metric && a.logLikelihood > b.logLikelihood)
            case .likelihood: a.logLikelihood > b.logLikelihood
            }
        }
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
            outsideShare > 0 && outsideShare < 1, "outsideShare", "a share between 0 and 1", outsideShare)
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
        switch bankRefresh {
        case .never, .everyEpoch: break
        case .everySteps(let steps): try require(steps >= 1, "bankRefresh", "at least 1 step", steps)
        case .whenStale(let drift): try require(drift > 0, "bankRefresh", "a drift above 0", drift)
        }
    }
}
