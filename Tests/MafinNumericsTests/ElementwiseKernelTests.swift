import CMafinKernels
import Foundation
import MafinNumerics
import MafinTestSupport
import Testing

/// The forward passes of elementwise.c against `Double`, at widths around those of vector registers.
@Suite struct ElementwiseKernelTests {
    static let widths = [1, 7, 15, 16, 17, 63, 64, 65, 384]
    static let noDropout = mafin_dropout(seed: 0, first_row: 0, threshold: 0, scale: 1)

    static func values(_ count: Int, seed: UInt64, scale: Float = 1) -> [Float] {
        var random = RandomGenerator(seed: seed)
        return (0..<count).map { _ in scale * random.normal() }
    }

    @Test(arguments: InstructionSet.all) func expIsWithinItsStatedError(_ set: InstructionSet) {
        set.run {
            // A dense sweep of [-87, 0], 2^20 points.
            let count = 1 << 20
            let x = (0..<count).map { -87 + 87 * Float($0) / Float(count - 1) }
            var y = x
            let sum = mafin_exponentials(count, &y, 0)
            var (worst, total) = (0.0, 0.0)
            for index in x.indices {
                let expected = exp(Double(x[index]))
                worst = max(worst, abs(Double(y[index]) - expected) / expected)
                total += Double(y[index])
            }
            #expect(worst < 2e-7)
            #expect(abs(sum / total - 1) < 1e-6)
        }
    }

    @Test(arguments: InstructionSet.all) func expAtItsEnds(_ set: InstructionSet) {
        set.run {
            // 9 elements: a whole vector of each width and a rest.
            var y: [Float] = [-.infinity, -1000, -87.1, .nan, 1, 2, 3, .infinity, -.infinity]
            _ = mafin_exponentials(9, &y, 3)
            #expect(y[0] == 0 && y[1] == 0 && y[2] == 0 && y[8] == 0)
            #expect(y[3].isNaN && y[6] == 1)
            #expect(largestDifference(y[4..<6], [exp(-2.0), exp(-1.0)]) < 1e-7)
            var none: [Float] = []
            #expect(mafin_exponentials(0, &none, 0) == 0)
        }
    }

    @Test(arguments: InstructionSet.all) func maximaAndSums(_ set: InstructionSet) {
        set.run {
            #expect(mafin_maximum(0, [0]) == -.infinity)
            for count in [1, 7, 31, 32, 33, 65, 700] {
                var x = Self.values(count, seed: UInt64(count))
                #expect(mafin_maximum(count, x) == x.max())
                #expect(abs(mafin_sum(count, x) - x.reduce(0.0) { $0 + Double($1) }) < 1e-12 * Double(count))
                x[count / 2] = .nan
                #expect(mafin_maximum(count, x) == (x.filter { !$0.isNaN }.max() ?? -.infinity))
            }
        }
    }

    /// What ``mafin_softmax_moments`` writes.
    private struct Moments {
        var logSum = Double.nan
        var mean: [Double]
        var covariance: [Double]

        init(_ x: [[Float]], count: Int, origins: [Double], weights: [Double], masked: [Int] = []) {
            let sources = x.count
            mean = [Double](repeating: .nan, count: sources)
            covariance = [Double](repeating: .nan, count: sources * sources)
            let flat = x.flatMap { $0 }
            logSum = flat.withUnsafeBufferPointer { flat in
                let rows = (0..<sources).map { source in flat.baseAddress.map { $0 + source * count } }
                return mafin_softmax_moments(
                    count, sources, rows, origins, weights, masked.count, masked, &mean, &covariance)
            }
        }
    }

