import Foundation

/// The smallest true gain that a test set finds with the wanted probability: what can be said of it before any training.
///
/// `δ = (t_{1−α/2} + t_{power}) · σ / √n` with n − 1 degrees of freedom, where σ is the standard deviation over queries of the difference
/// between both systems (Bloom 1995, "Minimum Detectable Effects", Evaluation Review 19(5), equation 1; Sakai 2016,
/// "Topic set size design", Information Retrieval 19(3), for retrieval). A gain below it may be real, and this test set would
/// more often than not fail to show it.
///
/// Before anything is trained, σ follows from the spread s of the baseline's own values and the correlation ρ of two systems' values over
/// queries: `σ = s √(2 (1 − ρ))`, both systems spreading alike.
public struct MinimumDetectableDifference: Sendable, Codable, Hashable {
    /// Queries of the test set.
    public let queries: Int
    /// σ, the standard deviation over queries of the difference of two systems.
    public let standardDeviation: Double
    /// α, the chance of finding a difference where there is none, of all comparisons together.
    public let significance: Double
    /// The wanted chance of finding a difference of ``difference``.
    public let power: Double
    /// Systems that are tested; each is tested at α / comparisons (Bonferroni, which is the first and hardest step of Holm's correction).
    public let comparisons: Int
    /// δ, the smallest mean difference that is found with probability ``power``; in the unit of the metric.
    public let difference: Double

    /// A correlation between two systems' values over queries that is usual where one builds on the other. NFCorpus, nDCG@10, the
    /// black box against NUDGE, fusions with BM25, Mafin and compositions of them: .68 to .91.
    public static let usualCorrelation = 0.8

    /// From the standard deviation of the difference.
    /// - Parameters:
    ///   - standardDeviation: σ over queries; not of the mean.
    ///   - queries: of the test set, 2 or more.
    ///   - comparisons: systems that will be compared with the baseline.
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

    /// Before anything is trained: from the baseline's value for each query of the test set.
    ///
    /// The values may be those of dev where test shall not be touched; then `queries` says how many test has.
    /// - Parameter correlation: ρ, of the values of the baseline and of another system over queries.
    public init(
        baseline values: [Double], correlation: Double = usualCorrelation, queries: Int? = nil,
        significance: Double = 0.05, power: Double = 0.8, comparisons: Int = 1
    ) {
        precondition(correlation > -1 && correlation < 1, "a correlation of \(correlation)")
        self.init(
            standardDeviation: Self.deviation(values) * (2 * (1 - correlation)).squareRoot(),
            queries: queries ?? values.count, significance: significance, power: power, comparisons: comparisons)
    }

    /// From the differences that some system shows, such as the untrained concatenation, which costs no training.
    /// - Parameter queries: of the test set, where the differences are of another one.
    public init(
        differences: [Double], queries: Int? = nil, significance: Double = 0.05, power: Double = 0.8,
        comparisons: Int = 1
    ) {
        self.init(
            standardDeviation: Self.deviation(differences), queries: queries ?? differences.count,
            significance: significance, power: power, comparisons: comparisons)
    }

    /// How many queries of the same spread would show a gain of `wanted`; at least 2.
    public func queriesNeeded(for wanted: Double) -> Int {
        precondition(wanted > 0, "a gain of \(wanted) cannot be shown")
        func shows(_ count: Int) -> Bool {
            Self.factor(count, significance / Double(comparisons), power) * standardDeviation <= wanted
        }
        var high = 2
        while !shows(high) { high *= 2 }
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
