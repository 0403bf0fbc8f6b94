import MafinNumerics

/// What training gained on dev over its untrained start, measured on queries that did not choose the state.
///
/// A run keeps the best of several evaluations, so the difference between that one and the start is above 0 even where the states differ by
/// noise alone. Here the development queries are cut in halves at random: the state that is best on one half is measured on the other, both
/// ways, over ``splits`` cuts. The mean of these differences is the gain.
///
/// Its p is that of a randomization test. If training gains nothing, the sign of all differences of one query is a fair coin; p is the
/// share of ``signs`` sign assignments whose gain, cut and chosen in the same way, is as large as the observed one. It so holds for any number
/// of evaluations and any dependence between them.
///
/// Means of trained and released weights take no part: they are made of the state that all development queries chose.
public struct TrainingGain: Sendable, Codable, Equatable {
    /// Mean difference of the metric to the untrained start, on queries that did not choose the state.
    public var mean: Double
    /// Probability of at least this gain where training gains nothing; one-sided.
    public var p: Double
    /// Development queries.
    public var queries: Int
    /// Evaluated states, the start among them.
    public var evaluations: Int

    /// A gain by its figures.
    public init(mean: Double, p: Double, queries: Int, evaluations: Int) {
        self.mean = mean
        self.p = p
        self.queries = queries
        self.evaluations = evaluations
    }

    /// Largest p at which a gain counts as shown: a two-sided 95 % interval would lie above 0.
    public static let level = 0.025
    /// Random halvings of the queries.
    static let splits = 4
    /// Sign assignments of the test, the observed one among them.
    static let signs = 2_000

    /// Whether chance does not explain the gain.
    public var isShown: Bool { mean > 0 && p <= Self.level }

    /// The gain of a run from its evaluations.
    /// - Parameters:
    ///   - evaluations: of the same queries, that of the untrained start first.
    ///   - selection: how the best of them is chosen.
    ///   - seed: of halvings and signs.
    /// - Returns: `nil` with fewer than two queries.
    /// - Complexity: O(``signs`` · queries · evaluations · ``splits``), on all threads.
    init?(evaluations: [DevelopmentResult.QueryFigures], selection: TrainingOptions.Selection, seed: UInt64) {
        guard let start = evaluations.first, start.metric.count > 1 else { return nil }
        let count = start.metric.count
        let states = evaluations.count
        var generator = RandomGenerator(seed: RandomGenerator.mix(seed))

        // For each half, metric and likelihood of each state as differences to the start; 0 for queries of the other half.
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
        // Sums of the same numbers may differ in their last bits.
        let tolerance = 1e-5 * abs(gains[0])
        p = Double(gains.count { $0 >= gains[0] - tolerance }) / Double(gains.count)
        queries = count
        self.evaluations = states
    }

    /// Sum over all queries of the metric's difference for the state that the other half chose, mean over the splits.
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