    /// 256 candidates are processed at a time; the counts are around one and several times that.
    @Test(arguments: InstructionSet.all, [1, 3, 4, 5, 33, 255, 256, 257, 700])
    func momentsOfASoftmax(_ set: InstructionSet, _ count: Int) {
        set.run {
            for sources in [0, 1, 2, 3, 7, 20] {
                // Half of the sources are cosines that lie close together.
                let x = (0..<sources).map { source -> [Float] in
                    let values = Self.values(count, seed: UInt64(source))
                    return source % 2 == 0 ? values.map { (value: Float) -> Float in 0.7 + 0.01 * value } : values
                }
                let weights = (0..<sources).map { source -> Double in source % 2 == 0 ? 300 / Double(source + 1) : 2 }
                let origins = x.map { Double($0[0]) + 0.001 }
                // The whole first chunk, as long as something is left.
                let masked: [Int] = count == 257 ? Array(0..<256) : count > 3 ? [1, count - 1] : []
                var logits = (0..<count).map { column -> Double in
                    (0..<sources).reduce(0.0) { $0 + weights[$1] * (Double(x[$1][column]) - origins[$1]) }
                }
                for column in masked { logits[column] = -.infinity }
                let found = Moments(x, count: count, origins: origins, weights: weights, masked: masked)
                let shares = NaiveKernels.softmax(logits)
                func mean(_ value: (Int) -> Double) -> Double { (0..<count).reduce(0) { $0 + shares[$1] * value($1) } }
                #expect(abs(found.logSum - NaiveKernels.logSumExp(logits)) < 1e-12)
                for j in 0..<sources {
                    let average = mean { Double(x[j][$0]) - origins[j] }
                    #expect(abs(found.mean[j] - average) < 1e-13)
                    for k in 0..<sources {
                        let other = mean { Double(x[k][$0]) - origins[k] }
                        let expected = mean { column -> Double in
                            let first = Double(x[j][column]) - origins[j] - average
                            return first * (Double(x[k][column]) - origins[k] - other)
                        }
                        let scale: Double = j % 2 + k % 2 == 0 ? 1e-4 : j % 2 + k % 2 == 1 ? 0.01 : 1
                        #expect(abs(found.covariance[j * sources + k] - expected) < 1e-12 * scale)
                        #expect(found.covariance[j * sources + k] == found.covariance[k * sources + j])
                    }
                }
            }
        }
    }

    @Test(arguments: InstructionSet.all) func equalScoresHaveNoVariance(_ set: InstructionSet) {
        set.run {
            let x = [Float](repeating: 0.3, count: 300)
            let found = Moments([x], count: 300, origins: [Double(x[0])], weights: [1e6], masked: [0])
            #expect(found.mean == [0] && found.covariance == [0])
            #expect(abs(found.logSum - log(299.0)) < 1e-14)
        }
    }

    /// The exponential in double precision: the mean of 0 and 1 with weights 1 and exp(z) is exp(z) / (1 + exp(z)).
    @Test(arguments: InstructionSet.all) func expInDoublePrecision(_ set: InstructionSet) {
        set.run {
            for step in 0...71_000 {
                let z = -Double(step) / 100
                let found = Moments([[0, 1]], count: 2, origins: [0], weights: [z]).mean[0]
                if z < -708 {
                    #expect(found == 0)
                } else if abs(found * (1 + exp(z)) / exp(z) - 1) > 2e-15 {
                    Issue.record("exp(\(z)): \(found)")
                }
            }
        }
    }

    @Test(arguments: InstructionSet.all) func erfIsWithinItsStatedError(_ set: InstructionSet) {
        set.run {
            // gelu(x) / x = Φ(x) = ½ + ½ erf(x / √2): the error of erf is twice that of Φ, plus Φ's own rounding.
            let count = 1 << 20
            let x = (0..<count).map { -8 + 16 * (Float($0) + 0.5) / Float(count) }
            var y = [Float](repeating: 0, count: count)
            mafin_gelu(count, x, &y)
            var worst = 0.0
            for index in x.indices {
                let distribution = Double(y[index]) / Double(x[index])
                worst = max(worst, abs(distribution - NaiveKernels.normalDistribution(Double(x[index]))))
            }
            #expect(worst < 2e-7 + 0x1p-24 + 0x1p-24, "\(worst)")
        }
    }

    @Test(arguments: InstructionSet.all, widths) func bias(_ set: InstructionSet, _ width: Int) {
        set.run {
            let x = Self.values(3 * width, seed: 1)
            let bias = Self.values(width, seed: 2)
            var y = x
            mafin_add_bias(3, width, &y, bias)
            #expect(y == x.indices.map { x[$0] + bias[$0 % width] })

            var (h, g) = (x, [Float](repeating: .nan, count: x.count))
            mafin_bias_gelu(3, width, &h, bias, &g)
            #expect(h == y)
            #expect(largestDifference(g, h.map { NaiveKernels.gelu(Double($0)) }) < 1e-6)
        }
    }

