import MafinRetrieval

/// An evaluation for people to read: one table of systems × metrics, then the differences in the first metric in words.
///
/// The JSON of `EvaluationReport` holds the same facts at full precision.
public struct EvaluationSummary: Sendable {
    /// What a difference to the baseline shows.
    public enum Finding: String, Sendable {
        /// Higher, and unlikely by chance.
        case better
        /// Lower, and unlikely by chance.
        case worse
        /// Equal on every query: mean and interval are 0.
        case same = "the same"
        /// Not significant.
        case notShown = "no difference shown"

        /// Its mark, for readers who cannot see colour, after a space.
        var mark: String {
            switch self {
            case .better: " ▲"
            case .worse: " ▼"
            case .same, .notShown: ""
            }
        }

        var color: PlotColor {
            switch self {
            case .better: .gain
            case .worse: .loss
            case .same, .notShown: .neutral
            }
        }
    }

    /// The facts.
    public let report: EvaluationReport
    /// A difference counts as shown if its p, corrected by Holm for the number of systems, is below this.
    public let significanceLevel: Double
    /// The legend's sentence about seeds; `nil` if it has none.
    private(set) var seedNote: String?

    /// A summary of `report`. A difference is marked if its p after Holm's correction is below `significanceLevel`.
    public init(_ report: EvaluationReport, significanceLevel: Double = 0.05) {
        precondition(significanceLevel > 0 && significanceLevel < 1)
        self.report = report
        self.significanceLevel = significanceLevel
    }

    /// The table of a comparison.
    public init(_ facts: ComparisonFacts) {
        self.init(facts.evaluation, significanceLevel: facts.statistics?.significanceLevel ?? 0.05)
        seedNote = facts.seedNote
    }

    /// The report's metrics: those of the standard table in its order, then all others by name.
    public var metrics: [Metric] {
        let found = Set(report.systems.flatMap(\.metrics.keys))
        let others = found.subtracting(Metric.standard).sorted { $0.description < $1.description }
        return Metric.standard.filter(found.contains) + others
    }

    /// Whether a difference is significant, and in which direction.
    public func finding(_ difference: MetricDifference) -> Finding {
        if difference.pHolm < significanceLevel { return difference.mean < 0 ? .worse : .better }
        if difference.mean == 0, difference.low == 0, difference.high == 0 { return .same }
        return .notShown
    }

    var comparisons: Int { report.systems.count { $0.difference != nil } }
}
