import Foundation
import MafinNumerics

extension LearningCurve {
    /// A gain that was not measured, with its uncertainty.
    public struct Forecast: Sendable, Codable, Equatable {
        /// The number of labelled queries.
        public let labelledQueries: Int
        /// The gain over the baseline with that number.
        public let gain: PairedBootstrap.Interval
        /// This gain minus the gain with all present labels, both from the fitted curve.
        public let increase: PairedBootstrap.Interval
        /// Whether the intervals include the variance between subsets of labelled queries, because each smaller size
        /// was measured with several subsets. With one subset per size that variance is unknown, and the intervals are
        /// too narrow.
        public let includesSubsets: Bool
    }

    /// A curve `gain(n) = level + slope · φ(n)` with `φ(n) = (1 − (n/n₀)^−α) / α`, or ln(n/n₀) at α = 0. n₀ is the
    /// smallest size, and sizes are given as n/n₀.
    struct Fit {
        var exponent: Double
        var level: Double
        var slope: Double

        static func basis(_ size: Double, exponent: Double) -> Double {
            exponent == 0 ? log(size) : (1 - pow(size, -exponent)) / exponent
        }

        func value(at size: Double) -> Double { level + slope * Self.basis(size, exponent: exponent) }

        /// Fits level and slope by least squares for each exponent, and keeps the exponent with the smallest error.
        init(sizes: [Double], gains: [Double], exponents: [Double]) {
            var best: (error: Double, fit: (Double, Double, Double)) = (.infinity, (0, 0, 0))
            for exponent in exponents {
                let x = sizes.map { Self.basis($0, exponent: exponent) }
                let meanX = x.reduce(0, +) / Double(x.count)
                let meanY = gains.reduce(0, +) / Double(gains.count)
                var (xx, xy) = (0.0, 0.0)
                for (x, y) in zip(x, gains) {
                    xx += (x - meanX) * (x - meanX)
                    xy += (x - meanX) * (y - meanY)
                }
                let slope = xx > 0 ? xy / xx : 0
                var error = 0.0
                for (x, y) in zip(x, gains) {
                    let rest = y - meanY - slope * (x - meanX)
                    error += rest * rest
                }
                if error < best.error { best = (error, (exponent, meanY - slope * meanX, slope)) }
            }
            (exponent, level, slope) = best.fit
        }
    }

    /// From 0, a straight line over the logarithm of n, to 1.5, a curve that is nearly flat at ten times the smallest
    /// size.
    static let exponents: [Double] = (0...15).map { Double($0) / 10 }

    /// The gain that is expected with `labelledQueries` labelled queries.
    ///
    /// The curve is an inverse power law through the measured points (Figueroa et al. 2012, "Predicting sample size
    /// required for classification performance"; Hestness et al. 2017). Its exponent is fitted if there are at least
    /// four sizes. With fewer it is a straight line over log n. The interval comes from a bootstrap over test queries
    /// and repeats, with a new fit for each resample. It covers the uncertainty of the measured gains, but not whether
    /// the law holds for larger sizes, so do not extrapolate beyond a few times the largest size.
    /// - Returns: `nil` if fewer than two sizes were measured.
    public func forecast(labelledQueries wanted: Int) -> Forecast? {
        guard points.count >= 2, let first = points.first, let last = points.last, wanted > 0 else { return nil }
        let unit = Double(first.labelledQueries)
        let sizes = points.map { Double($0.labelledQueries) / unit }
        let exponents = points.count >= 4 ? Self.exponents : [0]
        let (target, all) = (Double(wanted) / unit, Double(last.labelledQueries) / unit)
        func fit(_ gains: [Double]) -> (gain: Double, increase: Double) {
            let fit = Fit(sizes: sizes, gains: gains, exponents: exponents)
            let gain = fit.value(at: target)
            return (gain, gain - fit.value(at: all))
        }
        let observed = fit(points.map(\.gain.mean))
        let drawn = resampledGains().map(fit)
        func interval(_ mean: Double, _ values: [Double]) -> PairedBootstrap.Interval {
            let sorted = values.sorted()
            return PairedBootstrap.Interval(
                mean: mean, low: quantile((1 - level) / 2, ofSorted: sorted),
                high: quantile((1 + level) / 2, ofSorted: sorted))
        }
        return Forecast(
            labelledQueries: wanted, gain: interval(observed.gain, drawn.map(\.gain)),
            increase: interval(observed.increase, drawn.map(\.increase)),
            includesSubsets: points.dropLast().allSatisfy { $0.differences.count > 1 })
    }

    /// The gain that is expected with twice the labels.
    public var doubled: Forecast? { points.last.flatMap { forecast(labelledQueries: 2 * $0.labelledQueries) } }

    /// For each resample, the mean gain at each size. Test queries are drawn once for all sizes, repeats separately for
    /// each size.
    private func resampledGains() -> [[Double]] {
        let columns = points.flatMap(\.differences)
        let queries = Double(columns.first?.count ?? 1)
        let sums = PairedBootstrap.resampledSums(of: columns, resamples: resamples, seed: seed)
        var generator = RandomGenerator(seed: RandomGenerator.mix(seed &+ 1))
        return (0..<resamples).map { resample in
            var offset = 0
            return points.map { point in
                let repeats = point.differences.count
                var sum = 0.0
                for _ in 0..<repeats { sum += sums[offset + generator.index(below: repeats)][resample] }
                offset += repeats
                return sum / (Double(repeats) * queries)
            }
        }
    }
}