    @Test(arguments: InstructionSet.all, widths) func residualLayerNorm(_ set: InstructionSet, _ width: Int) {
        set.run {
            let rows = 3
            let x = Self.values(rows * width, seed: 1, scale: 2)
            let residual = Self.values(rows * width, seed: 2)
            let bias = Self.values(width, seed: 3)
            let dropout = mafin_dropout(seed: 5, first_row: 9, threshold: 1 << 30, scale: 4 / 3)
            let mask = DropoutKernelTests.mask(rows: rows, width: width, dropout)
            for (hasBias, hasResidual, drops) in [
                (true, true, true), (true, true, false), (false, true, true), (false, false, false),
            ] {
                var (normalized, scales) = (x, [Float](repeating: .nan, count: rows))
                bias.withUnsafeBufferPointer { bias in
                    residual.withUnsafeBufferPointer { residual in
                        mafin_residual_norm(
                            true,
                            rows, width, x, hasBias ? bias.baseAddress : nil, hasResidual ? residual.baseAddress : nil,
                            drops ? dropout : Self.noDropout, 1e-5, &normalized, &scales)
                    }
                }
                for row in 0..<rows {
                    let range = row * width..<(row + 1) * width
                    let v = range.map { index in
                        (Double(x[index]) + (hasBias ? Double(bias[index % width]) : 0))
                            * (drops ? Double(mask[index]) : 1)
                            + (hasResidual ? Double(residual[index]) : 0)
                    }
                    let expected = NaiveKernels.layerNorm(v, epsilon: 1e-5)
                    #expect(largestDifference(normalized[range], expected.normalized) < 1e-5)
                    #expect(abs(Double(scales[row]) / expected.scale - 1) < 1e-5)
                }
            }
        }
    }

    @Test(arguments: InstructionSet.all) func layerNormInPlace(_ set: InstructionSet) {
        set.run {
            let x = Self.values(2 * 65, seed: 1)
            var (apart, inPlace, scales) = (x, x, [Float](repeating: 0, count: 2))
            mafin_residual_norm(true, 2, 65, x, nil, nil, Self.noDropout, 1e-12, &apart, &scales)
            inPlace.withUnsafeMutableBufferPointer { x in
                guard let x = x.baseAddress else { return }
                mafin_residual_norm(true, 2, 65, x, nil, nil, Self.noDropout, 1e-12, x, &scales)
            }
            #expect(apart == inPlace)
        }
    }

    @Test(arguments: InstructionSet.all, widths) func affine(_ set: InstructionSet, _ width: Int) {
        set.run {
            let x = Self.values(2 * width, seed: 1)
            let (gain, bias) = (Self.values(width, seed: 2), Self.values(width, seed: 3))
            let dropout = mafin_dropout(seed: 5, first_row: 9, threshold: 1 << 31, scale: 2)
            let mask = DropoutKernelTests.mask(rows: 2, width: width, dropout)
            for drops in [false, true] {
                var y = [Float](repeating: .nan, count: x.count)
                mafin_affine(2, width, x, gain, bias, drops ? dropout : Self.noDropout, &y)
                let expected = x.indices.map { index in
                    (Double(x[index]) * Double(gain[index % width]) + Double(bias[index % width]))
                        * (drops ? Double(mask[index]) : 1)
                }
                #expect(largestDifference(y, expected) < 2e-6)
            }
        }
    }

    /// Rows without and with padding, whose contents may be anything before and after.
    @Test(arguments: InstructionSet.all, [1, 2, 15, 16, 17, 128, 511])
    func softmax(_ set: InstructionSet, _ columns: Int) {
        set.run {
            for gap in [0, 1, 15] { checkSoftmax(columns, stride: columns + gap) }
        }
    }

