import Foundation
import MafinNumerics

/// One run of a ``Trainer``: its state, and the course it takes. Every decision depends on ``state`` alone (the clock speaks only in a
/// run with a time budget: once for the plan, and where the budget is overrun), so that a resumed run goes the same way.
final class TrainingRun<Encoder: TrainableEncoder> {
    let trainer: Trainer<Encoder>
    let engine: StepEngine<Encoder>
    let isCancelled: () -> Bool
    let onEvent: (TrainingEvent) -> Void

    var state: TrainingState
    var best: [[Float]]
    var bank: DocumentBank
    var mined = MinedNegatives()

    /// The step plans of epoch `plannedEpoch`.
    private var plans: [StepPlan] = []
    private var plannedEpoch = -1
    private var tokensPerSecond: Double?
    private var secondsPerStep: Double?
    private var lastCheckpoint: ContinuousClock.Instant?
    private let began: ContinuousClock.Instant
    private let elapsedBefore: Double

    var options: TrainingOptions { trainer.options }
    var index: TrainingIndex { trainer.data.index }

    init(
        trainer: Trainer<Encoder>, resume: Bool, isCancelled: @escaping () -> Bool,
        onEvent: @escaping (TrainingEvent) -> Void
    ) throws {
        self.trainer = trainer
        self.isCancelled = isCancelled
        self.onEvent = onEvent
        began = ContinuousClock.now
        let data = trainer.data
        engine = StepEngine(
            queryEncoder: trainer.queryEncoder, documentEncoder: trainer.documentEncoder, data: data,
            scores: ScoreSource(
                queries: data.index.trainQueries, queryVectors: data.blackBoxQueries,
                documentVectors: data.blackBoxDocuments, byteBudget: trainer.options.scoreByteBudget),
            loss: trainer.loss, tokensPerPass: trainer.options.tokensPerPass)
        if resume {
            guard let checkpoints = trainer.checkpoints else {
                throw TrainingError.option(name: "checkpointFolder", expected: "a folder to resume from", found: "none")
            }
            let (state, folder) = try checkpoints.readState(of: trainer.identity)
            let contents = try checkpoints.read(
                state, from: folder, encoders: trainer.trained, bankChanges: trainer.mode.trainsDocuments)
            self.state = contents.state
            best = contents.best
            bank = contents.bank
            mined = contents.mined
            elapsedBefore = state.timing.elapsed
            onEvent(.resumed(step: state.step))
        } else {
            try trainer.checkpoints?.clear()
            let start = try TrainingStart(trainer: trainer, scores: engine.scores, isCancelled: isCancelled, onEvent)
            state = start.state
            bank = start.bank
            best = trainer.trained.map { $0.weights() }
            elapsedBefore = 0
        }
    }

    /// Seconds since the start of the run, earlier parts included.
    var elapsed: Double { elapsedBefore + seconds(since: began) }

    /// From the present state to the end of the run.
    func course() throws -> TrainingOutcome {
        if state.stopped != nil { return try finish() }
        do {
            while true {
                if evaluationIsDue { try evaluate() }
                if let reason = reasonToStop {
                    if state.history.last?.step != state.step { try evaluate() }
                    return try finish(reason)
                }
                if isCancelled() { throw CancellationError() }
                try planIfNeeded()
                try prepareEpoch()
                try refreshBankIfStale()
                try update()
            }
        } catch let error as CancellationError {
            guard !state.history.isEmpty else { throw error }
            try save()
            return try finish(.cancelled)
        }
    }

    // MARK: Length

    private var evaluationIsDue: Bool {
        guard let last = state.history.last else { return true }
        guard let plan = state.plan, last.step != state.step else { return false }
        return plan.evaluates(after: state.step)
    }

    private var reasonToStop: StopReason? {
        if let plan = state.plan, state.step >= plan.totalSteps { return .completed }
        if let patience = options.patience, state.withoutGain >= patience { return .noGain }
        if let time = options.time, elapsed > time * options.timeTolerance { return .timeSpent }
        return nil
    }

    private func planIfNeeded() throws {
        guard state.plan == nil else { return }
        let plans = stepPlans()
        let stepsPerEpoch = (plans.count + options.accumulation - 1) / options.accumulation
        if let time = options.time {
            guard state.step >= options.timingSteps else { return }
            let timing = state.timing
            let epochTokens = plans.reduce(0) { $0 + $1.tokens(in: index) }
            let perStep =
                timing.stepSeconds / Double(max(1, timing.stepTokens)) * Double(epochTokens) / Double(stepsPerEpoch)
            let corpus =
                Double(index.documentLengths.reduce(0, +)) * timing.embeddingSecondsPerToken
            let trains = trainer.mode.trainsDocuments
            let refresh = trains && trainer.mode.usesBank && options.bankRefresh == .everyEpoch ? corpus : 0
            state.plan = .byTime(
                options: options, stepsPerEpoch: stepsPerEpoch, done: state.step, remaining: time - elapsed,
                stepSeconds: perStep + (refresh + timing.preparationSeconds) / Double(stepsPerEpoch),
                evaluationSeconds: timing.evaluationSeconds
                    + (trains && !options.evaluationUsesBank ? corpus : 0))
        } else {
            state.plan = .bySteps(options: options, stepsPerEpoch: stepsPerEpoch)
        }
        if let plan = state.plan { onEvent(.planned(plan)) }
    }

