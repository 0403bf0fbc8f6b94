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
    /// What is done outside the updates.
    public let outside: OutsideWork
    /// Number of updates that were made before the plan.
    let plannedAt: Int
    /// The learning rate at that time, as a share of the peak; the warm-up rises from there.
    let levelAtPlan: Double
    let decay: LearningRateDecay

    init(
        totalSteps: Int, evaluateEvery: Int, outside: OutsideWork, plannedAt: Int = 0, options: TrainingOptions
    ) {
        let total = max(totalSteps, plannedAt + 1)
        let share = Int((options.warmupFraction * Double(total)).rounded())
        self.totalSteps = total
        warmupSteps = max(share, min(options.minimumWarmupSteps, total / 4), plannedAt)
        self.evaluateEvery = max(1, evaluateEvery)
        self.outside = outside
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

    /// The plan of a run that is limited only by updates or epochs. Its evaluations measure all development queries.
    static func bySteps(options: TrainingOptions, stepsPerEpoch: Int) -> RunPlan {
        let total = limit(options: options, stepsPerEpoch: stepsPerEpoch) ?? 20 * stepsPerEpoch
        return RunPlan(
            totalSteps: total, evaluateEvery: options.evaluateEvery ?? evaluationInterval(total, options.evaluations),
            outside: OutsideWork(means: options.trainedShares.count), options: options)
    }

    /// The plan of a run with a time budget. What is done outside the updates takes at most
    /// ``TrainingOptions/outsideShare`` of the run, except that the last state is always evaluated.
    ///
    /// Evaluations and trials of means cost the same. If all that are wanted exceed their time on all development
    /// queries, there are fewer of them, or they measure a sample if that allows twice as many. With a sample, the kept
    /// state is measured once more on all development queries, and those outside the sample give the gain.
    static func byTime(options: TrainingOptions, stepsPerEpoch: Int, done: Int, elapsed: Double, costs: Costs)
        -> RunPlan
    {
        let time = options.time ?? .infinity
        let limit = limit(options: options, stepsPerEpoch: stepsPerEpoch)
        let step = max(costs.stepSeconds, 1e-9)
        // Epochs or updates may end the run before the time does.
        let inSteps = limit.map { Double($0) * step / (1 - options.outsideShare) } ?? .infinity
        let duration = min(time, inSteps)
        let checkpointInterval = max(options.checkpointSeconds, costs.checkpointSeconds / checkpointShare, 1e-9)
        let checkpoints = (1 + min(1e9, duration / checkpointInterval)).rounded(.down) * costs.checkpointSeconds
        var budget = options.outsideShare * duration - costs.spentSeconds - costs.endSeconds - checkpoints

        // Mining gets up to half of the budget. The first epoch is mined already.
        let epochs = Int(min(1e9, (1 - options.outsideShare) * duration / step / Double(stepsPerEpoch)).rounded(.up))
        let affordableMinings =
            costs.miningSeconds > 0 ? affordable(epochs, seconds: budget / 2, each: costs.miningSeconds) : epochs
        let mineEvery = max(1, (epochs + affordableMinings) / (affordableMinings + 1))
        let minings = Double(max(0, epochs - 1) / mineEvery) * costs.miningSeconds
        budget -= minings

        let evaluations =
            options.evaluateEvery.map { max(1, Int(min(1e9, (1 - options.outsideShare) * duration / step)) / $0) }
            ?? options.evaluations
        let wanted = evaluations + costs.means
        var work = affordable(wanted, seconds: budget, each: costs.evaluationSeconds)
        var each = costs.evaluationSeconds
        var end = costs.endSeconds
        var sample: Int?
        if work < wanted, let queries = costs.developmentQueries {
            let left = budget - costs.evaluationSeconds
            let perQuery = costs.evaluationSeconds / Double(max(1, queries))
            // At least half of the queries are left to measure the gain on.
            let affordableSize = Int(min(Double(queries / 2), max(0, left) / Double(wanted) / max(perQuery, 1e-12)))
            let size = max(leastSample, affordableSize)
            let sampled = affordable(wanted, seconds: left, each: perQuery * Double(size))
            if size <= queries / 2, sampled >= 2 * max(1, work) {
                (work, each, sample) = (sampled, perQuery * Double(size), size)
                end += costs.evaluationSeconds
            }
        }
        // Of four pieces of work one may be a mean.
        let means = work >= wanted ? costs.means : min(costs.means, work / 4)
        let count = max(1, min(evaluations, work - means))
        let forSteps: Double
        let remaining = time - elapsed - end - checkpoints - minings - Double(means) * each
        if let every = options.evaluateEvery {
            // n updates take n · (step + each / every) seconds.
            forSteps = remaining * step / (step + each / Double(every))
        } else {
            forSteps = remaining - Double(count) * each
        }
        var total = done + max(1, Int(min(1e9, max(0, forSteps) / step)))
        if let limit { total = min(total, limit) }
        return RunPlan(
            totalSteps: total, evaluateEvery: options.evaluateEvery ?? evaluationInterval(total, count),
            outside: OutsideWork(sample: sample, means: means, mineEvery: mineEvery), plannedAt: done, options: options)
    }

    /// Least number of development queries in a sample. On NFCorpus the standard error of the difference in nDCG@10 to the
    /// black box is then .01.
    static let leastSample = 128

    /// Largest share of the time that writing checkpoints may take.
    static let checkpointShare = 0.02

    /// How many of `wanted` pieces of work of `each` seconds fit into `seconds`.
    private static func affordable(_ wanted: Int, seconds: Double, each: Double) -> Int {
        seconds > 0 ? Int(min(Double(wanted), seconds / max(each, 1e-9))) : 0
    }

    /// The work of a run outside its updates.
    public struct OutsideWork: Sendable, Codable, Equatable {
        /// Number of development queries on which evaluations measure, drawn by seed; `nil`: all.
        public var sample: Int?
        /// How many of ``TrainingOptions/trainedShares`` are tried.
        public var means: Int
        /// Number of epochs between minings of hard negatives.
        public var mineEvery = 1
    }

    /// Measured and estimated times, in seconds.
    struct Costs {
        /// One update, including its share of encoding the bank again.
        var stepSeconds: Double
        /// One evaluation on all development queries.
        var evaluationSeconds: Double
        /// Mining hard negatives once; 0: they are not mined.
        var miningSeconds = 0.0
        /// Outside the updates, before the plan.
        var spentSeconds = 0.0
        /// Writing a checkpoint once; 0: none are written.
        var checkpointSeconds = 0.0
        /// After the last update: what the caller does with the kept state.
        var endSeconds = 0.0
        /// Means of weights to try.
        var means = 0
        /// Number of development queries; `nil`: evaluations have to measure all.
        var developmentQueries: Int?
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
