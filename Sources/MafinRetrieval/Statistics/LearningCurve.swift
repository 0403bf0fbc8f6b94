import MafinNumerics

/// The gain over a baseline as a function of the number of labelled queries, and what more labels would bring.
///
/// What is trained is not known here: a closure trains on some of the labelled queries and returns the difference to the
/// baseline for each query of a fixed test set.
public struct LearningCurve: Sendable, Codable {
    /// The gain at one number of labelled queries.
    public struct Point: Sendable, Codable {
        /// Queries that were learned from.
        public let labelledQueries: Int
        /// For each repeat, trained on another subset, the difference to the baseline for each test query.
        public let differences: [[Double]]
        /// Mean gain over repeats and queries, with its paired bootstrap interval over queries.
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

    /// The points, fewest labelled queries first.
    public let points: [Point]
    /// How intervals are drawn.
    let resamples: Int
    let level: Double
    let seed: UInt64

    /// 50, 100, 200, 500 and 1,000.
    public static let standardSizes = [50, 100, 200, 500, 1_000]

    /// Of the standard sizes those below `total`, then `total` itself: all labels there are.
    public static func sizes(upTo total: Int, _ standard: [Int] = standardSizes) -> [Int] {
        standard.filter { $0 < total && $0 > 0 }.sorted() + (total > 0 ? [total] : [])
    }

    /// The queries to learn from at one size: the first of a shuffle that depends on seed and repeat alone, so that each size
    /// holds the smaller ones and the curve shows labels, not luck of the draw.
    /// - Returns: `size` of the queries, in their order in `queries`.
    public static func subset<Query>(of queries: [Query], size: Int, seed: UInt64, repeated: Int) -> [Query] {
        precondition(size <= queries.count, "\(size) of \(queries.count) queries")
        var generator = RandomGenerator(seed: RandomGenerator.mix(seed) &+ UInt64(repeated))
        return Array(queries.indices).shuffled(using: &generator).prefix(size).sorted().map { queries[$0] }
    }

    /// Trains and measures at each size.
    ///
    /// - Parameters:
    ///   - labelled: all labelled queries, whatever names them.
    ///   - sizes: numbers of queries to learn from; see ``sizes(upTo:_:)``.
    ///   - repeats: subsets at each size; more narrow the intervals where results depend on which queries are labelled. All labels are
    ///     one subset, but may be trained on with several seeds.
    ///   - seed: of the subsets and of the resampling.
    ///   - differences: trains on the given queries, with the number of the repeat as its seed; returns for each query of a test set that
    ///     stays the same the metric minus the baseline's.
    /// - Throws: what the closure throws.
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