    // MARK: Epochs

    /// The step plans of the present epoch: a function of seed and epoch.
    private func stepPlans() -> [StepPlan] {
        if plannedEpoch != state.epoch {
            var generator = RandomGenerator(seed: randomSeed(.order, state.epoch))
            plans = trainer.mode.steps(of: index, using: &generator)
            precondition(!plans.isEmpty, "the mode made no steps of \(index.trainQueries.count) queries")
            plannedEpoch = state.epoch
        }
        return plans
    }

    /// What a seed is for; each has a sequence of its own.
    private enum Purpose: UInt64 {
        case order = 1
        case dropout = 2
        case candidates = 3
    }

    private func randomSeed(_ purpose: Purpose, _ counter: Int, _ part: Int = 0) -> UInt64 {
        let stream = RandomGenerator.mix(options.seed &+ purpose.rawValue &* 0x9E37_79B9_7F4A_7C15)
        return RandomGenerator.mix(RandomGenerator.mix(stream &+ UInt64(counter)) &+ UInt64(part))
    }

    private var mines: Bool { trainer.mode.usesBank && index.documentCount > options.wholeCorpusLimit }

    private func prepareEpoch() throws {
        guard state.preparedEpoch != state.epoch else { return }
        let start = ContinuousClock.now
        if state.epoch > 0, options.bankRefresh == .everyEpoch { try refreshBank() }
        if mines {
            let queries = index.trainQueries
            mined = .mine(
                queries: queries, local: state.localForm.prepare(try embedQueries(queries)), bank: bank.rows,
                scores: engine.scores, head: ScoreHead(scale: state.scale, form: state.localForm), index: index,
                count: options.minedPerQuery, margin: options.miningMargin, byteBudget: options.scoreByteBudget)
        }
        state.preparedEpoch = state.epoch
        if mines { state.timing.preparationSeconds = seconds(since: start) }
        onEvent(.epoch(state.epoch))
    }

    private func refreshBankIfStale() throws {
        switch options.bankRefresh {
        case .never, .everyEpoch: return
        case .everySteps(let steps):
            if state.step - state.refreshedAt >= steps { try refreshBank() }
        case .whenStale(let drift):
            if bank.drift > drift { try refreshBank() }
        }
    }

    /// Encodes all documents with the weights of the moment, unless that was just done or nothing can have changed.
    private func refreshBank() throws {
        guard trainer.mode.trainsDocuments, state.refreshedAt != state.step else { return }
        let embeddings = try embedDocuments()
        bank = DocumentBank(rows: state.localForm.prepare(embeddings))
        state.refreshedAt = state.step
    }

    // MARK: Updates

    private func materialize(_ plan: StepPlan, part: Int) -> TrainingStep {
        guard trainer.mode.usesBank else { return plan.againstDocuments(index) }
        guard mines else { return plan.againstCorpus(index) }
        var generator = RandomGenerator(seed: randomSeed(.candidates, state.step, part))
        let others = mined.candidates(
            of: plan.queries, index: index, random: options.randomCandidates, using: &generator)
        return plan.againstDocuments(index, others: others) { self.mined.suspects[$0] ?? [] }
    }

