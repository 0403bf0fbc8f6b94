extension TrainingRun {
    /// Evaluates the present state, and keeps it where it is the best.
    func evaluate() throws {
        let start = ContinuousClock.now
        if !options.evaluationUsesBank { try refreshBank() }
        let embedded = ContinuousClock.now
        let queries = state.localForm.prepare(try embedQueries(index.devQueries))
        if state.timing.embeddingSecondsPerToken == 0 {
            let tokens = index.devQueries.reduce(0) { $0 + index.queryLengths[$1] }
            state.timing.embeddingSecondsPerToken = seconds(since: embedded) / Double(max(1, tokens))
        }
        let result = try trainer.evaluation(
            DevelopmentState(
                step: state.step, queries: queries, documents: bank.rows, scale: state.scale, form: options.form))
        for (what, value) in [("metric on dev", result.metric), ("likelihood on dev", result.logLikelihood)]
        where !value.isFinite {
            throw notFinite(what, Float(value))
        }
        let record = EvaluationRecord(
            step: state.step, result: result, smoothedLoss: state.loss.value, tokens: state.tokens, elapsed: elapsed)
        let isBest = state.history.isEmpty || isBetter(result, than: state.history[state.best].result)
        state.history.append(record)
        if isBest {
            state.best = state.history.count - 1
            state.bestScale = state.scale
            state.withoutGain = 0
            // The untrained weights were taken when the run was made.
            if state.step > 0 { best = trainer.trained.map { $0.weights() } }
        } else {
            state.withoutGain += 1
        }
        if options.refitScale, options.form == .fixed, options.scale == .calibrated {
            state.scale = result.scale.raised(toLambda: options.minimumLambda)
        }
        state.timing.evaluationSeconds = seconds(since: start)
        onEvent(.evaluated(record, isBest: isBest))
    }

    private func isBetter(_ a: DevelopmentResult, than b: DevelopmentResult) -> Bool {
        switch options.selection {
        case .metric: a.metric > b.metric || (a.metric == b.metric && a.logLikelihood > b.logLikelihood)
        case .likelihood: a.logLikelihood > b.logLikelihood
        }
    }

    /// Writes a checkpoint of the present state.
    func save() throws {
        guard let checkpoints = trainer.checkpoints else { return }
        state.timing.elapsed = elapsed
        state.drift = bank.driftState
        try checkpoints.write(
            TrainingCheckpoints.Contents(state: state, best: best, bank: bank, mined: mined),
            encoders: trainer.trained, bankChanges: trainer.mode.trainsDocuments)
        lastCheckpoint = .now
        onEvent(.checkpoint(step: state.step))
    }

    func restoreBest() {
        for (encoder, weights) in zip(trainer.trained, best) { encoder.restore(weights: weights) }
    }

    /// Ends the run here.
    func finish(_ reason: StopReason) throws -> TrainingOutcome {
        if reason != .cancelled {
            try interpolate()
            state.stopped = reason
            try save()
        }
        onEvent(.stopped(reason))
        restoreBest()
        return outcome(reason)
    }

    /// The outcome of a run that had ended before.
    func finish() throws -> TrainingOutcome {
        restoreBest()
        return outcome(state.stopped ?? .completed)
    }

    private func outcome(_ reason: StopReason) -> TrainingOutcome {
        var best = state.history[state.best]
        if let interpolation = state.interpolation { best.result = interpolation.result }
        return TrainingOutcome(
            reason: reason, steps: state.step, start: state.history[0], best: best,
            history: state.history, trainedShare: state.interpolation?.trainedShare ?? 1,
            trainingScale: state.bestScale, localForm: state.localForm, tokens: state.tokens,
            elapsed: state.stopped == nil ? elapsed : state.timing.elapsed)
    }
}
