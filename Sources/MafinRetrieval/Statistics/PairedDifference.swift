/// The mean difference of two systems on the same queries, with its interval and its uncorrected p.
public struct PairedDifference: Sendable, Equatable, Codable {
    /// Mean over queries of the first system minus the second.
    public var mean: Double
    /// Lower bound of the interval (``PairedBootstrap``).
    public var low: Double
    /// Upper bound of the interval.
    public var high: Double
    /// Two-sided p (``PairedRandomizationTest``).
    public var p: Double
    /// Whether interval and p include the variance between seeds, because at least one of the systems was measured with
    /// several seeds.
    public var includesSeeds: Bool

    /// A difference from its parts.
    public init(mean: Double, low: Double, high: Double, p: Double, includesSeeds: Bool) {
        self.mean = mean
        self.low = low
        self.high = high
        self.p = p
        self.includesSeeds = includesSeeds
    }

    /// Tests one system against another.
    /// - Precondition: both were measured on the same queries in `metric`.
    public init(
        _ system: SeededEvaluation, minus other: SeededEvaluation, in metric: Metric,
        bootstrap: PairedBootstrap = PairedBootstrap(), test: PairedRandomizationTest = PairedRandomizationTest()
    ) {
        let differences = [system.mean.differences(from: other.mean, in: metric)]
        let errors = [system.seedErrors(minus: other, in: metric)]
        let interval = bootstrap.intervals(of: differences, seeds: errors)[0]
        self.init(
            mean: interval.mean, low: interval.low, high: interval.high,
            p: test.pValues(of: differences, seeds: errors)[0], includesSeeds: !errors[0].isEmpty)
    }

    /// Whether the difference is above 0 and its p below `level`.
    public func isBetter(at level: Double) -> Bool { p < level && mean > 0 }

    /// Whether the difference is below 0 and its p below `level`.
    public func isWorse(at level: Double) -> Bool { p < level && mean < 0 }
}
