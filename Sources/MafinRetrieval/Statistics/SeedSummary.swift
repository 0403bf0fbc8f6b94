/// A figure over several seeds: what of it is luck.
public struct SeedSummary: Sendable, Codable, Hashable {
    /// The figure of each seed, in the order of the seeds.
    public let values: [Double]
    /// Their mean.
    public let mean: Double
    /// Their standard deviation (n − 1); `nil` for one seed, which says nothing of spread.
    public let standardDeviation: Double?

    /// The smallest figure.
    public var smallest: Double { values.min() ?? mean }
    /// The largest figure.
    public var largest: Double { values.max() ?? mean }

    /// A summary of the figures of at least one seed.
    public init(_ values: [Double]) {
        precondition(!values.isEmpty, "no seed")
        self.values = values
        let mean = values.reduce(0, +) / Double(values.count)
        self.mean = mean
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        standardDeviation = values.count > 1 ? (squares / Double(values.count - 1)).squareRoot() : nil
    }
}

extension RunEvaluation {
    /// The mean of one system's evaluations under several seeds, query by query: what is tested, so that a lucky seed cannot
    /// decide, and the spread of the means beside it.
    /// - Parameter seeds: at least one; all measured on the same queries in the same metrics.
    public static func averaged(_ seeds: [RunEvaluation]) -> (evaluation: RunEvaluation, spread: [Metric: SeedSummary])
    {
        guard let first = seeds.first else { preconditionFailure("no seed") }
        var values: [Metric: [Double]] = [:]
        var means: [Metric: Double] = [:]
        var spread: [Metric: SeedSummary] = [:]
        for metric in first.values.keys {
            var sums = [Double](repeating: 0, count: first.queryIds.count)
            for seed in seeds {
                precondition(seed.queryIds == first.queryIds, "the seeds were measured on different queries")
                guard let column = seed.values[metric] else { preconditionFailure("\(metric) is missing for a seed") }
                for index in sums.indices { sums[index] += column[index] }
            }
            for index in sums.indices { sums[index] /= Double(seeds.count) }
            values[metric] = sums
            let summary = SeedSummary(seeds.map { $0.means[metric] ?? 0 })
            means[metric] = summary.mean
            spread[metric] = summary
        }
        return (
            RunEvaluation(
                queryIds: first.queryIds, values: values, means: means,
                queriesWithoutRelevantDocument: first.queriesWithoutRelevantDocument,
                queriesWithoutResult: seeds.map(\.queriesWithoutResult).max() ?? 0),
            spread
        )
    }
}
