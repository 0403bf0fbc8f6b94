import Foundation
import MafinNumerics

/// One run of a ``Trainer``.
///
/// Every decision depends only on ``state``, so that a resumed run makes the same decisions. The clock matters only in
/// a run with a time budget: once for the plan, and when the budget is exceeded.
final class TrainingRun<Encoder: TrainableEncoder> {
    let trainer: Trainer<Encoder>
    private let engine: StepEngine<Encoder>
    let isCancelled: () -> Bool
    /// Set when ``isCancelled`` could not ask the other processes.
    private let fault: Fault
    let onEvent: (TrainingEvent) -> Void

    var state: TrainingState
    /// Weights of each trained encoder at the best state.
    var best: [[Float]]
    /// The query vectors of the best state, not normalised; `nil` if it was measured on a sample or before a resumption.
    var bestVectors: Matrix?
    /// Weights of the query encoder before its first update; empty if no means with them are tried.
    let released: [Float]
    var bank: DocumentBank
    private var mined = MinedNegatives()

    /// The step plans of epoch `plannedEpoch`.
    private var plans: [StepPlan] = []
    private var plannedEpoch = -1
    /// Moving means, for progress reports.
    private var tokensPerSecond: Double?
    private var secondsPerStep: Double?
    private var lastCheckpoint = ContinuousClock.now
    /// Seconds that the last checkpoint took; `nil` before the first.
    private var checkpointSeconds: Double?
    private let began = ContinuousClock.now
    private let elapsedBefore: Double

    var options: TrainingOptions { trainer.options }
    var index: TrainingIndex { trainer.data.index }

