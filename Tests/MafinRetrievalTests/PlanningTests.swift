import Foundation
import MafinNumerics
import Testing

@testable import MafinRetrieval

@Suite struct PlanningTests {
    @Test func quantilesOfSciPy() throws {
        for golden in try EvidenceGoldens.read().planning.quantiles {
            let found = StudentT.quantile(golden.p, degreesOfFreedom: golden.degrees)
            #expect(abs(found - golden.t) < 1e-7 * golden.t, "\(golden.p) with \(golden.degrees): \(found)")
            #expect(StudentT.quantile(1 - golden.p, degreesOfFreedom: golden.degrees) + found < 1e-6 * golden.t)
        }
        #expect(StudentT.quantile(0.5, degreesOfFreedom: 7) == 0)
    }

    /// The sum of two t quantiles is an approximation; the noncentral t distribution is exact.
    @Test func closeToTheExactPower() throws {
        for golden in try EvidenceGoldens.read().planning.detectable {
            let found = MinimumDetectableDifference(
                standardDeviation: 0.25, queries: golden.queries, significance: golden.significance,
                power: golden.power)
            let tolerance = golden.queries < 30 ? 0.06 : golden.queries < 80 ? 0.012 : 0.004
            #expect(
                abs(found.difference / 0.25 / golden.ratio - 1) < tolerance,
                "\(golden): \(found.difference / 0.25)")
        }
    }

    /// If the true gain is δ, the randomization test finds it with the requested power.
    @Test(arguments: [(30, 1), (120, 1), (120, 5)])
    func powerBySimulation(queries: Int, comparisons: Int) {
        let plan = MinimumDetectableDifference(
            standardDeviation: 0.3, queries: queries, power: 0.8, comparisons: comparisons)
        var generator = RandomGenerator(seed: 21)
        let trials = 800
        let columns = (0..<trials).map { _ in
            (0..<queries).map { _ in plan.difference + 0.3 * Double(generator.normal()) }
        }
        let pValues = PairedRandomizationTest(permutations: 1_999, seed: 4).pValues(of: columns)
        let found = pValues.count { $0 <= 0.05 / Double(comparisons) }
        // Four standard errors of a proportion of .8 in 800 trials are .057.
        #expect(abs(Double(found) / Double(trials) - 0.8) < 0.057, "\(found) of \(trials)")
    }

    @Test func spreadFromTheBaselineAlone() {
        // Two systems whose values have the correlation .8: the standard deviation of their difference is that
        // predicted from the baseline's values.
        var generator = RandomGenerator(seed: 2)
        let baseline = (0..<20_000).map { _ in Double(generator.normal()) }
        let differences = baseline.map { value in
            0.8 * value + (1 - 0.64).squareRoot() * Double(generator.normal()) - value
        }
        let foretold = MinimumDetectableDifference(baseline: baseline, correlation: 0.8, queries: 300)
        let seen = MinimumDetectableDifference(differences: differences, queries: 300)
        #expect(abs(foretold.difference / seen.difference - 1) < 0.02)
        #expect(foretold.queries == 300)
    }

    @Test func queriesForAGain() throws {
        let plan = MinimumDetectableDifference(standardDeviation: 0.25, queries: 300)
        for gain in [0.5, 0.1, 0.02, plan.difference] {
            let needed = try #require(plan.queriesNeeded(for: gain))
            func difference(_ queries: Int) -> Double {
                MinimumDetectableDifference(standardDeviation: 0.25, queries: queries).difference
            }
            #expect(difference(needed) <= gain)
            #expect(needed == 2 || difference(needed - 1) > gain)
        }
        #expect(plan.queriesNeeded(for: plan.difference) == 300)
        #expect(plan.queriesNeeded(for: 1e-17) == nil)
    }

    @Test func seeds() {
        // numpy.std([.1, .2, .4], ddof=1)
        let summary = SeedSummary([0.1, 0.2, 0.4])
        #expect(abs(summary.mean - 0.7 / 3) < 1e-15)
        #expect(abs((summary.standardDeviation ?? 0) - 0.15275252316519466) < 1e-15)
        #expect(summary.smallest == 0.1 && summary.largest == 0.4)
        #expect(SeedSummary([0.3]).standardDeviation == nil)
    }

    @Test func seedsOfEvaluations() {
        func evaluation(_ values: [Double], unanswered: Int) -> RunEvaluation {
            RunEvaluation(
                queryIds: ["a", "b"], values: [.rPrecision: values],
                means: [.rPrecision: values.reduce(0, +) / 2], queriesWithoutRelevantDocument: 3,
                queriesWithoutResult: unanswered)
        }
        let averaged = SeededEvaluation([
            evaluation([0, 0.5], unanswered: 0), evaluation([1, 0.25], unanswered: 1),
        ])
        let (mean, spread) = (averaged.mean, averaged.spread)
        #expect(mean.values[.rPrecision] == [0.5, 0.375])
        #expect(mean.means[.rPrecision] == 0.4375)
        #expect(mean.queriesWithoutResult == 1 && mean.queriesWithoutRelevantDocument == 3)
        #expect(spread[.rPrecision]?.values == [0.25, 0.625])
    }
}
