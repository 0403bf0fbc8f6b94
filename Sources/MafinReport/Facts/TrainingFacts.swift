import MafinComparison
import MafinMethod
import MafinPipeline
import MafinRetrieval

/// The course of one method's training.
public struct TrainingCurve: Sendable, Equatable, Codable {
    /// One value during training.
    public struct Point: Sendable, Equatable, Codable {
        /// Updates before it.
        public var step: Int
        /// The value.
        public var value: Double
    }

    /// ``SystemFacts/name``.
    public var system: String
    /// The seed, if there are several.
    public var seed: UInt64?
    /// Moving mean of the training loss, in nats.
    public var loss: [Point]
    /// The metric on dev.
    public var development: [Point]
    /// Name of the metric on dev.
    public var metric: String
    /// Number of updates before the state that was kept.
    public var keptStep: Int?
}

extension TrainingCurve {
    init(_ record: TrainingRecord, metric: Metric) {
        self.init(
            // An encoder that is trained alone is also evaluated alone on dev.
            system: record.contender.rawValue, seed: record.seed,
            loss: record.history.compactMap { entry in
                entry.smoothedLoss.map { Point(step: entry.step, value: Double($0)) }
            },
            development: record.history.map { Point(step: $0.step, value: $0.result.metric) },
            metric: metric.description, keptStep: record.keptStep)
    }
}

/// The metric by λ, the local encoder's share of a score.
public struct LambdaSweepFacts: Sendable, Equatable, Codable {
    /// ``SystemFacts/name`` of the system.
    public var system: String
    /// The split on which it was measured.
    public var split: String
    /// The metric at each λ.
    public var sweep: LambdaSweep
    /// The λ that is used.
    public var chosen: Double?
    /// How it was chosen, in a few words: `fitted by likelihood on dev`.
    public var choice: String?
}

/// The gain over the baseline by the number of labelled queries.
public struct LearningCurveFacts: Sendable, Equatable, Codable {
    /// A gain, measured or predicted.
    public struct Point: Sendable, Equatable, Codable {
        /// Labelled queries that were trained on.
        public var queries: Int
        /// The gain.
        public var gain: Double
        /// Lower bound of its interval.
        public var low: Double
        /// Upper bound of its interval.
        public var high: Double
    }

    /// ``SystemFacts/name``.
    public var system: String
    /// The metric.
    public var metric: Metric
    /// The measured points, by rising number of queries.
    public var measured: [Point]
    /// The points of the fitted curve, also beyond the measured ones.
    public var foreseen: [Point]?
    /// The curve that was fitted, as a formula.
    public var model: String?
    /// What more labels would bring, in a sentence.
    public var expectation: String?
}

extension LearningCurveFacts {
    /// A measured curve with its prediction up to twice the labels; `nil` without a point.
    init?(_ curve: LearningCurve, system: String, metric: Metric) {
        guard let last = curve.points.last else { return nil }
        func point(_ queries: Int, _ interval: PairedBootstrap.Interval) -> Point {
            Point(queries: queries, gain: interval.mean, low: interval.low, high: interval.high)
        }
        let all = last.labelledQueries
        let foreseen = [1.0, 1.25, 1.5, 2].compactMap { curve.forecast(labelledQueries: Int(Double(all) * $0)) }
        self.init(
            system: system, metric: metric, measured: curve.points.map { point($0.labelledQueries, $0.gain) },
            // Added to the last measured gain, because the fitted curve need not go through it.
            foreseen: foreseen.isEmpty
                ? nil
                : foreseen.map {
                    Point(
                        queries: $0.labelledQueries, gain: last.gain.mean + $0.increase.mean,
                        low: last.gain.mean + $0.increase.low, high: last.gain.mean + $0.increase.high)
                },
            model: foreseen.isEmpty ? nil : curve.points.count >= 4 ? "an inverse power law" : "a line over log n",
            expectation: curve.doubled.map {
                "With twice the labels (\(Number.count($0.labelledQueries)) queries), the gain is expected to change by "
                    + "\(signed($0.increase.mean)) (\(signed($0.increase.low)) to \(signed($0.increase.high))), from \(signed(last.gain.mean)) with "
                    + "the \(Number.count(all)) of today. This assumes that the curve goes on as measured."
                    + ($0.includesSubsets
                        ? ""
                        : " Each size was measured with one subset of the labels, so the range does not include how much the choice of labels matters.")
            })
    }
}
