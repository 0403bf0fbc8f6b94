import CMafinKernels
import MafinNumerics
import MafinTestSupport
import Testing

/// The backward passes of elementwise.c against finite differences of `Double` forward passes.
@Suite struct KernelGradientTests {
    private func values(_ count: Int, seed: UInt64) -> [Float] { ElementwiseKernelTests.values(count, seed: seed) }

    @Test(arguments: InstructionSet.all) func gelu(_ set: InstructionSet) {
        set.run {
            let h: [Float] = (0..<400).map { -5 + 0.025 * Float($0) } + [0, -20, 20]
            let upstream = values(h.count, seed: 1)
            var (d, activated) = (h, [Float](repeating: .nan, count: h.count))
            mafin_gelu_backward(h.count, upstream, &d, &activated)
            #expect(largestDifference(activated, h.map { NaiveKernels.gelu(Double($0)) }) < 2e-6)
            let expected = NaiveKernels.gradient(
                of: { $0.map(NaiveKernels.gelu) }, at: h.map(Double.init), weights: upstream.map(Double.init))
            #expect(largestDifference(d, expected) < 2e-6)
        }
    }

    @Test(arguments: InstructionSet.all, [2, 17, 64, 65]) func layerNorm(_ set: InstructionSet, _ width: Int) {
        set.run {
            let rows = 3
            let v = values(rows * width, seed: 1)
            let (gain, bias) = (values(width, seed: 2), values(width, seed: 3))
            let upstream = values(rows * width, seed: 4)
            var (normalized, scales) = (v, [Float](repeating: 0, count: rows))
            mafin_residual_norm(
                true,
                rows, width, v, nil, nil, ElementwiseKernelTests.noDropout, 1e-5, &normalized, &scales)
            var d = upstream
            // The kernel adds to the parameters' gradients.
            var (dgain, dbias) = ([Float](repeating: 1, count: width), [Float](repeating: 2, count: width))
            mafin_norm_backward(true, rows, width, &d, normalized, scales, gain, &dgain, &dbias)

            func forward(_ v: [Double], _ gain: [Double], _ bias: [Double]) -> [Double] {
                (0..<rows).flatMap { row in
                    let normalized = NaiveKernels.layerNorm(Array(v[row * width..<(row + 1) * width]), epsilon: 1e-5)
                    return normalized.normalized.indices.map { normalized.normalized[$0] * gain[$0] + bias[$0] }
                }
            }
            let (v64, gain64, bias64) = (v.map(Double.init), gain.map(Double.init), bias.map(Double.init))
            let weights = upstream.map(Double.init)
            let expected = NaiveKernels.gradient(of: { forward($0, gain64, bias64) }, at: v64, weights: weights)
            #expect(largestDifference(d, expected) < 2e-5 * Double(scales.max() ?? 1))
            let expectedGain = NaiveKernels.gradient(of: { forward(v64, $0, bias64) }, at: gain64, weights: weights)
            #expect(largestDifference(dgain, expectedGain.map { $0 + 1 }) < 1e-5)
            let expectedBias = NaiveKernels.gradient(of: { forward(v64, gain64, $0) }, at: bias64, weights: weights)
            #expect(largestDifference(dbias, expectedBias.map { $0 + 2 }) < 1e-5)
        }
    }

    @Test(arguments: InstructionSet.all, [1, 2, 17, 65]) func softmaxWithDropout(_ set: InstructionSet, _ columns: Int)
    {
        set.run {
            let rows = 3
            let scale: Float = 0.25
            let raw = values(rows * columns, seed: 1)
            let upstream = values(rows * columns, seed: 2)
            for dropout in [ElementwiseKernelTests.noDropout, DropoutKernelTests.dropout(0.3, firstRow: 4)] {
                let mask = DropoutKernelTests.mask(rows: rows, width: columns, dropout).map(Double.init)
                var (p, scales, shifts) = (
                    raw.map { scale * $0 }, [Float](repeating: 0, count: rows), [Float](repeating: 0, count: rows)
                )
                mafin_softmax(rows, columns, columns, &p, &scales, &shifts)
                mafin_scale_rows(rows, columns, columns, scales, &p)
                var d = upstream
                mafin_softmax_backward(rows, columns, columns, p, &d, dropout, scale)
                // With respect to the raw products, before they are scaled.
                let expected = NaiveKernels.gradient(
                    of: { raw in
                        let p = (0..<rows).flatMap { row in
                            NaiveKernels.softmax(raw[row * columns..<(row + 1) * columns].map { Double(scale) * $0 })
                        }
                        return p.indices.map { p[$0] * mask[$0] }
                    }, at: raw.map(Double.init), weights: upstream.map(Double.init))
                #expect(largestDifference(d, expected) < 1e-6)
            }
        }
    }