    private func checkSoftmax(_ columns: Int, stride: Int) {
        // Scores farther apart than in attention: the largest must not overflow, the smallest must not become NaN.
        for scale: Float in [1, 30] {
            var z = Self.values(3 * stride, seed: 1, scale: scale)
            for row in 0..<3 {
                for column in columns..<stride { z[row * stride + column] = .nan }
            }
            var (p, scales, shifts) = (z, [Float](repeating: 0, count: 3), [Float](repeating: 0, count: 3))
            mafin_softmax(3, columns, stride, &p, &scales, &shifts)
            mafin_scale_rows(3, columns, stride, scales, &p)
            var again = z
            mafin_softmax_again(3, columns, stride, &again, shifts)
            for row in 0..<3 {
                let range = row * stride..<row * stride + columns
                let expected = z[range].map(Double.init)
                #expect(largestDifference(p[range], NaiveKernels.softmax(expected)) < 1e-6)
                #expect(largestDifference(again[range], p[range]) < 1e-5)
                #expect(abs(Double(shifts[row]) - NaiveKernels.logSumExp(expected)) < 1e-5 * Double(scale))
            }
            // The gradient of the padding must not affect that of the columns.
            var (upstream, together) = (Self.values(3 * stride, seed: 2), [Float]())
            for row in 0..<3 {
                for column in columns..<stride { upstream[row * stride + column] = .nan }
                together += upstream[row * stride..<row * stride + columns]
            }
            let tight = (0..<3).flatMap { again[$0 * stride..<$0 * stride + columns] }
            mafin_softmax_backward(3, columns, stride, again, &upstream, Self.noDropout, 0.5)
            mafin_softmax_backward(3, columns, columns, tight, &together, Self.noDropout, 0.5)
            for row in 0..<3 {
                #expect(
                    largestDifference(
                        upstream[row * stride..<row * stride + columns],
                        together[row * columns..<(row + 1) * columns]) < 1e-6)
            }
        }
    }

    /// The logarithm, for sums from 1 to more than the tokens of a text.
    @Test(arguments: InstructionSet.all) func logSumExpOfSoftmax(_ set: InstructionSet) {
        set.run {
            for columns in [1, 3, 100, 512, 4096] {
                var z = [Float](repeating: 0.5, count: columns)
                var (scale, lse): (Float, Float) = (0, 0)
                mafin_softmax(1, columns, columns, &z, &scale, &lse)
                #expect(abs(Double(lse) - (0.5 + log(Double(columns)))) < 1e-6)
                #expect(abs(Double(scale) * Double(columns) - 1) < 1e-6)
            }
        }
    }

    @Test(arguments: InstructionSet.all) func sums(_ set: InstructionSet) {
        set.run {
            for count in [1, 7, 1024, 1025, 5000] {
                let x = Self.values(count, seed: UInt64(count))
                let squares = x.reduce(0.0) { $0 + Double($1) * Double($1) }
                #expect(abs(mafin_sum_of_squares(count, x) - squares) < 1e-6 * squares)
                var y = Self.values(count, seed: 77)
                let expected = x.indices.map { Double(y[$0]) + 0.3 * Double(x[$0]) }
                mafin_axpy(count, 0.3, x, &y)
                #expect(largestDifference(y, expected) < 1e-6)
            }
            #expect(mafin_sum_of_squares(0, [0]) == 0)
            for width in Self.widths {
                let x = Self.values(5 * width, seed: 4)
                var sum = Self.values(width, seed: 5)
                let expected = (0..<width).map { column in
                    (0..<5).reduce(Double(sum[column])) { $0 + Double(x[$1 * width + column]) }
                }
                mafin_column_sum(5, width, x, &sum)
                #expect(largestDifference(sum, expected) < 3e-6)
            }
        }
    }

    @Test(arguments: InstructionSet.all) func scalingInSteps(_ set: InstructionSet) {
        set.run {
            let x = Self.values(65, seed: 1)
            let factors: [Float] = [0.99, 0.98, 1.01]
            var y = x
            mafin_scale_in_steps(65, &y, 3, factors)
            #expect(y == x.map { $0 * factors[0] * factors[1] * factors[2] }, "one rounding a step, in this order")
        }
    }

    @Test(arguments: InstructionSet.all, [1, 17, 100]) func adamW(_ set: InstructionSet, _ count: Int) {
        set.run {
            var w = Self.values(count, seed: 1)
            var (m, v) = ([Float](repeating: 0, count: count), [Float](repeating: 0, count: count))
            var exact = w.map(Double.init)
            var (exactM, exactV) = (m.map(Double.init), v.map(Double.init))
            for step in 1...10 {
                // From the fifth step on the gradient is 0, from the eighth it is null, which means the same.
                let gradient = step < 5 ? Self.values(count, seed: UInt64(step)) : [Float](repeating: 0, count: count)
                let rate = 0.01 * Double(step)
                let settings = mafin_adamw(
                    learning_rate: Float(rate), beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: Float(1 - rate * 0.1),
                    correction1: Float(1 - pow(0.9, Double(step))), correction2: Float(1 - pow(0.999, Double(step))),
                    gradient_scale: 0.5)
                if step < 8 {
                    mafin_adamw_update(count, settings, gradient, &w, &m, &v)
                } else {
                    mafin_adamw_update(count, settings, nil, &w, &m, &v)
                }
                for index in 0..<count {
                    NaiveKernels.adamW(
                        weight: &exact[index], first: &exactM[index], second: &exactV[index],
                        gradient: 0.5 * Double(gradient[index]), step: step, learningRate: rate, beta1: 0.9,
                        beta2: 0.999,
                        epsilon: 1e-8, weightDecay: 0.1)
                }
                #expect(largestDifference(w, exact) < 1e-5)
            }
        }
    }
}
