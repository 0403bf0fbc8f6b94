import MafinNumerics

/// Fisher's paired randomization test of "no difference" (Smucker, Allan and Carterette 2007 for retrieval).
///
/// Under the null hypothesis the two systems are exchangeable on each query, so both signs of each difference are
/// equally likely. p is the share of sign assignments whose mean is at least as far from 0 as the observed mean. The
/// observed assignment is counted too: p = `(1 + hits) / (1 + permutations)`, which is never 0.
public struct PairedRandomizationTest: Sendable {
    /// Number of random sign assignments.
    public var permutations: Int
    /// The seed. Equal seeds and data give equal p, on any number of threads.
    public var seed: UInt64

    /// The default is 10,000 sign assignments.
    public init(permutations: Int = 10_000, seed: UInt64 = 1) {
        precondition(permutations > 0, "no p from \(permutations) permutations")
        self.permutations = permutations
        self.seed = seed
    }

    /// The two-sided p of one system's differences.
    public func pValue(of differences: [Double]) -> Double { pValues(of: [differences])[0] }

    /// The two-sided p of several systems' differences on the same queries, with the same sign assignments for all.
    /// - Parameters:
    ///   - columns: for each system one difference per query, at least one query.
    ///   - seeds: for each system the errors that are due to seeds, which widen the null distribution; empty: none.
    /// - Complexity: O(permutations × queries × systems), on all threads.
    public func pValues(of columns: [[Double]], seeds: [[SeedError]] = []) -> [Double] {
        guard let queries = columns.first?.count else { return [] }
        precondition(queries > 0, "no queries to permute")
        var sums = Resampling.weightedSums(of: columns, count: permutations, seed: seed) { generator, signs in
            var bits: UInt64 = 0
            for index in signs.indices {
                if index & 63 == 0 { bits = generator.next() }
                signs[index] = Double(bitPattern: 0x3FF0_0000_0000_0000 | (bits & 1) << 63)
                bits >>= 1
            }
        }
        Resampling.add(seeds, to: &sums, queries: queries, seed: seed)
        return zip(columns, sums).map { column, sums in
            let observed = abs(column.reduce(0, +))
            // Sums of the same numbers in another order may differ in their last bits. They must count as ties.
            let tolerance = 1e-12 * column.reduce(0) { $0 + abs($1) }
            let hits = sums.reduce(0) { abs($1) >= observed - tolerance ? $0 + 1 : $0 }
            return Double(1 + hits) / Double(1 + permutations)
        }
    }
}
