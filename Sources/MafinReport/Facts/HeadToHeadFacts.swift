import MafinRetrieval

/// One system compared with every other.
public struct HeadToHeadFacts: Sendable, Equatable, Codable {
    /// Another system.
    public struct Opponent: Sendable, Equatable, Codable {
        /// ``SystemFacts/name``.
        public var name: String
        /// The system minus this one; p is corrected over all opponents.
        public var difference: MetricDifference
    }

    /// ``SystemFacts/name`` of the system.
    public var system: String
    /// The metric.
    public var metric: Metric
    /// All others, in the order of the table.
    public var opponents: [Opponent]
}

extension HeadToHeadFacts {
    /// Tests a system against all others.
    /// - Throws: `RetrievalError` if there is no query.
    public init(
        _ system: String, among evaluations: [(name: String, evaluation: SeededEvaluation)], split: String,
        metric: Metric
    ) throws {
        let report = try EvaluationReport(split: split, evaluations: evaluations, baseline: system, metrics: [metric])
        self.init(
            system: system, metric: metric,
            opponents: report.systems.compactMap { other in
                other.difference?[metric].map {
                    // The report's differences are the others minus the system.
                    Opponent(
                        name: other.name,
                        difference: MetricDifference(
                            mean: 0 - $0.mean, low: 0 - $0.high, high: 0 - $0.low, p: $0.p, pHolm: $0.pHolm))
                }
            })
    }
}
