import MafinMethod
import MafinRetrieval

/// How one contender's training went.
public struct TrainingCurve: Sendable, Equatable, Codable {
    /// One value in the course of training.
    public struct Point: Sendable, Equatable, Codable {
        /// Updates made before it.
        public var step: Int
        /// The value.
        public var value: Double

        /// A point of a curve.
        public init(step: Int, value: Double) {
            self.step = step
            self.value = value
        }
    }

    /// ``SystemFacts/name``.
    public var system: String
    /// The seed, where there are several.
    public var seed: UInt64?
    /// Moving mean of the training loss, in nats.
    public var loss: [Point]
    /// The metric on dev.
    public var development: [Point]
    /// Name of the metric on dev.
    public var metric: String
    /// Updates of the state that was kept.
    public var keptStep: Int?

    /// A curve from its parts.
    public init(
        system: String, seed: UInt64? = nil, loss: [Point], development: [Point], metric: String, keptStep: Int? = nil
    ) {
        self.system = system
        self.seed = seed
        self.loss = loss
        self.development = development
        self.metric = metric
        self.keptStep = keptStep
    }

    /// The curve of a training run.
    /// - Parameter metric: name of what ``Mafin/DevelopmentResult/metric`` measures.
    public init(system: String, seed: UInt64? = nil, outcome: TrainingOutcome, metric: String) {
        self.init(
            system: system, seed: seed,
            loss: outcome.history.compactMap { record in
                record.smoothedLoss.map { Point(step: record.step, value: Double($0)) }
            },
            development: outcome.history.map { Point(step: $0.step, value: $0.result.metric) },
            metric: metric, keptStep: outcome.best.step)
    }
}

/// The metric by the share of the local half.
public struct LambdaSweepFacts: Sendable, Equatable, Codable {
    /// ``SystemFacts/name`` of the system whose local half was mixed.
    public var system: String
    /// The split that was swept.
    public var split: String
    /// The metric at each λ.
    public var sweep: LambdaSweep
    /// The λ that is used.
    public var chosen: Double?
    /// Where it comes from, in a few words: `fitted by likelihood on dev`.
    public var choice: String?

    /// A sweep from its parts.
    public init(system: String, split: String, sweep: LambdaSweep, chosen: Double? = nil, choice: String? = nil) {
        self.system = system
        self.split = split
        self.sweep = sweep
        self.chosen = chosen
        self.choice = choice
    }
}

/// The gain over the baseline by the number of labelled queries.
public struct LearningCurveFacts: Sendable, Equatable, Codable {
    /// A gain, measured or foreseen.
    public struct Point: Sendable, Equatable, Codable {
        /// Labelled queries that were trained on.
        public var queries: Int
        /// The gain.
        public var gain: Double
        /// Lower bound of its interval.
        public var low: Double
        /// Upper bound of its interval.
        public var high: Double

        /// A point of the curve.
        public init(queries: Int, gain: Double, low: Double, high: Double) {
            self.queries = queries
            self.gain = gain
            self.low = low
            self.high = high
        }
    }

    /// ``SystemFacts/name``.
    public var system: String
    /// The metric.
    public var metric: Metric
    /// What was measured, by rising number of queries.
    public var measured: [Point]
    /// What the fitted curve says, beyond what was measured too.
    public var foreseen: [Point]?
    /// The curve that was fitted, as a formula.
    public var model: String?
    /// What to expect, in a sentence: `with twice the labels, expect …`.
    public var expectation: String?

    /// A learning curve from its parts.
    public init(
        system: String, metric: Metric, measured: [Point], foreseen: [Point]? = nil, model: String? = nil,
        expectation: String? = nil
    ) {
        self.system = system
        self.metric = metric
        self.measured = measured
        self.foreseen = foreseen
        self.model = model
        self.expectation = expectation
    }
}
