import MafinNumerics

/// The state before the first step: the bank of the released encoder, and the scale of both scores.
struct TrainingStart {
    var state: TrainingState
    var bank: DocumentBank

    init<Encoder: TrainableEncoder>(
        trainer: Trainer<Encoder>, isCancelled: () -> Bool, _ onEvent: (TrainingEvent) -> Void
    ) throws {
        let (options, data) = (trainer.options, trainer.data)
        let index = data.index
        let start = ContinuousClock.now
        let documents = try trainer.releasedBank ?? trainer.embedDocuments(isCancelled: isCancelled, onEvent)
        var timing = TrainingState.Timing()
        if trainer.releasedBank == nil {
            timing.allStepSeconds = seconds(since: start)
            timing.embeddingSecondsPerToken = seconds(since: start) / Double(max(1, index.documentLengths.reduce(0, +)))
        }

        var generator = RandomGenerator(seed: RandomGenerator.mix(options.seed))
        let sample = Array(index.trainQueries.shuffled(using: &generator).prefix(options.calibrationQueries))
        let needsSample = options.scale == .calibrated || options.form == .norm
        let queries =
            needsSample
            ? try trainer.untrainedQueries?(sample)
                ?? trainer.queryEncoder.embed(
                    data.queries.selecting(rows: sample), tokensPerPiece: options.tokensPerPass,
                    isCancelled: isCancelled)
            : Matrix(rows: 0, columns: trainer.queryEncoder.dimension)

        var scale: MixtureWeights
        switch (options.scale, options.form) {
        case (.given(let given), .localOnly):
            scale = MixtureWeights(blackBox: 0, local: 1 / given.temperature)
        case (.given(let given), _):
            scale = given
        case (.calibrated, let form):
            let scores =
                form == .localOnly
                ? nil
                : data.frozenScores(of: sample, base: trainer.base, byteBudget: options.scoreByteBudget)
            scale = try Calibration.fit(
                queries: sample, local: LocalForm.unit.prepare(queries).vectors,
                documents: LocalForm.unit.prepare(documents).vectors, scores: scores, index: index,
                byteBudget: options.scoreByteBudget
            ).scale
            if form != .localOnly { scale = scale.withLambda(atLeast: options.minimumLambda) }
        }

        var form = LocalForm.unit
        if options.form == .norm {
            form = Self.normForm(lambda: scale.lambda, queries: queries, documents: documents)
        }
        let learned = options.form == .learned ? LearnedScale(scale: scale) : nil
        if let learned { scale = learned.scale }
        bank = DocumentBank(rows: form.prepare(documents))
        state = TrainingState(
            identity: trainer.identity, scale: scale, localForm: form, learnedScale: learned, scaleAtBest: scale,
            timing: timing)
        onEvent(.calibrated(scale))
    }

    /// The norm form whose constant c satisfies c² ‖q‖ ‖d‖ = λ / (1 − λ) for the mean norms of queries and documents.
    /// At these norms the local score has the weight λ. λ is kept within .01…0.99.
    private static func normForm(lambda: Float, queries: Matrix, documents: Matrix) -> LocalForm {
        func meanNorm(_ matrix: Matrix) -> Float {
            let norms = matrix.normalizedRows().norms
            return norms.reduce(0, +) / Float(max(1, norms.count))
        }
        let typical = meanNorm(queries) * meanNorm(documents)
        let share = min(max(lambda, 0.01), 0.99)
        return .norm(factor: typical > 0 ? (share / (1 - share) / typical).squareRoot() : 1)
    }
}

/// Where the scale of black-box and local scores comes from before the first step.
public enum ScaleStart: Sendable, Codable, Equatable {
    /// Fitted by maximum likelihood of training labels over full lists, with the untrained encoder (``Calibration``, whose error ends the
    /// run where neither score ranks the labels above chance). With ``ScoreForm/localOnly`` only τ is fitted.
    case calibrated
    /// As given, for instance ``MixtureWeights/paper``. ``ScoreForm/localOnly`` takes the temperature only.
    case given(MixtureWeights)
}
