import MafinNumerics

/// The gain over a baseline as a function of the number of labelled queries, and a forecast for more labels.
///
/// A closure does the training: it learns from some of the labelled queries, and returns the difference to the baseline
/// for each query of a fixed test set.
public struct LearningCurve: Sendable, Codable {
    /// The gain at one number of labelled queries.
    public struct Point: Sendable, Codable {
        /// Number of queries that were learned from.
        public let labelledQueries: Int
        /// For each repeat, which uses a different subset, the difference to the baseline for each test query.
        public let differences: [[Double]]
        /// Mean gain over repeats and queries, with the paired bootstrap interval over queries.
        public let gain: PairedBootstrap.Interval

        init(labelledQueries: Int, differences: [[Double]], bootstrap: PairedBootstrap) {
            self.labelledQueries = labelledQueries
            self.differences = differences
            var means = [Double](repeating: 0, count: differences.first?.count ?? 0)
            for repeated in differences {
                precondition(repeated.count == means.count, "a repeat was measured on other queries")
                for index in means.indices { means[index] += repeated[index] / Double(differences.count) }
            }
            gain = bootstrap.interval(of: means)
        }
    }

    /// The points, by number of labelled queries, ascending.
    public let points: [Point]
    /// Settings of the bootstrap.
    let resamples: Int
    let level: Double
    let seed: UInt64

    /// 50, 100, 200, 500 and 1,000.
    public static let standardSizes = [50, 100, 200, 500, 1_000]

    /// The standard sizes below `total`, then `total` itself, which is all labels.
    public static func sizes(upTo total: Int, _ standard: [Int] = standardSizes) -> [Int] {
        standard.filter { $0 < total && $0 > 0 }.sorted() + (total > 0 ? [total] : [])
    }

    /// The queries to learn from at one size. They are the first of a random order that depends only on seed and
    /// repeat. Each subset therefore contains the smaller ones, so that the curve shows the effect of more labels and
    /// not of different ones.
    /// - Returns: `size` of the queries, in their order in `queries`.
    public static func subset<Query>(of queries: [Query], size: Int, seed: UInt64, repeated: Int) -> [Query] {
        precondition(size <= queries.count, "\(size) of \(queries.count) queries")
        var generator = RandomGenerator(seed: RandomGenerator.mix(seed) &+ UInt64(repeated))
        return Array(queries.indices).shuffled(using: &generator).prefix(size).sorted().map { queries[$0] }
    }

    /// Trains and measures at each size.
    ///
    /// - Parameters:
    ///   - labelled: all labelled queries, in any representation.
    ///   - sizes: numbers of queries to learn from; see ``sizes(upTo:_:)``.
    ///   - repeats: number of subsets at each size. More subsets give narrower intervals if results depend on which
    ///     queries are labelled. For the size of all labels the subset is always the same, but the closure can train
    ///     with several seeds.
    ///   - seed: the seed of the subsets. The resampling uses the seed of `bootstrap`.
    ///   - differences: trains on the given queries, with the number of the repeat as its seed. Returns the metric
    ///     minus that of the baseline for each query of a fixed test set.
    /// - Throws: whatever the closure throws.
    public init<Query>(
        labelled: [Query], sizes: [Int], repeats: Int = 1, seed: UInt64 = 1,
        bootstrap: PairedBootstrap = PairedBootstrap(),
        differences: (_ learned: [Query], _ repeated: Int) throws -> [Double]
    ) rethrows {
        precondition(!sizes.isEmpty && repeats >= 1, "\(sizes.count) sizes and \(repeats) repeats")
        points = try Set(sizes).sorted().map { size in
            try Point(
                labelledQueries: size,
                differences: (0..<repeats).map { repeated in
                    try differences(
                        Self.subset(of: labelled, size: size, seed: seed, repeated: repeated), repeated)
                }, bootstrap: bootstrap)
        }
        let queries = points.first?.differences.first?.count
        precondition(
            points.allSatisfy { $0.differences.allSatisfy { $0.count == queries } }, "sizes measured on other queries")
        resamples = min(bootstrap.resamples, 2_000)
        level = bootstrap.level
        self.seed = bootstrap.seed
    }
}
