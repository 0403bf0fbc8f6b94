import Foundation
import MafinNumerics
import Testing

@testable import MafinRetrieval

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
            // Five standard errors of the difference of the two p.
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

    /// For normally distributed values the chosen quantiles of the resamples give the interval of Student's t.
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
        // A comparison has the same resamples alone and together with others.
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

    /// The same numbers on every machine with any number of cores. They were computed in Python by one loop over the
    /// documented generator.
    @Test func resultsAreTheSameOnEveryMachine() {
        let values = (0..<101).map { (Double($0 * $0 % 7) - 2.2) / 10 }
        let interval = PairedBootstrap(resamples: 1_000, seed: 3).interval(of: values)
        #expect(abs(interval.low - -0.05063343695023092) < 1e-9 && abs(interval.high - 0.003762376237623747) < 1e-9)
        #expect(abs(PairedRandomizationTest(permutations: 1_000, seed: 3).pValue(of: values) - 147 / 1_001) < 1e-12)
    }

    @Test func pValuesOfExtremeInputs() {
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
        // Differences of metrics are often 0 and otherwise skewed: 30 % ties, the rest exponentially distributed around
        // the mean.
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

    /// Simulated evaluations of one system: the value of query q under seed s is `mean + a_q + b_s + e_qs`.
    private static func seeded(
        _ count: Int, queries: Int, mean: Double = 0, query: Double, seed: Double, residual: Double,
        _ generator: inout RandomGenerator
    ) -> SeededEvaluation {
        // Differences of metrics are often 0 and otherwise skewed.
        func lopsided(_ generator: inout RandomGenerator) -> Double {
            if generator.uniform() < 0.3 { return 0 }
            return (-log(1 - Double(generator.uniform())) - 1) / 0.7.squareRoot()
        }
        let effects = (0..<queries).map { _ in mean + query * lopsided(&generator) }
        return SeededEvaluation(
            (0..<count).map { _ in
                let shift = seed * Double(generator.normal())
                return evaluation(effects.map { shift + $0 + residual * lopsided(&generator) })
            })
    }

    private static func evaluation(_ values: [Double]) -> RunEvaluation {
        RunEvaluation(
            queryIds: values.indices.map { "\($0)" }, values: [.rPrecision: values],
            means: [.rPrecision: values.reduce(0, +) / Double(values.count)], queriesWithoutRelevantDocument: 0,
            queriesWithoutResult: 0)
    }

    struct Trial: Sendable, CustomTestStringConvertible {
        var queries: Int
        var seeds: Int
        var query: Double
        var seed: Double
        var residual: Double
        var testDescription: String { "\(queries) queries, \(seeds) seeds, σ \(query), \(seed), \(residual)" }
    }

    /// For any variance between seeds, 95 % intervals must contain the true mean in 95 % of the trials, and p must not
    /// be too small without a true difference.
    @Test(arguments: [
        Trial(queries: 300, seeds: 3, query: 0.2, seed: 0, residual: 0.1),
        Trial(queries: 300, seeds: 3, query: 0.2, seed: 0.02, residual: 0.1),
        Trial(queries: 56, seeds: 3, query: 0.2, seed: 0.02, residual: 0.1),
        Trial(queries: 100, seeds: 2, query: 0.1, seed: 0.02, residual: 0.1),
        Trial(queries: 100, seeds: 2, query: 0.1, seed: 0.05, residual: 0.1),
        Trial(queries: 100, seeds: 5, query: 0.1, seed: 0.05, residual: 0.1),
    ])
    func intervalsCoverSeeds(trial: Trial) {
        var generator = RandomGenerator(seed: 17)
        let trials = 600
        var (covered, plain, found) = (0, 0, 0)
        let bootstrap = PairedBootstrap(resamples: 400, seed: 8)
        let test = PairedRandomizationTest(permutations: 400, seed: 8)
        let baseline = SeededEvaluation([Self.evaluation([Double](repeating: 0, count: trial.queries))])
        for _ in 0..<trials {
            let system = Self.seeded(
                trial.seeds, queries: trial.queries, query: trial.query, seed: trial.seed, residual: trial.residual,
                &generator)
            let difference = PairedDifference(
                system, minus: baseline, in: .rPrecision, bootstrap: bootstrap, test: test)
            if difference.low <= 0, 0 <= difference.high { covered += 1 }
            if difference.p < 0.05 { found += 1 }
            let alone = bootstrap.interval(of: system.mean.differences(from: baseline.mean, in: .rPrecision))
            if alone.low <= 0, 0 <= alone.high { plain += 1 }
        }
        let share = Double(covered) / Double(trials)
        // Three standard errors of a proportion of 95 % in 600 trials are .027. With few seeds the intervals are too
        // wide, most of all with two.
        let most = trial.seeds == 2 ? 0.995 : 0.985
        #expect(
            (0.92...most).contains(share), "\(share) of the intervals hold the true mean, \(plain) without seeds")
        #expect(Double(found) / Double(trials) < 0.08, "\(found) of \(trials) differences found where there are none")
        // Without the variance of the seeds, intervals are too narrow if seeds differ.
        if trial.seed > 0 { #expect(plain < covered && Double(plain) / Double(trials) < 0.92) }
    }

    /// Several seeds with equal results give the interval of one seed.
    @Test func seedsThatAgreeChangeNothing() {
        var generator = RandomGenerator(seed: 3)
        let one = Self.seeded(1, queries: 50, mean: 0.05, query: 0.2, seed: 0.1, residual: 0.1, &generator)
        let base = Self.seeded(1, queries: 50, query: 0.2, seed: 0, residual: 0.1, &generator)
        let same = SeededEvaluation([one.seeds[0], one.seeds[0], one.seeds[0]])
        let single = PairedDifference(one, minus: base, in: .rPrecision)
        let several = PairedDifference(same, minus: base, in: .rPrecision)
        #expect(!single.includesSeeds && several.includesSeeds)
        #expect(abs(single.low - several.low) < 1e-12 && abs(single.high - several.high) < 1e-12)
        #expect(abs(single.p - several.p) < 1e-12)
    }
}
