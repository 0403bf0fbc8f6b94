import Foundation
import MafinNumerics
import MafinRetrieval
import Testing

@Suite struct StatisticsTests {
    struct Golden: Decodable {
        let differences: [Double]
        let low: Double
        let high: Double
        let p: Double
        /// Standard error of the mean, the scale of the tolerances.
        let error: Double
    }

    @Test func agreeWithSciPy() throws {
        let goldens = try MafinRetrievalTests.Golden.decode("statistics.json", as: [String: Golden].self)
        #expect(goldens.count == 5)
        for (name, golden) in goldens {
            var bootstrap = PairedBootstrap(resamples: 100_000, seed: 11)
            bootstrap.isExpanded = false
            let interval = bootstrap.interval(of: golden.differences)
            // A 2.5 % quantile of 100,000 resamples has a standard error of about .0085 standard errors of the mean, scipy's
            // of 200,000 another .006; five times their root sum of squares.
            let tolerance = 0.052 * golden.error
            #expect(abs(interval.low - golden.low) < tolerance, "\(name): \(interval.low), scipy \(golden.low)")
            #expect(abs(interval.high - golden.high) < tolerance, "\(name): \(interval.high), scipy \(golden.high)")
            #expect(abs(interval.mean - golden.differences.reduce(0, +) / Double(golden.differences.count)) < 1e-12)
            let p = PairedRandomizationTest(permutations: 100_000, seed: 12).pValue(of: golden.differences)
            // Five standard errors of both shares.
            let spread = 5 * (golden.p * (1 - golden.p) * (1 / 100_000 + 1 / 200_000)).squareRoot() + 2e-5
            #expect(abs(p - golden.p) < spread, "\(name): \(p), scipy \(golden.p)")
        }
    }

    @Test func holmIsThatOfR() {
        // p.adjust(c(.01, .04, .03, .005), "holm") and p.adjust(c(.5, .6, .7), "holm")
        for (value, expected) in zip(holmAdjusted([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02]) {
            #expect(abs(value - expected) < 1e-12)
        }
        #expect(holmAdjusted([0.5, 0.6, 0.7]) == [1, 1, 1])
        #expect(holmAdjusted([]) == [])
    }

    /// The quantiles are those at which Student's t of the mean would lie, for values of a normal distribution.
    @Test func fewQueriesWidenIntervals() {
        // 0.5 * erfc(t.ppf(.975, n - 1) * sqrt(n / (n - 1)) / sqrt(2)) of scipy, for 5, 20 and 100.
        let tails = [5: 9.541e-4, 20: 1.5881e-2, 100: 2.3064e-2]
        for (queries, tail) in tails {
            let values = (0..<queries).map { Double($0 * $0 % 7) }
            var plain = PairedBootstrap(resamples: 20_000, level: 1 - 2 * tail, seed: 2)
            plain.isExpanded = false
            let wanted = plain.interval(of: values)
            let found = PairedBootstrap(resamples: 20_000, seed: 2).interval(of: values)
            #expect(abs(found.low - wanted.low) < 2e-3 && abs(found.high - wanted.high) < 2e-3, "\(queries)")
        }
    }

    @Test func resultsDependOnSeedAlone() {
        var generator = RandomGenerator(seed: 5)
        let columns = (0..<3).map { _ in (0..<101).map { _ in Double(generator.normal()) } }
        let bootstrap = PairedBootstrap(resamples: 1_000, seed: 3)
        let together = bootstrap.intervals(of: columns)
        // Alone or with others, on one thread or several: the resamples are the same.
        #expect(columns.map { bootstrap.interval(of: $0) } == together)
        let test = PairedRandomizationTest(permutations: 1_000, seed: 3)
        let pValues = test.pValues(of: columns)
        #expect(columns.map { test.pValue(of: $0) } == pValues)
        for count in [1, 3] {
            Parallelism.withThreads(count) {
                #expect(bootstrap.intervals(of: columns) == together)
                #expect(test.pValues(of: columns) == pValues)
            }
        }
        #expect(PairedBootstrap(resamples: 1_000, seed: 4).intervals(of: columns) != together)
    }

    @Test func extremes() {
        let test = PairedRandomizationTest(permutations: 999)
        #expect(test.pValue(of: [Double](repeating: 0, count: 30)) == 1)
        #expect(test.pValue(of: [Double](repeating: 0.1, count: 40)) == 1.0 / 1_000)
        // One query: both signs are as extreme as the observed one.
        #expect(test.pValue(of: [0.3]) == 1)
        let interval = PairedBootstrap().interval(of: [0.25])
        #expect(interval == PairedBootstrap.Interval(mean: 0.25, low: 0.25, high: 0.25))
    }

    /// Nominal 95 % must cover 93-97 %, and p must be uniform under the null hypothesis.
    @Test(arguments: [56, 100, 323])
    func coverageAndUniformity(queries: Int) {
        var generator = RandomGenerator(seed: 99)
        let trials = 1_000
        // Differences of metrics are often 0 and otherwise lopsided: 30 % ties, the rest exponential around the mean.
        let columns = (0..<trials).map { _ in
            (0..<queries).map { _ in
                generator.uniform() < 0.3 ? 0 : 0.2 * (-log(1 - Double(generator.uniform())) - 1)
            }
        }
        let intervals = PairedBootstrap(resamples: 1_000, seed: 8).intervals(of: columns)
        let covered = intervals.count { $0.low <= 0 && 0 <= $0.high }
        #expect((930...970).contains(covered), "\(covered) of \(trials) intervals hold the true mean")

        let symmetric = (0..<trials).map { _ in (0..<queries).map { _ in Double(generator.normal()) } }
        let pValues = PairedRandomizationTest(permutations: 1_000, seed: 8).pValues(of: symmetric).sorted()
        // Kolmogorov-Smirnov: 1.95 / √n is the 0.1 % point.
        let distance = pValues.enumerated().map { abs($1 - (Double($0) + 0.5) / Double(trials)) }.max() ?? 1
        #expect(distance < 1.95 / Double(trials).squareRoot(), "largest distance to uniform \(distance)")
    }

    /// What a page waits for: 10 systems, 5,000 queries, 10,000 resamples and as many permutations, in less than 5 s on two cores.
    @Test(
        .enabled(
            if: !(ProcessInfo.processInfo.environment["MAFIN_SLOW_TESTS"] ?? "").isEmpty,
            "slow: set MAFIN_SLOW_TESTS=1"))
    func largeComparisonsAreQuick() {
        var random = RandomGenerator(seed: 5)
        let columns = (0..<10).map { _ in (0..<5_000).map { _ in Double(random.normal()) } }
        let start = ContinuousClock.now
        let intervals = PairedBootstrap().intervals(of: columns)
        let pValues = PairedRandomizationTest().pValues(of: columns)
        let time = ContinuousClock.now - start
        #expect(intervals.count == 10 && pValues.count == 10)
        #expect(time < .seconds(5), "\(time)")
    }
}
