/// The values of a figure with several seeds, and how much they vary.
public struct SeedSummary: Sendable, Codable, Hashable {
    /// The figure of each seed, in the order of the seeds.
    public let values: [Double]
    /// Their mean.
    public let mean: Double
    /// Their standard deviation (divisor n − 1); `nil` for one seed.
    public let standardDeviation: Double?
    /// The part of the mean's standard error that is due to the seeds (``SeededEvaluation``); `nil` if it is not known.
    public let standardError: Double?

    /// The smallest figure.
    public var smallest: Double { values.min() ?? mean }
    /// The largest figure.
    public var largest: Double { values.max() ?? mean }

    /// A summary of the figures of at least one seed.
    public init(_ values: [Double], standardError: Double? = nil) {
        precondition(!values.isEmpty, "no seed")
        self.values = values
        let mean = values.reduce(0, +) / Double(values.count)
        self.mean = mean
        self.standardError = standardError
        standardDeviation = MafinRetrieval.standardDeviation(values)
    }
}
