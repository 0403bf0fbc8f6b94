import Foundation
import MafinNumerics

/// Percentile bootstrap interval of a mean difference over queries (Efron 1979; Sakai 2006 for retrieval).
///
/// Each resample draws as many queries as there are, with replacement. The interval contains the central ``level`` of
/// the resampled means. The input is one difference per query, so the comparison is paired.
///
/// With few queries that interval is too narrow, because resampling divides by n instead of n − 1 and has the tails of
/// a normal distribution. With 56 queries it contains the true mean 92.6 times in 100. The quantiles are therefore
/// moved outward to match Student's t (the expanded percentile interval: Hesterberg 2015, "What Teachers Should Know
/// About the Bootstrap", The American Statistician 69(4), section 4.3).
public struct PairedBootstrap: Sendable {
    /// Number of resamples.
    public var resamples: Int
    /// Nominal coverage of the interval.
    public var level: Double
    /// The seed. Equal seeds and data give equal intervals, on any number of threads.
    public var seed: UInt64
    /// Whether quantiles are moved outward for few queries. If `false`, the interval is Efron's, like scipy's
    /// `percentile`.
    public var isExpanded = true

    /// The default is 10,000 resamples and 95 %.
    public init(resamples: Int = 10_000, level: Double = 0.95, seed: UInt64 = 1) {
        precondition(
            resamples > 0 && level > 0 && level < 1, "no interval from \(resamples) resamples at level \(level)")
        self.resamples = resamples
        self.level = level
        self.seed = seed
    }

    /// A mean and the bounds of its interval.
    public struct Interval: Sendable, Equatable, Codable {
        /// Mean of the observed differences.
        public var mean: Double
        /// Lower bound.
        public var low: Double
        /// Upper bound.
        public var high: Double
    }

    /// The interval of one system's differences.
    public func interval(of differences: [Double]) -> Interval { intervals(of: [differences])[0] }

    /// The intervals of several systems' differences on the same queries, with the same resamples for all.
    ///
    /// Bounds are interpolated linearly between order statistics, as in numpy and scipy.
    /// - Parameters:
    ///   - columns: for each system one difference per query, at least one query.
    ///   - seeds: for each system the errors that are due to seeds; empty: none.
    /// - Complexity: O(resamples × queries × systems), on all threads.
    public func intervals(of columns: [[Double]], seeds: [[SeedError]] = []) -> [Interval] {
        guard let queries = columns.first?.count else { return [] }
        precondition(queries > 0, "no queries to resample")
        precondition(queries <= UInt32.max, "\(queries) queries are more than 32 bits can number")
        var sums = Self.resampledSums(of: columns, resamples: resamples, seed: seed)
        Resampling.add(seeds, to: &sums, queries: queries, seed: seed)
        let tail = tail(queries)
        return zip(columns, sums).map { column, sums in
            let sorted = sums.sorted()
            return Interval(
                mean: column.reduce(0, +) / Double(queries),
                low: quantile(tail, ofSorted: sorted) / Double(queries),
                high: quantile(1 - tail, ofSorted: sorted) / Double(queries))
        }
    }

    /// The share of resampled means below the interval, which is also the share above it.
    private func tail(_ queries: Int) -> Double {
        guard isExpanded, queries > 1 else { return (1 - level) / 2 }
        let count = Double(queries)
        let t = StudentT.quantile((1 + level) / 2, degreesOfFreedom: count - 1) * (count / (count - 1)).squareRoot()
        return 0.5 * erfc(t / 2.0.squareRoot())
    }

    /// `result[c][r]`is the sum of column c over the r-th resample of the queries. All columns share the resamples.
    static func resampledSums(of columns: [[Double]], resamples: Int, seed: UInt64) -> [[Double]] {
        Resampling.weightedSums(of: columns, count: resamples, seed: seed) { generator, weights in
            weights.update(repeating: 0)
            let count = UInt64(weights.count)
            // Two indices from 64 random bits, each (32 bits × count) / 2³². They deviate from uniform by less than
            // count / 2³².
            var remaining = weights.count
            while remaining > 0 {
                let bits = generator.next()
                weights[Int(truncatingIfNeeded: ((bits >> 32) &* count) >> 32)] += 1
                if remaining > 1 { weights[Int(truncatingIfNeeded: ((bits & 0xFFFF_FFFF) &* count) >> 32)] += 1 }
                remaining -= 2
            }
        }
    }
}

/// The `q`-quantile of ascending values, interpolated linearly (numpy's default, type 7 of Hyndman and Fan).
func quantile(_ q: Double, ofSorted values: [Double]) -> Double {
    let position = q * Double(values.count - 1)
    let lower = Int(position.rounded(.down))
    let upper = min(lower + 1, values.count - 1)
    return values[lower] + (values[upper] - values[lower]) * (position - Double(lower))
}
