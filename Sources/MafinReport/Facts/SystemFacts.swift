import MafinRetrieval

/// One contender: a row of the comparison.
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
    /// The same with other seeds.
    public var seeds: [Metric: SeedSpread]?
    /// The same on groups of queries.
    public var subsets: [SubsetResult]?
    /// Seconds that it took to make and measure.
    public var seconds: Double?

    /// A contender from its parts.
    public init(
        name: String, title: String? = nil, summary: String? = nil, metrics: [Metric: Double],
        difference: [Metric: MetricDifference]? = nil, seeds: [Metric: SeedSpread]? = nil,
        subsets: [SubsetResult]? = nil, seconds: Double? = nil
    ) {
        self.name = name
        self.title = title
        self.summary = summary
        self.metrics = metrics
        self.difference = difference
        self.seeds = seeds
        self.subsets = subsets
        self.seconds = seconds
    }

    /// The name for people.
    public var displayName: String { title ?? name }
}

/// One figure with several seeds.
public struct SeedSpread: Sendable, Equatable, Codable {
    /// One value a seed.
    public var values: [Double]

    /// The values, one a seed; at least one.
    public init(values: [Double]) {
        self.values = values
    }

    /// Their mean; 0 where there is none.
    public var mean: Double { values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count) }

    /// Their sample standard deviation (divisor n − 1); `nil` for fewer than two.
    public var standardDeviation: Double? {
        guard values.count > 1 else { return nil }
        let mean = mean
        return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)).squareRoot()
    }

    private enum CodingKeys: String, CodingKey { case values, mean, standardDeviation }

    /// Reads the values; mean and deviation follow from them.
    public init(from decoder: any Decoder) throws {
        values = try decoder.container(keyedBy: CodingKeys.self).decode([Double].self, forKey: .values)
    }

    /// Writes values, mean and deviation, so that who reads the JSON need not compute them.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(values, forKey: .values)
        try container.encode(mean, forKey: .mean)
        try container.encodeIfPresent(standardDeviation, forKey: .standardDeviation)
    }
}

/// A group of queries that is reported apart.
public struct QuerySubset: Sendable, Equatable, Codable {
    /// The name in JSON: `seen-documents`, `new-documents`, …
    public var name: String
    /// The head of its column.
    public var title: String
    /// Which queries are in it, in a sentence.
    public var summary: String
    /// How many they are.
    public var queries: Int

    /// A group of queries.
    public init(name: String, title: String, summary: String, queries: Int) {
        self.name = name
        self.title = title
        self.summary = summary
        self.queries = queries
    }
}

/// A contender's figures on a group of queries.
public struct SubsetResult: Sendable, Equatable, Codable {
    /// ``QuerySubset/name``.
    public var subset: String
    /// Mean of each metric over its queries.
    public var metrics: [Metric: Double]
    /// Difference to the baseline on its queries; absent for the baseline itself.
    public var difference: [Metric: MetricDifference]?

    /// A result on a group.
    public init(subset: String, metrics: [Metric: Double], difference: [Metric: MetricDifference]? = nil) {
        self.subset = subset
        self.metrics = metrics
        self.difference = difference
    }
}

/// How differences were tested.
public struct StatisticsFacts: Sendable, Equatable, Codable {
    /// The smallest gain that the test set could have shown, computed before training.
    public struct Detectable: Sendable, Equatable, Codable {
        /// The metric.
        public var metric: Metric
        /// The gain.
        public var difference: Double
        /// The chance of finding a gain of that size.
        public var power: Double

        /// The standard deviation over queries of the difference of two systems that it was computed from; `nil` where it is not known.
        public var standardDeviation: Double?

        /// A smallest detectable gain.
        public init(metric: Metric, difference: Double, power: Double, standardDeviation: Double? = nil) {
            self.metric = metric
            self.difference = difference
            self.power = power
            self.standardDeviation = standardDeviation
        }
    }

    /// Coverage of the intervals.
    public var confidenceLevel: Double
    /// Resamples behind each interval.
    public var resamples: Int
    /// Sign assignments behind each p.
    public var permutations: Int
    /// Differences whose corrected p is below this count as shown.
    public var significanceLevel: Double
    /// Systems that p was corrected for.
    public var comparisons: Int
    /// The smallest gain that could have been shown.
    public var detectable: Detectable?

    /// How differences were tested.
    public init(
        confidenceLevel: Double = 0.95, resamples: Int = 10_000, permutations: Int = 10_000,
        significanceLevel: Double = 0.05, comparisons: Int, detectable: Detectable? = nil
    ) {
        self.confidenceLevel = confidenceLevel
        self.resamples = resamples
        self.permutations = permutations
        self.significanceLevel = significanceLevel
        self.comparisons = comparisons
        self.detectable = detectable
    }
}