    /// The inverse of a tiny norm is not a finite float, and neither is the square of a huge one.
    @Test func normalizedRowsOfAnySize() {
        let x = Matrix(
            rows: 3, columns: 2,
            values: [Float(1e-39 as Double), 0, Float(3e-45 as Double), Float(-3e-45 as Double), 3e38, 3e38])
        let (unit, _) = x.normalizedRows()
        let half = Float(0.5).squareRoot()
        for (found, expected) in zip(unit.values, [1, 0, half, -half, half, half]) {
            #expect(abs(found - expected) < 1e-6, "\(unit.values)")
        }
    }

    /// Rows of the smallest and of the largest numbers, and rows without a length.
    @Test func normalizedRowsOfAnyMagnitude() {
        let tiny = Float.leastNonzeroMagnitude
        let x = Matrix(
            rows: 7, columns: 2,
            values: [
                0x1p-130, 0, 3 * tiny, 4 * tiny, 3e38, 3e38, 0, 0, .nan, 1, .infinity, 1, 0.6, Float(0.8).nextUp,
            ])
        let unit = x.normalizedRows().matrix
        #expect(unit.row(0) == [1, 0])
        #expect(largestDifference(unit.row(1), [0.6, 0.8]) < 1e-7)
        #expect(largestDifference(unit.row(2), [Double](repeating: Double(0.5).squareRoot(), count: 2)) < 1e-7)
        #expect(unit.row(3) == [0, 0])
        #expect(unit[4, 1] == 1 && unit[5, 0] == .infinity, "rows without a length stay as they are")
        #expect(unit.row(6) == x.row(6), "the rounding error of a unit vector stays")
        #expect(unit.normalizedRows().matrix.row(2) == unit.row(2))
    }

    /// The gradient at a row that is too short would be no float; at the shortest normal row it is one.
    @Test func gradientsOfTinyRowsAreFinite() {
        let shortest = Float.leastNormalMagnitude
        let x = Matrix(
            rows: 4, columns: 2,
            values: [Float(1e-39 as Double), 0, Float(3e-45 as Double), 0, shortest, 0, 3e38, 3e38])
        let (unit, norms) = x.normalizedRows()
        let gradient = Matrix.normalizedRowsBackward(
            gradient: Matrix(rows: 4, columns: 2, values: [0, 1, 1, 1, 1, 1, 1, 0]), unit: unit, norms: norms)
        #expect(gradient.values.allSatisfy { $0.isFinite }, "\(gradient.values)")
        #expect(gradient.row(0) == [0, 0] && gradient.row(1) == [0, 0])
        #expect(gradient.row(2) == [0, 1 / shortest])
    }

    @Test func normalizedRows() {
        let x = Matrix(rows: 4, columns: 17, values: values(51, seed: 1) + [Float](repeating: 0, count: 17))
        let upstream = Matrix(rows: 4, columns: 17, values: values(68, seed: 2))
        let (unit, norms) = x.normalizedRows()
        for row in 0..<3 {
            let norm = x.row(row).reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            #expect(abs(Double(norms[row]) - norm) < 1e-6)
            #expect(largestDifference(unit.row(row), x.row(row).map { Double($0) / norm }) < 1e-7)
        }
        #expect(norms[3] == 0 && unit.row(3).allSatisfy { $0 == 0 }, "a row of zeros stays zeros")
        let gradient = Matrix.normalizedRowsBackward(gradient: upstream, unit: unit, norms: norms)
        for row in 0..<3 {
            let expected = NaiveKernels.gradient(
                of: { x in
                    let norm = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
                    return x.map { $0 / norm }
                }, at: x.row(row).map(Double.init), weights: upstream.row(row).map(Double.init))
            #expect(largestDifference(gradient.row(row), expected) < 1e-6)
        }
        #expect(gradient.row(3).allSatisfy { $0 == 0 })
    }
}
