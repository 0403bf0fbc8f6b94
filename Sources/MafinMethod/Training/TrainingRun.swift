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
    /// Weights of the query encoder before its first update.
    let released: [Float]
    var bank: DocumentBank
    var mined = MinedNegatives()

    // For the extensions in other files: the step plans of epoch `plannedEpoch`, moving means for progress, the last checkpoint.
    var plans: [StepPlan] = []
    var plannedEpoch = -1
    var tokensPerSecond: Double?
    var secondsPerStep: Double?
    var lastCheckpoint: ContinuousClock.Instant
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
        lastCheckpoint = began
        released =
            trainer.mode.trainsDocuments || trainer.options.trainedShares.isEmpty ? [] : trainer.queryEncoder.weights()
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
            if let plan = state.plan { onEvent(.planned(plan)) }
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
                let evaluates = evaluationIsDue
                if evaluates { try evaluate() }
                if let reason = reasonToStop {
                    if state.history.last?.step != state.step { try evaluate() }
                    return try finish(reason)
                }
                if evaluates, seconds(since: lastCheckpoint) >= options.checkpointSeconds { try save() }
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
            // The evaluation that was timed is that of the start. Where it found its query vectors made, the others will take longer.
            let devTokens = index.devQueries.reduce(0) { $0 + index.queryLengths[$1] }
            let queries =
                trainer.untrainedQueries == nil
                ? 0
                : timing.stepSeconds / Double(max(1, timing.stepTokens)) * Double(devTokens) * ModeChoice.embeddingShare
            let refresh = trains && trainer.mode.usesBank && options.bankRefresh == .everyEpoch ? corpus : 0
            state.plan = .byTime(
                options: options, stepsPerEpoch: stepsPerEpoch, done: state.step, remaining: time - elapsed,
                stepSeconds: perStep + (refresh + timing.preparationSeconds) / Double(stepsPerEpoch),
                evaluationSeconds: timing.evaluationSeconds + queries
                    + (trains && !options.evaluationUsesBank ? corpus : 0))
        } else {
            state.plan = .bySteps(options: options, stepsPerEpoch: stepsPerEpoch)
        }
        if let plan = state.plan { onEvent(.planned(plan)) }
    }

    // MARK: Epochs

    /// The step plans of the present epoch: a function of seed and epoch.
    func stepPlans() -> [StepPlan] {
        if plannedEpoch != state.epoch {
            var generator = RandomGenerator(seed: randomSeed(.order, state.epoch))
            plans = trainer.mode.steps(of: index, using: &generator)
            precondition(!plans.isEmpty, "the mode made no steps of \(index.trainQueries.count) queries")
            plannedEpoch = state.epoch
        }
        return plans
    }

    /// What a seed is for; each has a sequence of its own.
    enum Purpose: UInt64 {
        case order = 1
        case dropout = 2
        case candidates = 3
    }

    func randomSeed(_ purpose: Purpose, _ counter: Int, _ part: Int = 0) -> UInt64 {
        let stream = RandomGenerator.mix(options.seed &+ purpose.rawValue &* 0x9E37_79B9_7F4A_7C15)
        return RandomGenerator.mix(RandomGenerator.mix(stream &+ UInt64(counter)) &+ UInt64(part))
    }

    /// Whether the corpus is so large that candidates are mined.
    var mines: Bool { trainer.mode.usesBank && index.documentCount > options.wholeCorpusLimit }

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
    func refreshBank() throws {
        guard trainer.mode.trainsDocuments, state.refreshedAt != state.step else { return }
        let embeddings = try embedDocuments()
        bank = DocumentBank(rows: state.localForm.prepare(embeddings))
        state.refreshedAt = state.step
    }
}

/// Seconds from an instant to now, by a clock that does not stop or jump.
func seconds(since start: ContinuousClock.Instant) -> Double {
    let duration = (ContinuousClock.now - start).components
    return Double(duration.seconds) + Double(duration.attoseconds) * 1e-18
}
