import MafinNumerics

/// The gain of training over the untrained start on dev, measured on queries that did not choose the state.
///
/// A run keeps the best of several evaluations, so its difference to the start is above 0 even if the states differ
/// only by noise. The gain is therefore cross-fitted. The development queries are split into random halves, ``splits``
/// times. The state that is best on one half is measured on the other half, in both directions. The gain is the mean of
/// these differences.
///
/// Its p comes from a randomization test. If training gains nothing, the differences of one query are as likely to have
/// the opposite sign, all together. p is the share of ``signs`` sign assignments whose gain is at least the observed
/// one. Each assignment uses the same halves and chooses the states again. So p is valid for any number of evaluations
/// and any dependence between them.
///
/// Means of trained and released weights are not counted, because they are made from the state that all development
/// queries chose. If evaluations measure a sample of the development queries, the start and what is kept, a mean or not,
/// are the two states, and the queries are those outside the sample, which chose neither.
public struct TrainingGain: Sendable, Codable, Equatable {
    /// Mean difference of the metric to the untrained start, on queries that did not choose the state.
    public var mean: Double
    /// Probability of at least this gain if training gains nothing; one-sided.
    public var p: Double
    /// Development queries.
    public var queries: Int
    /// Number of evaluated states, including the start.
    public var evaluations: Int

    /// A gain by its figures.
    public init(mean: Double, p: Double, queries: Int, evaluations: Int) {
        self.mean = mean
        self.p = p
        self.queries = queries
        self.evaluations = evaluations
    }

    /// Largest p at which a gain counts as shown. It corresponds to a two-sided 95 % interval above 0.
    public static let level = 0.025
    /// Number of random splits of the queries into halves.
    static let splits = 4
    /// Number of sign assignments in the test, including the observed one.
    static let signs = 2_000

    /// Whether the gain is above 0 and p is at most ``level``.
    public var isShown: Bool { mean > 0 && p <= Self.level }

    /// The gain of a run from its evaluations.
    /// - Parameters:
    ///   - evaluations: the figures of the same queries in each evaluation. The first evaluation is that of the
    ///     untrained start.
    ///   - selection: how the best evaluation is chosen.
    ///   - seed: the seed of splits and signs.
    /// - Returns: `nil` with fewer than two queries.
    /// - Complexity: O(``signs`` · queries · evaluations · ``splits``), on all threads.
    init?(evaluations: [DevelopmentResult.QueryFigures], selection: TrainingOptions.Selection, seed: UInt64) {
        guard let start = evaluations.first, start.metric.count > 1 else { return nil }
        let count = start.metric.count
        let states = evaluations.count
        var generator = RandomGenerator(seed: RandomGenerator.mix(seed))

        // For each half, the metric and the log-likelihood of each state as differences to the start. They are 0 for
        // queries of the other half.
        var columns = Matrix(rows: count, columns: Self.splits * 2 * 2 * states)
        for split in 0..<Self.splits {
            for (place, query) in (0..<count).shuffled(using: &generator).enumerated() {
                let first = (split * 2 + place % 2) * 2 * states
                for (state, figures) in evaluations.enumerated() {
                    columns[query, first + state] = figures.metric[query] - start.metric[query]
                    columns[query, first + states + state] =
                        figures.logLikelihood[query] - start.logLikelihood[query]
                }
            }
        }
        var gains: [Double] = []
        let blockRows = 250
        for block in 0..<Self.signs / blockRows {
            var signs = Matrix(rows: blockRows, columns: count, repeating: 1)
            for row in (block == 0 ? 1 : 0)..<blockRows {
                var bits: UInt64 = 0
                for query in 0..<count {
                    if query & 63 == 0 { bits = generator.next() }
                    if bits & 1 == 1 { signs[row, query] = -1 }
                    bits >>= 1
                }
            }
            let sums = Matrix.multiply(signs, columns)
            gains += (0..<blockRows).map { Self.gain(of: sums.row($0), states: states, selection: selection) }
        }
        mean = gains[0] / Double(count)
        // The sums of the same numbers in another order may differ in their last bits.
        let tolerance = 1e-5 * abs(gains[0])
        p = Double(gains.count { $0 >= gains[0] - tolerance }) / Double(gains.count)
        queries = count
        self.evaluations = states
    }

    /// For each query, the difference of the metric at the state that the other half chose; summed over all queries,
    /// averaged over the splits.
    private static func gain(
        of sums: ArraySlice<Float>, states: Int, selection: TrainingOptions.Selection
    ) -> Double {
        sums.withUnsafeBufferPointer { sums in
            var total = 0.0
            for split in 0..<splits {
                let halves = [split * 2, split * 2 + 1].map { $0 * 2 * states }
                for (choosing, measured) in [(halves[0], halves[1]), (halves[1], halves[0])] {
                    var best = 0
                    for state in 1..<max(1, states) {
                        func figures(_ state: Int) -> (Float, Float) {
                            (sums[choosing + state], sums[choosing + states + state])
                        }
                        if selection.prefers(figures(state), to: figures(best)) { best = state }
                    }
                    total += Double(sums[measured + best])
                }
            }
            return total / Double(splits)
        }
    }
}
