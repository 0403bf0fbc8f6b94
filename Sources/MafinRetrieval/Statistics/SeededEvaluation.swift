/// A system that was measured on the same queries with one or several seeds.
///
/// Its values are the means over the seeds for each query, so that no single seed decides. The value of query q with
/// seed s is modelled as `μ + a_q + b_s + e_qs` (two crossed random effects, as in Brennan 2001, "Generalizability
/// Theory", chapter 2). The variance of the mean over k seeds and n queries is then `σ_a²/n + σ_b²/k + σ_e²/(nk)`.
/// Resampling the means of queries covers the first and the last term. The second term is estimated by analysis of
/// variance as `max(0, s²/k − MS_e/(nk))`, where s is the standard deviation of the seeds' means and MS_e the mean
/// square of the residuals. ``PairedBootstrap`` and ``PairedRandomizationTest`` add it. Two seeds are too few to
/// separate the second term from the last. For two seeds `s²/k` is used, which counts the last term twice. (In
/// simulations, with the subtraction only 89 instead of 95 of 100 intervals contained the mean.)
public struct SeededEvaluation: Sendable, Equatable {
    /// The evaluation of each seed, all with the same queries and metrics.
    public let seeds: [RunEvaluation]
    /// The mean over the seeds for each query.
    public let mean: RunEvaluation
    /// The means of the seeds in each metric.
    public let spread: [Metric: SeedSummary]

    /// The evaluations of a system with at least one seed.
    /// - Precondition: all were measured on the same queries in the same metrics.
    public init(_ seeds: [RunEvaluation]) {
        guard let first = seeds.first else { preconditionFailure("no seed") }
        var values: [Metric: [Double]] = [:]
        var means: [Metric: Double] = [:]
        var spread: [Metric: SeedSummary] = [:]
        for metric in first.values.keys {
            let columns = seeds.map { seed in
                precondition(seed.queryIds == first.queryIds, "the seeds were measured on different queries")
                guard let column = seed.values[metric] else { preconditionFailure("\(metric) is missing for a seed") }
                return column
            }
            let average = first.queryIds.indices.map { query in
                columns.reduce(0) { $0 + $1[query] } / Double(columns.count)
            }
            let seedMeans = seeds.map { $0.means[metric] ?? 0 }
            let summary = SeedSummary(
                seedMeans, standardError: Self.standardError(columns, means: seedMeans, average: average))
            values[metric] = average
            means[metric] = summary.mean
            spread[metric] = summary
        }
        self.seeds = seeds
        self.spread = spread
        mean = RunEvaluation(
            queryIds: first.queryIds, values: values, means: means,
            queriesWithoutRelevantDocument: first.queriesWithoutRelevantDocument,
            queriesWithoutResult: seeds.map(\.queriesWithoutResult).max() ?? 0)
    }

    /// `√max(0, s²/k − MS_e/(nk))`, or `s/√k` for two seeds; `nil` for one seed or one query, with which the terms
    /// cannot be separated.
    private static func standardError(_ columns: [[Double]], means: [Double], average: [Double]) -> Double? {
        let (seeds, queries) = (Double(columns.count), Double(average.count))
        guard seeds > 1, queries > 1 else { return nil }
        let whole = means.reduce(0, +) / seeds
        let deviation = MafinRetrieval.standardDeviation(means) ?? 0
        if seeds == 2 { return deviation / seeds.squareRoot() }
        var residual = 0.0
        for (column, mean) in zip(columns, means) {
            for (value, average) in zip(column, average) {
                let rest = value - average - mean + whole
                residual += rest * rest
            }
        }
        residual /= (seeds - 1) * (queries - 1)
        return max(0, deviation * deviation / seeds - residual / (queries * seeds)).squareRoot()
    }

    /// The same for the queries for which `isIncluded` returns `true`.
    public func filter(_ isIncluded: (_ queryId: String) -> Bool) -> SeededEvaluation {
        SeededEvaluation(seeds.map { $0.filter(isIncluded) })
    }

    /// The errors, due to seeds, of the difference between two systems in a metric; empty if neither has several seeds.
    func seedErrors(minus other: SeededEvaluation, in metric: Metric) -> [SeedError] {
        [self, other].compactMap { system in
            system.spread[metric].flatMap { spread in
                spread.standardError.map { SeedError(standardError: $0, degreesOfFreedom: spread.values.count - 1) }
            }
        }
    }
}

/// The part of the error of a mean difference that is due to the choice of seeds.
///
/// Three seeds are too few to resample. Each resample of the queries therefore adds `standardError · t`, with t drawn
/// from Student's distribution. Adding a t-distributed part is the Behrens-Fisher solution for two sources of error
/// (Fisher 1935, "The Fiducial Argument in Statistical Inference"). Tests check its coverage by simulation.
public struct SeedError: Sendable, Equatable {
    /// Standard error of the mean over the seeds.
    public var standardError: Double
    /// Number of seeds minus 1.
    public var degreesOfFreedom: Int

    /// An error from its parts.
    public init(standardError: Double, degreesOfFreedom: Int) {
        precondition(
            standardError >= 0 && degreesOfFreedom >= 1, "\(standardError) with \(degreesOfFreedom) degrees of freedom")
        self.standardError = standardError
        self.degreesOfFreedom = degreesOfFreedom
    }
}
