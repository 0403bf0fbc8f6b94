import Foundation

/// The smallest true gain that a test set shows with a given probability. It can be computed before any training.
///
/// `δ = (t_{1−α/2} + t_{power}) · σ / √n` with n − 1 degrees of freedom, where σ is the standard deviation over queries
/// of the difference between both systems (Bloom 1995, "Minimum Detectable Effects", Evaluation Review 19(5), equation
/// 1; Sakai 2016, "Topic set size design", Information Retrieval 19(3), for retrieval). A smaller gain may be real, but
/// the test set shows it with a lower probability.
///
/// Before anything is trained, σ is estimated from the standard deviation s of the baseline's values and the
/// correlation ρ of two systems' values over queries: `σ = s √(2 (1 − ρ))`, if both systems have the same s.
public struct MinimumDetectableDifference: Sendable, Codable, Hashable {
    /// Number of queries of the test set.
    public let queries: Int
    /// σ, the standard deviation over queries of the difference of two systems.
    public let standardDeviation: Double
    /// α, the probability that any of the comparisons shows a difference although there is none.
    public let significance: Double
    /// The probability with which a difference of ``difference`` is shown.
    public let power: Double
    /// Number of systems that are tested. Each is tested at α / comparisons (Bonferroni, the first and strictest step
    /// of Holm's correction).
    public let comparisons: Int
    /// δ, the smallest mean difference that is shown with probability ``power``, in the unit of the metric.
    public let difference: Double

    /// A usual correlation over queries between the values of two systems of which one builds on the other. On NFCorpus
    /// (nDCG@10) the correlations of the black box with NUDGE, fusions with BM25, Mafin and compositions of them are
    /// .68 to .91.
    public static let usualCorrelation = 0.8

    /// From the standard deviation of the difference.
    /// - Parameters:
    ///   - standardDeviation: σ of the difference over queries, not of its mean.
    ///   - queries: number of queries of the test set; at least 2.
    ///   - comparisons: number of systems that will be compared with the baseline.
    public init(
        standardDeviation: Double, queries: Int, significance: Double = 0.05, power: Double = 0.8, comparisons: Int = 1
    ) {
        precondition(queries >= 2, "a spread needs two queries, here are \(queries)")
        precondition(
            significance > 0 && significance < 1 && power > significance && power < 1 && comparisons >= 1
                && standardDeviation >= 0, "α \(significance), power \(power), σ \(standardDeviation)")
        self.queries = queries
        self.standardDeviation = standardDeviation
        self.significance = significance
        self.power = power
        self.comparisons = comparisons
        difference = Self.factor(queries, significance / Double(comparisons), power) * standardDeviation
    }

    /// Before anything is trained: from the baseline's value for each query.
    ///
    /// The values may be those of dev if test must not be used yet. `queries` is then the number of test queries.
    /// - Parameter correlation: ρ, the correlation over queries between the values of the baseline and of another
    ///   system.
    public init(
        baseline values: [Double], correlation: Double = usualCorrelation, queries: Int? = nil,
        significance: Double = 0.05, power: Double = 0.8, comparisons: Int = 1
    ) {
        precondition(correlation > -1 && correlation < 1, "a correlation of \(correlation)")
        self.init(
            standardDeviation: Self.deviation(values) * (2 * (1 - correlation)).squareRoot(),
            queries: queries ?? values.count, significance: significance, power: power, comparisons: comparisons)
    }

    /// From the differences of a system to the baseline, for instance of the untrained concatenation.
    /// - Parameter queries: number of queries of the test set; `nil`: that of the differences.
    public init(
        differences: [Double], queries: Int? = nil, significance: Double = 0.05, power: Double = 0.8,
        comparisons: Int = 1
    ) {
        self.init(
            standardDeviation: Self.deviation(differences), queries: queries ?? differences.count,
            significance: significance, power: power, comparisons: comparisons)
    }

    /// The number of queries, with the same σ, that would show a gain of `wanted`; at least 2. `nil` if a billion
    /// would be too few.
    public func queriesNeeded(for wanted: Double) -> Int? {
        precondition(wanted > 0, "a gain of \(wanted) cannot be shown")
        func shows(_ count: Int) -> Bool {
            Self.factor(count, significance / Double(comparisons), power) * standardDeviation <= wanted
        }
        var high = 2
        while !shows(high) {
            guard high < 1_000_000_000 else { return nil }
            high *= 2
        }
        var low = high / 2
        while high - low > 1 {
            let middle = (low + high) / 2
            if shows(middle) { high = middle } else { low = middle }
        }
        return high
    }

    /// δ / σ.
    private static func factor(_ queries: Int, _ significance: Double, _ power: Double) -> Double {
        let degrees = Double(queries - 1)
        let sum =
            StudentT.quantile(1 - significance / 2, degreesOfFreedom: degrees)
            + StudentT.quantile(power, degreesOfFreedom: degrees)
        return sum / Double(queries).squareRoot()
    }

    private static func deviation(_ values: [Double]) -> Double {
        precondition(values.count >= 2, "a spread needs two queries, here are \(values.count)")
        return MafinRetrieval.standardDeviation(values) ?? 0
    }
}