    init(
        trainer: Trainer<Encoder>, resume: Bool, isCancelled: @escaping () -> Bool,
        onEvent: @escaping (TrainingEvent) -> Void
    ) throws {
        self.trainer = trainer
        let (communicator, fault) = (trainer.communicator, Fault())
        self.fault = fault
        let isCancelled =
            communicator.count == 1 ? isCancelled : Self.together(isCancelled, communicator, fault)
        self.isCancelled = isCancelled
        self.onEvent = onEvent
        let (data, options) = (trainer.data, trainer.options)
        released =
            trainer.mode.trainsDocuments || options.trainedShares.isEmpty ? [] : trainer.queryEncoder.weights()
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
            if let plan = state.plan { onEvent(.planned(plan)) }
        } else {
            if trainer.communicator.isFirst { try trainer.checkpoints?.clear() }
            let start = try TrainingStart(trainer: trainer, isCancelled: isCancelled, onEvent)
            state = start.state
            bank = start.bank
            best = trainer.trained.map { $0.weights() }
            elapsedBefore = 0
        }
        let fixed = trainer.hasFixedColumns ? StepEngine<Encoder>.FixedColumns(data.index, bank: bank) : nil
        engine = StepEngine(
            queryEncoder: trainer.queryEncoder, documentEncoder: trainer.documentEncoder, data: data,
            scores: data.frozenScores(
                of: data.index.trainQueries, documents: fixed?.texts.rows, base: trainer.base,
                byteBudget: options.form == .localOnly ? 0 : options.scoreByteBudget),
            loss: trainer.loss, distillation: trainer.distillation, fixed: fixed,
            keepsBank: trainer.mode.usesBank || options.evaluationUsesBank)
    }

    private final class Fault { var error: (any Error)? }

    /// Whether any process is to end: processes that train together end together.
    private static func together(
        _ isCancelled: @escaping () -> Bool, _ communicator: any Communicator, _ fault: Fault
    ) -> () -> Bool {
        {
            do {
                return try communicator.isTrueAnywhere(isCancelled())
            } catch {
                fault.error = error
                return true
            }
        }
    }

    /// Seconds since the start of the run, including the parts before it was resumed.
    var elapsed: Double { elapsedBefore + seconds(since: began) }

    /// Runs from the present state to the end of the run.
    func course() throws -> TrainingOutcome {
        if let reason = state.stopped { return restoredOutcome(reason) }
        do {
            while true {
                let evaluates = evaluationIsDue
                if evaluates { try evaluate() }
                if let reason = try reasonToStop() {
                    if state.history.last?.step != state.step { try evaluate() }
                    return try finish(reason)
                }
                if evaluates, seconds(since: lastCheckpoint) >= checkpointInterval { try save() }
                if isCancelled() { throw CancellationError() }
                try planIfNeeded()
                try prepareEpoch()
                try refreshBankIfStale()
                try update()
            }
        } catch let error as CancellationError {
            if let error = fault.error { throw error }
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

    private func reasonToStop() throws -> StopReason? {
        if let plan = state.plan, state.step >= plan.totalSteps { return .completed }
        if let patience = options.patience, state.withoutGain >= patience { return .noGain }
        if let time = options.time, try trainer.communicator.agreed(elapsed) > time * options.timeTolerance {
            return .timeSpent
        }
        return nil
    }

    private func planIfNeeded() throws {
        guard state.plan == nil else { return }
        let plans = stepPlans()
        let stepsPerEpoch = (plans.count + options.accumulation - 1) / options.accumulation
        if options.time != nil {
            guard state.step >= options.timingSteps else { return }
            let timing = state.timing
            let secondsPerToken = timing.stepSeconds / Double(max(1, timing.stepTokens))
            let epochTokens = plans.reduce(0) { $0 + $1.tokens(in: index) }
            let perStep = secondsPerToken * Double(epochTokens) / Double(stepsPerEpoch)
            let corpus = Double(index.documentLengths.reduce(0, +)) * timing.embeddingSecondsPerToken
            let trains = trainer.mode.trainsDocuments
            // If the query vectors of the start were given, embedding queries was not timed.
            func embedding(_ queries: [Int]) -> Double {
                secondsPerToken * Double(index.tokens(queries: queries, documents: [])) * ModeChoice.embeddingShare
            }
            let isGiven = trainer.untrainedQueries != nil
            let evaluation =
                isGiven ? timing.rankingSeconds + embedding(index.devQueries) : timing.evaluationSeconds
            let refresh = trains && engine.keepsBank && options.bankRefresh == .everyEpoch ? corpus : 0
            var costs = RunPlan.Costs(
                stepSeconds: perStep + refresh / Double(stepsPerEpoch),
                evaluationSeconds: evaluation + (trains && !options.evaluationUsesBank ? corpus : 0))
            if trainer.mines {
                costs.miningSeconds = timing.miningSeconds + (isGiven ? embedding(index.trainQueries) : 0)
            }
            costs.spentSeconds = elapsed - timing.allStepSeconds
            if trainer.checkpoints != nil {
                // Until one is written: weights, best weights and both moments, at 400 MB a second.
                let bytes = Double(4 * MemoryLayout<Float>.stride * best.reduce(0) { $0 + $1.count })
                costs.checkpointSeconds = checkpointSeconds ?? bytes / 400e6
            }
            // The caller ranks the development queries once more. If documents were trained, it encodes the corpus too.
            costs.endSeconds = trains ? evaluation + corpus : timing.rankingSeconds
            costs.means = released.isEmpty ? 0 : options.trainedShares.count
            costs.developmentQueries = trainer.samplesDevelopment ? index.devQueries.count : nil
            state.plan = .byTime(
                options: options, stepsPerEpoch: stepsPerEpoch, done: state.step, elapsed: elapsed, costs: costs)
        } else {
            state.plan = .bySteps(options: options, stepsPerEpoch: stepsPerEpoch)
        }
        // The plan follows from a clock.
        state.plan = try trainer.communicator.agreed(state.plan)
        if let plan = state.plan { onEvent(.planned(plan)) }
    }

    private var checkpointInterval: Double {
        guard options.checkpointSeconds > 0 else { return 0 }
        return max(options.checkpointSeconds, (checkpointSeconds ?? 0) / RunPlan.checkpointShare)
    }

    private var timeLeft: Double? {
        guard let plan = state.plan, let secondsPerStep else { return nil }
        let steps = plan.totalSteps - state.step
        let evaluations = (steps + plan.evaluateEvery - 1) / plan.evaluateEvery
        return Double(steps) * secondsPerStep + Double(evaluations) * state.timing.evaluationSeconds
    }

    // MARK: Epochs

    /// The step plans of the present epoch. They depend only on the seed and the epoch.
    private func stepPlans() -> [StepPlan] {
        if plannedEpoch != state.epoch {
            var generator = RandomGenerator(seed: randomSeed(.order, state.epoch))
            plans = trainer.mode.steps(of: index, using: &generator)
            precondition(!plans.isEmpty, "the mode made no steps of \(index.trainQueries.count) queries")
            plannedEpoch = state.epoch
        }
        return plans
    }

    /// What a seed is used for. Each purpose has a sequence of its own.
    enum Purpose: UInt64 {
        case order = 1
        case dropout = 2
        case candidates = 3
        case development = 4
    }

    func randomSeed(_ purpose: Purpose, _ counter: Int, _ part: Int = 0) -> UInt64 {
        let stream = RandomGenerator.mix(options.seed &+ purpose.rawValue &* 0x9E37_79B9_7F4A_7C15)
        return RandomGenerator.mix(RandomGenerator.mix(stream &+ UInt64(counter)) &+ UInt64(part))
    }

    private func prepareEpoch() throws {
        guard state.preparedEpoch != state.epoch else { return }
        if state.epoch > 0, options.bankRefresh == .everyEpoch, engine.keepsBank { try refreshBankForSteps() }
        if trainer.mines, state.epoch % (state.plan?.outside.mineEvery ?? 1) == 0 {
            let start = ContinuousClock.now
            let queries = index.trainQueries
            mined = .mine(
                queries: queries, local: state.localForm.prepare(try embedQueries(queries)), bank: bank.rows,
                scores: engine.scores, head: ScoreHead(scale: state.scale, form: state.localForm), index: index,
                count: options.minedPerQuery, margin: options.miningMargin, byteBudget: options.scoreByteBudget)
            state.timing.miningSeconds = seconds(since: start)
        }
        state.preparedEpoch = state.epoch
        onEvent(.epoch(state.epoch))
    }

    private func refreshBankIfStale() throws {
        guard engine.keepsBank else { return }
        switch options.bankRefresh {
        case .never, .everyEpoch: return
        case .everySteps(let steps):
            if state.step - state.refreshedAt >= steps { try refreshBankForSteps() }
        case .whenStale(let drift):
            if bank.drift > drift { try refreshBankForSteps() }
        }
    }

    /// Encodes all documents for the updates that follow, within their time.
    private func refreshBankForSteps() throws {
        let start = ContinuousClock.now
        try refreshBank()
        state.timing.allStepSeconds += seconds(since: start)
    }

    /// Encodes all documents with the present weights, unless the bank is already up to date.
    func refreshBank() throws {
        guard trainer.mode.trainsDocuments, state.refreshedAt != state.step else { return }
        let embeddings = try trainer.embedDocuments(isCancelled: isCancelled, onEvent)
        bank = DocumentBank(rows: state.localForm.prepare(embeddings))
        state.refreshedAt = state.step
    }

    /// The query encoder's vectors without dropout, not normalised, `(queries, dimension)`.
    func embedQueries(_ queries: [Int]) throws -> Matrix {
        let texts = DistinctRows(queries, identities: index.queryIdentities)
        let known = state.step == 0 ? try trainer.untrainedQueries?(texts.rows) : nil
        let embeddings =
            try known
            ?? trainer.queryEncoder.embed(
                trainer.data.queries.selecting(rows: texts.rows), tokensPerPiece: options.tokensPerPass,
                isCancelled: isCancelled)
        return texts.hasRepeats ? embeddings.selecting(rows: texts.position) : embeddings
    }

    // MARK: Updates

    /// Makes one update from the batches of the next ``TrainingOptions/accumulation`` plans, with their gradients
    /// averaged.
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
                step(plan, part: part), head: head, bank: &bank,
                seed: options.dropout > 0 || trainer.data.queries.isAugmented
                    ? randomSeed(.dropout, state.step, part) : nil,
                gradientFactor: 1 / Float(group.count), wantsScale: state.learnedScale != nil,
                endsUpdate: part == group.count - 1)
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
        if var learned = state.learnedScale {
            learned.update(
                blackBox: blackBoxScale, local: localScale, learningRate: Double(options.scaleLearningRate) * level)
            state.learnedScale = learned
            state.scale = learned.scale
        }
        let epoch = state.epoch
        state.step += 1
        state.position += group.count
        if state.position >= plans.count {
            state.epoch += 1
            state.position = 0
        }
        state.loss.add(loss)
        state.tokens += tokens

        let spent = seconds(since: start)
        state.timing.allStepSeconds += spent
        // The first update is slower than the others, because it touches all memory for the first time.
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

    /// The rows, columns and labels of one batch.
    private func step(_ plan: StepPlan, part: Int) -> TrainingStep {
        guard trainer.mode.usesBank else { return plan.againstDocuments(index) }
        guard trainer.mines else {
            if let fixed = engine.fixed { return plan.againstFixedColumns(fixed.texts, index) }
            return options.candidates == .corpus
                ? plan.againstCorpus(index) : plan.againstDocuments(index, others: index.judgedDocuments)
        }
        var generator = RandomGenerator(seed: randomSeed(.candidates, state.step, part))
        let others = mined.candidates(
            of: plan.queries, index: index, random: options.randomCandidates, using: &generator)
        return plan.againstDocuments(index, others: others, mined: mined)
    }

    // MARK: End

    /// Writes a checkpoint of the present state.
    private func save() throws {
        state.timing.elapsed = elapsed
        guard let checkpoints = trainer.checkpoints, trainer.communicator.isFirst else { return }
        let start = ContinuousClock.now
        state.drift = bank.driftState
        try checkpoints.write(
            TrainingCheckpoints.Contents(state: state, best: best, bank: bank, mined: mined),
            encoders: trainer.trained, bankChanges: trainer.mode.trainsDocuments)
        lastCheckpoint = .now
        checkpointSeconds = (lastCheckpoint - start).inSeconds
        onEvent(.checkpoint(step: state.step))
    }

    /// Ends the run at the present state.
    private func finish(_ reason: StopReason) throws -> TrainingOutcome {
        if reason != .cancelled {
            try conclude()
            state.stopped = reason
            try save()
        }
        onEvent(.stopped(reason))
        return restoredOutcome(reason)
    }

    /// Sets the encoders back to the best state, and returns the error for a figure that is not finite. The last
    /// checkpoint does not change.
    func notFinite(_ what: String, _ value: Float) -> TrainingError {
        restoreBest()
        return .notFinite(what: what, step: state.step + 1, value: value)
    }

    private func restoreBest() {
        for (encoder, weights) in zip(trainer.trained, best) { encoder.restore(weights: weights) }
    }

    /// Sets the encoders back to the best state, and returns the outcome of the run.
    private func restoredOutcome(_ reason: StopReason) -> TrainingOutcome {
        restoreBest()
        var (start, best) = (state.history[0], state.history[state.best])
        if let measured = state.wholeBest ?? state.interpolation?.result { best.result = measured }
        if state.wholeBest != nil, let whole = state.wholeStart { start.result = whole }
        (start.result.queries, best.result.queries) = (nil, nil)
        return TrainingOutcome(
            reason: reason, steps: state.step, start: start, best: best, history: state.history, gain: gain,
            trainedShare: state.interpolation?.trainedShare ?? 1, trainingScale: state.scaleAtBest,
            localForm: state.localForm, tokens: state.tokens,
            elapsed: state.stopped == nil ? elapsed : state.timing.elapsed,
            stepSeconds: state.timing.allStepSeconds, developmentVectors: bestVectors)
    }
}
