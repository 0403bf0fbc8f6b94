import MafinNumerics

/// Evaluations of a run on the development queries.
extension TrainingRun {
    /// Evaluates the present state, and keeps its weights if it is the best.
    func evaluate() throws {
        let start = ContinuousClock.now
        if !options.evaluationUsesBank { try refreshBank() }
        let places = sample
        if let places { limitStart(to: places) }
        var (result, vectors) = try measure(step: state.step, scale: state.scale, sample: places)
        for (what, value) in [("metric on dev", result.metric), ("likelihood on dev", result.logLikelihood)]
        where !value.isFinite {
            throw notFinite(what, Float(value))
        }
        if let figures = result.queries { state.queryFigures.append(figures) }
        result.queries = nil
        let record = EvaluationRecord(
            step: state.step, result: result, smoothedLoss: state.loss.value, tokens: state.tokens, elapsed: elapsed)
        let isBest = state.history.isEmpty || isBetter(result, than: state.history[state.best].result)
        state.history.append(record)
        if isBest {
            state.best = state.history.count - 1
            state.scaleAtBest = state.scale
            state.withoutGain = 0
            bestVectors = vectors.rows == index.devQueries.count ? vectors : nil
            // The weights of the untrained start were copied when the run was made.
            if state.step > 0 { best = trainer.trained.map { $0.weights() } }
        } else {
            state.withoutGain += 1
        }
        if options.refitScale, options.form == .fixed, options.scale == .calibrated {
            state.scale = result.scale.withLambda(atLeast: options.minimumLambda)
        }
        state.timing.evaluationSeconds = seconds(since: start)
        onEvent(.evaluated(record, isBest: isBest))
    }

    /// The figures of the present weights on the development queries or a sample of them, and the vectors of these
    /// queries, not normalised.
    private func measure(
        step: Int, scale: MixtureWeights, sample: [Int]?
    ) throws -> (result: DevelopmentResult, vectors: Matrix) {
        let queries = sample.map { $0.map { index.devQueries[$0] } } ?? index.devQueries
        let start = ContinuousClock.now
        let vectors = try embedQueries(queries)
        let embedded = ContinuousClock.now
        if state.timing.embeddingSecondsPerToken == 0 {
            let tokens = index.tokens(queries: queries, documents: [])
            state.timing.embeddingSecondsPerToken = (embedded - start).inSeconds / Double(max(1, tokens))
        }
        let result = try trainer.evaluation(
            DevelopmentState(
                step: step, queries: state.localForm.prepare(vectors), documents: bank.rows, scale: scale,
                form: options.form, sample: sample))
        state.timing.rankingSeconds = seconds(since: embedded)
        return (result, vectors)
    }

    private func isBetter(_ a: DevelopmentResult, than b: DevelopmentResult) -> Bool {
        options.selection.prefers((a.metric, a.logLikelihood), to: (b.metric, b.logLikelihood))
    }

    /// Tries means of the best and the released weights, keeps the best of them if it is better than the best state,
    /// and measures what is kept on all development queries if evaluations measured a sample.
    ///
    /// This is done only if the document vectors do not depend on the trained weights. Otherwise each mean would cost a
    /// pass over the corpus. The present weights of the encoder are restored afterwards. Nothing is kept before all is
    /// measured, so that a run that is cancelled here can repeat it.
    func conclude() throws {
        let record = state.history[state.best]
        guard record.step > 0, !trainer.mode.trainsDocuments else {
            state.wholeBest = state.wholeStart
            return
        }
        let encoder = trainer.queryEncoder
        let present = encoder.weights()
        defer { encoder.restore(weights: present) }
        var (weights, vectors) = (best[0], bestVectors)
        var kept: Interpolation?
        for share in options.trainedShares.prefix(released.isEmpty ? 0 : state.plan?.outside.means ?? 0) {
            let mean = zip(best[0], released).map { share * $0 + (1 - share) * $1 }
            encoder.restore(weights: mean)
            var tried = try measure(step: record.step, scale: state.scaleAtBest, sample: sample)
            tried.result.queries = nil
            guard tried.result.metric.isFinite, tried.result.logLikelihood.isFinite,
                isBetter(tried.result, than: kept?.result ?? record.result)
            else { continue }
            (weights, vectors) = (mean, tried.vectors)
            kept = Interpolation(trainedShare: share, result: tried.result)
        }
        if sample != nil {
            encoder.restore(weights: weights)
            let whole = try measure(step: record.step, scale: state.scaleAtBest, sample: nil)
            vectors = whole.vectors
            state.wholeBest = whole.result
        }
        (best[0], bestVectors, state.interpolation) = (weights, vectors, kept)
        if let kept { onEvent(.interpolated(kept)) }
    }

    /// Reduces the figures of the start, which is evaluated before the plan, to the sample on which all further
    /// evaluations measure.
    private func limitStart(to places: [Int]) {
        guard state.history.count == 1, state.wholeStart == nil, let figures = state.queryFigures.first else { return }
        var start = state.history[0].result
        start.queries = figures
        guard var limited = start.limited(to: places) else { return }
        state.wholeStart = start
        state.queryFigures = [limited.queries].compactMap { $0 }
        limited.queries = nil
        state.history[0].result = limited
    }

    /// The gain of training on queries that did not choose the state; `nil` if the figures of single queries are not
    /// known.
    var gain: TrainingGain? {
        var evaluations = state.queryFigures
        if let places = sample, let start = state.wholeStart?.queries, let best = state.wholeBest?.queries {
            let chose = Set(places)
            let others = index.devQueries.indices.filter { !chose.contains($0) }
            evaluations = [start, best].map { $0.limited(to: others) }
        } else if evaluations.count != state.history.count {
            return nil
        }
        return TrainingGain(evaluations: evaluations, selection: options.selection, seed: options.seed)
    }

    /// Places in the development queries of those that evaluations measure; `nil`: all. They depend only on the seed
    /// and the plan.
    private var sample: [Int]? {
        guard let size = state.plan?.outside.sample, size < index.devQueries.count else { return nil }
        var generator = RandomGenerator(seed: randomSeed(.development, 0))
        return index.devQueries.indices.shuffled(using: &generator).prefix(size).sorted()
    }
}
