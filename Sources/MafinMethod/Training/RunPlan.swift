import Foundation

/// The number of updates of a run, when it is evaluated, and the learning rate of each update. Checkpoints store the
/// plan, so that the clock no longer affects the run once the plan is made.
public struct RunPlan: Sendable, Codable, Equatable {
    /// Number of updates of the whole run.
    public let totalSteps: Int
    /// Number of updates over which the learning rate rises.
    public let warmupSteps: Int
    /// Number of updates between evaluations. The state after the last update is evaluated too.
    public let evaluateEvery: Int
    /// Number of updates that were made before the plan.
    let plannedAt: Int
    /// The learning rate at that time, as a share of the peak; the warm-up rises from there.
    let levelAtPlan: Double
    let decay: LearningRateDecay

    init(totalSteps: Int, evaluateEvery: Int, plannedAt: Int = 0, options: TrainingOptions) {
        let total = max(totalSteps, plannedAt + 1)
        let share = Int((options.warmupFraction * Double(total)).rounded())
        self.totalSteps = total
        warmupSteps = max(share, min(options.minimumWarmupSteps, total / 4), plannedAt)
        self.evaluateEvery = max(1, evaluateEvery)
        self.plannedAt = plannedAt
        levelAtPlan = plannedAt == 0 ? 0 : Self.unplannedLevel(step: plannedAt - 1, options: options)
        decay = options.decay
    }

    /// The learning rate of the update that follows `step` updates, as a share of the peak. Defined from the update at
    /// which the plan was made.
    public func level(step: Int) -> Double {
        if step < warmupSteps {
            return levelAtPlan + (1 - levelAtPlan) * Double(step + 1 - plannedAt) / Double(warmupSteps - plannedAt)
        }
        let progress = Double(step - warmupSteps) / Double(max(1, totalSteps - warmupSteps))
        switch decay {
        case .constant: return 1
        case .linear: return max(0, 1 - progress)
        case .cosine: return progress < 1 ? (1 + cos(.pi * progress)) / 2 : 0
        }
    }

    /// Whether the state after `step` updates is evaluated.
    public func evaluates(after step: Int) -> Bool {
        step == totalSteps || step % evaluateEvery == 0
    }

    /// The learning rate, as a share of the peak, of the first updates of a run with a time budget, before it is
    /// planned.
    static func unplannedLevel(step: Int, options: TrainingOptions) -> Double {
        min(1, Double(step + 1) / Double(max(1, options.minimumWarmupSteps)))
    }

    /// The plan of a run that is limited only by updates or epochs.
    static func bySteps(options: TrainingOptions, stepsPerEpoch: Int) -> RunPlan {
        let total = limit(options: options, stepsPerEpoch: stepsPerEpoch) ?? 20 * stepsPerEpoch
        return RunPlan(
            totalSteps: total, evaluateEvery: options.evaluateEvery ?? evaluationInterval(total, options.evaluations),
            options: options)
    }

    /// The plan of a run with a time budget.
    /// - Parameters:
    ///   - remaining: seconds left.
    ///   - stepSeconds: seconds of one update, including its share of the work that is done once per epoch.
    ///   - evaluationSeconds: seconds of one evaluation.
    static func byTime(
        options: TrainingOptions, stepsPerEpoch: Int, done: Int, remaining: Double, stepSeconds: Double,
        evaluationSeconds: Double
    ) -> RunPlan {
        let affordable = Int(options.evaluationShare * remaining / max(evaluationSeconds, 1e-9))
        let count = max(1, min(options.evaluations, affordable))
        let forSteps: Double
        if let every = options.evaluateEvery {
            // n updates take n · (stepSeconds + evaluationSeconds / every) seconds.
            forSteps = remaining * stepSeconds / (stepSeconds + evaluationSeconds / Double(every))
        } else {
            forSteps = remaining - Double(count) * evaluationSeconds
        }
        var total = done + max(1, Int(min(1e9, forSteps / max(stepSeconds, 1e-9))))
        if let limit = limit(options: options, stepsPerEpoch: stepsPerEpoch) { total = min(total, limit) }
        return RunPlan(
            totalSteps: total, evaluateEvery: options.evaluateEvery ?? evaluationInterval(total, count),
            plannedAt: done, options: options)
    }

    private static func limit(options: TrainingOptions, stepsPerEpoch: Int) -> Int? {
        let limits = [options.steps, options.epochs.map { $0 * stepsPerEpoch }].compactMap { $0 }
        return limits.min()
    }

    private static func evaluationInterval(_ total: Int, _ evaluations: Int) -> Int {
        (total + evaluations - 1) / evaluations
    }
}

/// How the learning rate falls after the warm-up.
public enum LearningRateDecay: String, Sendable, Codable {
    /// Linearly to 0 at the end of the run.
    case linear
    /// Along half a cosine wave to 0 at the end of the run.
    case cosine
    /// Not at all.
    case constant
}
