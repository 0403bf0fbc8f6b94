import MafinNumerics

extension TrainingRun {
    private func materialize(_ plan: StepPlan, part: Int) -> TrainingStep {
        guard trainer.mode.usesBank else { return plan.againstDocuments(index) }
        guard mines else {
            switch options.candidates {
            case .corpus: return plan.againstCorpus(index)
            case .labelled: return plan.againstDocuments(index, others: index.judgedDocuments)
            }
        }
        var generator = RandomGenerator(seed: randomSeed(.candidates, state.step, part))
        let others = mined.candidates(
            of: plan.queries, index: index, random: options.randomCandidates, using: &generator)
        return plan.againstDocuments(index, others: others) { self.mined.suspects[$0] ?? [] }
    }

    /// One update: the batches of the next plans, their gradients averaged.
    func update() throws {
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

    /// The error for a figure that is not finite; the encoders are set back to their best state.
    func notFinite(_ what: String, _ value: Float) -> TrainingError {
        restoreBest()
        return .notFinite(what: what, step: state.step + 1, value: value)
    }
}