    private func update() throws {
        let start = ContinuousClock.now
        let plans = stepPlans()
        let group = plans[state.position..<min(state.position + options.accumulation, plans.count)]
        let head = ScoreHead(scale: state.scale, form: state.localForm)
        let level = state.plan?.level(step: state.step) ?? RunPlan.unplannedLevel(step: state.step, options: options)
        let learningRate = options.learningRate * Float(level)
        var (loss, blackBoxScale, localScale) = (Float(0), 0.0, 0.0)
        var (tokens, plannedTokens) = (0, 0)
        for (part, plan) in group.enumerated() {
            let outcome = try engine.run(
                materialize(plan, part: part), head: head, bank: &bank,
                seed: options.dropout > 0 ? randomSeed(.dropout, state.step, part) : nil,
                gradientFactor: 1 / Float(group.count), wantsScale: state.scaleOptimizer != nil)
            guard outcome.loss.isFinite else { throw notFinite("loss", outcome.loss) }
            loss += outcome.loss / Float(group.count)
            blackBoxScale += outcome.blackBoxScale
            localScale += outcome.localScale
            tokens += outcome.tokens
            plannedTokens += plan.tokens(in: index)
        }
        var norm: Float = 0
        for encoder in trainer.trained {
            let one = try encoder.update(
                learningRate: learningRate, maximumGradientNorm: options.maximumGradientNorm)
            guard one.isFinite else { throw notFinite("gradient's norm", one) }
            norm = max(norm, one)
        }
        if state.scaleOptimizer != nil {
            state.scaleOptimizer?.update(
                blackBox: blackBoxScale, local: localScale,
                learningRate: Double(options.scaleLearningRate) * level)
            if let optimizer = state.scaleOptimizer { state.scale = optimizer.scale }
        }
        state.step += 1
        state.position += group.count
        let epoch = state.epoch
        if state.position >= plans.count {
            state.epoch += 1
            state.position = 0
        }
        state.loss.add(loss)
        state.tokens += tokens

        let spent = seconds(since: start)
        // The first update touches everything for the first time, and is no measure of the others.
        if state.plan == nil, state.step > 1 || options.timingSteps == 1 {
            state.timing.stepSeconds += spent
            state.timing.stepTokens += plannedTokens
        }
        secondsPerStep = secondsPerStep.map { $0 + 0.1 * (spent - $0) } ?? spent
        let rate = Double(tokens) / max(spent, 1e-9)
        tokensPerSecond = tokensPerSecond.map { $0 + 0.1 * (rate - $0) } ?? rate
        onEvent(
            .step(
                StepReport(
                    step: state.step, totalSteps: state.plan?.totalSteps, epoch: epoch, loss: loss,
                    smoothedLoss: state.loss.value ?? loss, learningRate: learningRate, gradientNorm: norm,
                    scale: state.scale, tokens: state.tokens, tokensPerSecond: tokensPerSecond ?? rate,
                    elapsed: elapsed, timeLeft: timeLeft)))
    }

    private var timeLeft: Double? {
        guard let plan = state.plan, let secondsPerStep else { return nil }
        let steps = plan.totalSteps - state.step
        let evaluations = (steps + plan.evaluateEvery - 1) / plan.evaluateEvery
        return Double(steps) * secondsPerStep + Double(evaluations) * state.timing.evaluationSeconds
    }

    private func notFinite(_ what: String, _ value: Float) -> TrainingError {
        restoreBest()
        return .notFinite(what: what, step: state.step + 1, value: value)
    }

    // MARK: Evaluation and the end

    private func evaluate() throws {
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
            best = trainer.trained.map { $0.weights() }
        } else {
            state.withoutGain += 1
        }
        if options.refitScale, options.form == .fixed {
            state.scale = result.scale.raised(toLambda: options.minimumLambda)
        }
        state.timing.evaluationSeconds = seconds(since: start)
        onEvent(.evaluated(record, isBest: isBest))
        if lastCheckpoint.map({ seconds(since: $0) >= options.checkpointSeconds }) ?? true { try save() }
    }

    private func isBetter(_ a: DevelopmentResult, than b: DevelopmentResult) -> Bool {
        switch options.selection {
        case .metric: a.metric > b.metric || (a.metric == b.metric && a.logLikelihood > b.logLikelihood)
        case .likelihood: a.logLikelihood > b.logLikelihood
        }
    }

    private func save() throws {
        guard let checkpoints = trainer.checkpoints else { return }
        state.timing.elapsed = elapsed
        state.drift = bank.driftState
        try checkpoints.write(
            TrainingCheckpoints.Contents(state: state, best: best, bank: bank, mined: mined),
            encoders: trainer.trained, bankChanges: trainer.mode.trainsDocuments)
        lastCheckpoint = .now
        onEvent(.checkpoint(step: state.step))
    }

    private func restoreBest() {
        for (encoder, weights) in zip(trainer.trained, best) { encoder.restore(weights: weights) }
    }

    private func finish(_ reason: StopReason) throws -> TrainingOutcome {
        if reason != .cancelled {
            state.stopped = reason
            try save()
        }
        onEvent(.stopped(reason))
        restoreBest()
        return outcome(reason)
    }

    private func finish() throws -> TrainingOutcome {
        restoreBest()
        return outcome(state.stopped ?? .completed)
    }

    private func outcome(_ reason: StopReason) -> TrainingOutcome {
        TrainingOutcome(
            reason: reason, steps: state.step, start: state.history[0], best: state.history[state.best],
            history: state.history, trainingScale: state.bestScale, localForm: state.localForm, tokens: state.tokens,
            elapsed: state.stopped == nil ? elapsed : state.timing.elapsed)
    }
}

/// Seconds from an instant to now, by a clock that does not stop or jump.
func seconds(since start: ContinuousClock.Instant) -> Double {
    let duration = (ContinuousClock.now - start).components
    return Double(duration.seconds) + Double(duration.attoseconds) * 1e-18
}
