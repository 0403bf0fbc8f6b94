import MafinRetrieval

/// One system: a row of the comparison.
public struct SystemFacts: Sendable, Equatable, Codable {
    /// The name in tables and JSON: `bm25`, `black-box`, `mafin`, …
    public var name: String
    /// The name for people; `nil`: ``name``.
    public var title: String?
    /// What it is, in a few words.
    public var summary: String?
    /// Mean of each metric over the judged queries.
    public var metrics: [Metric: Double]
    /// Difference to the baseline in each metric; absent for the baseline itself.
    public var difference: [Metric: MetricDifference]?
    /// Its figures on the queries about known documents; `nil` if there are none. See ``NewDocumentFacts``.
    public var known: GroupResult?
    /// Its figures on the queries about new documents; `nil` if there are none.
    public var new: GroupResult?
    /// The deciding metric on dev, where choices were made.
    public var development: DevelopmentFacts?
    /// Means of the single seeds, if there are several.
    public var seeds: [Metric: SeedSummary]?
    /// Its figures on further groups of queries.
    public var subsets: [SubsetResult]?
    /// Seconds that it took to make and measure.
    public var seconds: Double?

    /// The name for people.
    public var displayName: String { title ?? name }
}

/// A system's figures on the queries about known documents, or on those about new ones.
public struct GroupResult: Sendable, Equatable, Codable {
    /// Number of queries in every mean.
    public var queries: Int
    /// Mean of each metric over these queries.
    public var metrics: [Metric: Double]
    /// Difference to the baseline on these queries; absent for the baseline itself.
    public var difference: [Metric: MetricDifference]?
}

/// A system's figures in the deciding metric on dev, the means over its seeds.
public struct DevelopmentFacts: Sendable, Equatable, Codable {
    /// The figure by which systems are chosen: ``known`` and ``new``, weighted by ``NewDocumentFacts/expected``.
    public var mean: Double
    /// For known documents; `nil` if it is not known.
    public var known: Double?
    /// For new documents; `nil` if it is not known.
    public var new: Double?
}

/// A further group of queries that has figures of its own.
public struct QuerySubset: Sendable, Equatable, Codable {
    /// The name in JSON: `without-twins`.
    public var name: String
    /// The heading of its column.
    public var title: String
    /// Which queries are in it, in a sentence.
    public var summary: String
    /// Number of its queries.
    public var queries: Int
}

/// A system's figures on a group of queries.
public struct SubsetResult: Sendable, Equatable, Codable {
    /// ``QuerySubset/name``.
    public var subset: String
    /// Mean of each metric over its queries.
    public var metrics: [Metric: Double]
    /// Difference to the baseline on its queries; absent for the baseline itself.
    public var difference: [Metric: MetricDifference]?
}

/// How differences were tested.
public struct StatisticsFacts: Sendable, Equatable, Codable {
    /// The smallest gain that the measured split would show in one test, computed before training.
    public struct Detectable: Sendable, Equatable, Codable {
        /// The metric.
        public var metric: Metric
        /// The gain.
        public var difference: Double
        /// The probability of finding a gain of that size.
        public var power: Double

        /// The standard deviation over queries of two systems' difference, from which the gain was computed; `nil` if it is not known.
        public var standardDeviation: Double?
    }

    /// Coverage of the intervals.
    public var confidenceLevel = 0.95
    /// Resamples behind each interval.
    public var resamples = 10_000
    /// Sign assignments behind each p.
    public var permutations = 10_000
    /// A difference counts as significant if its corrected p is below this.
    public var significanceLevel = 0.05
    /// Systems that p was corrected for.
    public var comparisons: Int
    /// The smallest gain that would have been shown.
    public var detectable: Detectable?
}

extension SeedSummary {
    var text: String { Number.mean(mean) + (standardDeviation.map { " ± \(Number.mean($0))" } ?? "") }
}
