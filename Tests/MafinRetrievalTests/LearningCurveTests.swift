import Foundation
import MafinNumerics
import Testing

@testable import MafinRetrieval

@Suite struct LearningCurveTests {
    @Test func sizesAndSubsets() {
        #expect(LearningCurve.sizes(upTo: 2_563) == [50, 100, 200, 500, 1_000, 2_563])
        #expect(LearningCurve.sizes(upTo: 200) == [50, 100, 200])
        #expect(LearningCurve.sizes(upTo: 20) == [20])
        let queries = Array(100..<200)
        let small = LearningCurve.subset(of: queries, size: 20, seed: 1, repeated: 0)
        let large = LearningCurve.subset(of: queries, size: 60, seed: 1, repeated: 0)
        #expect(Set(small).count == 20 && Set(small).isSubset(of: Set(large)))
        #expect(large == large.sorted())
        #expect(small != LearningCurve.subset(of: queries, size: 20, seed: 1, repeated: 1))
        #expect(small != LearningCurve.subset(of: queries, size: 20, seed: 2, repeated: 0))
        #expect(LearningCurve.subset(of: queries, size: 100, seed: 1, repeated: 3) == queries)
    }

    @Test func curvesOfTheFamilyAreFoundAgain() {
        let sizes: [Double] = [1, 2, 4, 10, 20, 50]
        for exponent in [0, 0.3, 1] {
            let gains = sizes.map { 0.02 + 0.03 * LearningCurve.Fit.basis($0, exponent: exponent) }
            let fit = LearningCurve.Fit(sizes: sizes, gains: gains, exponents: LearningCurve.exponents)
            #expect(fit.exponent == exponent)
            #expect(abs(fit.level - 0.02) < 1e-12 && abs(fit.slope - 0.03) < 1e-12)
        }
        // numpy.polyfit(numpy.log([1, 2, 4, 10]), [.01, .03, .02, .05], 1)
        let line = LearningCurve.Fit(sizes: [1, 2, 4, 10], gains: [0.01, 0.03, 0.02, 0.05], exponents: [0])
        #expect(abs(line.slope - 0.014858613739438416) < 1e-12)
        #expect(abs(line.level - 0.011222289709862387) < 1e-12)
    }

    /// Simulated data whose true gain is known at every size: the forecast intervals must contain it as often as they
    /// say.
    @Test func forecastsHoldTheTruth() throws {
        func truth(_ size: Int) -> Double { 0.06 - 0.25 * pow(Double(size), -0.4) }
        var generator = RandomGenerator(seed: 17)
        let (trials, queries) = (60, 150)
        var (held, heldIncrease) = (0, 0)
        for trial in 0..<trials {
            // A query's difficulty is the same at all sizes, so the errors of the points are correlated.
            let ease = (0..<queries).map { _ in 0.1 * Double(generator.normal()) }
            let curve = LearningCurve(
                labelled: Array(0..<1_000), sizes: LearningCurve.sizes(upTo: 1_000), repeats: 2,
                seed: UInt64(trial), bootstrap: PairedBootstrap(resamples: 400, seed: UInt64(trial))
            ) { learned, _ in
                ease.map { truth(learned.count) + $0 + 0.03 * Double(generator.normal()) }
            }
            let forecast = try #require(curve.doubled)
            #expect(forecast.labelledQueries == 2_000 && forecast.includesSubsets)
            if forecast.gain.low <= truth(2_000), truth(2_000) <= forecast.gain.high { held += 1 }
            let increase = truth(2_000) - truth(1_000)
            if forecast.increase.low <= increase, increase <= forecast.increase.high { heldIncrease += 1 }
        }
        // Nominal 95 %; with 60 trials three standard errors are .085.
        #expect(held >= 52 && heldIncrease >= 52, "\(held) and \(heldIncrease) of \(trials)")
    }

    @Test func fewPoints() {
        func curve(_ sizes: [Int]) -> LearningCurve {
            LearningCurve(labelled: Array(0..<100), sizes: sizes, bootstrap: PairedBootstrap(resamples: 50)) {
                learned, _ in
                [Double](repeating: log(Double(learned.count)), count: 5)
            }
        }
        #expect(curve([100]).doubled == nil)
        let doubled = curve([25, 100]).doubled
        // One subset per size does not show the variance between subsets.
        #expect(doubled?.includesSubsets == false)
        // If the gains lie on a straight line over log n, the forecast is on that line and all resamples agree.
        #expect(abs((doubled?.gain.mean ?? 0) - log(200)) < 1e-9)
        #expect(abs((doubled?.increase.low ?? 0) - log(2)) < 1e-9 && abs((doubled?.increase.high ?? 0) - log(2)) < 1e-9)
    }

    @Test func errorsAreHandedOn() {
        struct Failure: Error {}
        #expect(throws: Failure.self) {
            try LearningCurve(labelled: [1, 2], sizes: [1]) { _, _ in throw Failure() }
        }
    }
}
