import MafinPipeline
import MafinRetrieval

/// What is gained if the black box is asked for the queries of which a system without it is least sure, by the share of
/// queries that are asked. Thresholds are chosen on the development queries.
public struct AskingCurve: Sendable, Equatable, Codable {
    /// A threshold: queries whose `Sureness` is below it are asked.
    public struct Point: Sendable, Equatable, Codable {
        /// The threshold, with the share asked and the mean metric on the development queries.
        public var development: Sureness.Point
        /// The share of the measured queries that are asked.
        public var asked: Double
        /// The mean metric over the measured queries.
        public var metric: Double
    }

    /// The system that asks for nothing.
    public var system: String
    /// The system that ranks the queries that are asked.
    public var askingSystem: String
    /// The metric.
    public var metric: Metric
    /// From none that is asked to all.
    public var points: [Point]

    /// How far the metric on dev may be below that of asking for every query at the recommended threshold.
    public static let tolerance = 0.005

    /// The point with the fewest questions that is about as good on dev as asking for every query.
    public var recommended: Point? {
        guard let all = points.last?.development.metric else { return nil }
        return points.first { $0.development.metric >= all - Self.tolerance }
    }
}

extension AskingCurve {
    /// The curve of one seed of each system, as their artefact answers.
    /// - Returns: `nil` if values of single queries are missing.
    init?(_ row: ComparisonRow, asking other: ComparisonRow, in outcome: ComparisonOutcome, metric: Metric) {
        guard let sureness = row.sureness, let offline = outcome.developmentValues(of: row),
            let asked = outcome.developmentValues(of: other), let mine = row.evaluation.values[metric],
            let theirs = other.evaluation.values[metric], row.evaluation.queryIds == other.evaluation.queryIds,
            sureness.development.count == offline.count, offline.count == asked.count,
            sureness.measured.count == mine.count, !mine.isEmpty
        else { return nil }
        let points = Sureness.curve(
            sureness: sureness.development.map(Double.init), offline: offline, asked: asked
        ).map { point in
            let isAsked = sureness.measured.map { Double($0) < point.threshold }
            let sum = isAsked.indices.reduce(0) { $0 + (isAsked[$1] ? theirs[$1] : mine[$1]) }
            return Point(
                development: point, asked: Double(isAsked.count { $0 }) / Double(mine.count),
                metric: sum / Double(mine.count))
        }
        self.init(system: row.name, askingSystem: other.name, metric: metric, points: points)
    }
}

extension ComparisonOutcome {
    /// The curve between the best system on dev that asks for nothing and the candidate, each with its best seed on dev.
    public func askingCurve(metric: Metric) -> AskingCurve? {
        guard let offline = ComparisonStore.offlineSums(rows).first,
            let candidate = ComparisonVerdict.candidate(of: self).flatMap({ ComparisonStore.best(rows)[$0] })
        else { return nil }
        return AskingCurve(offline, asking: candidate, in: self, metric: metric)
    }
}
