import CMafinKernels
import Foundation
import MafinNumerics
import MafinTestSupport
import Synchronization
import Testing

/// Products of bfloat16 and of bytes against sums in `Double` and in integers, around the edges of slivers (16 columns), tiles (4, 6, 12 or 32
/// rows), blocks (96 rows) and padded depths (32 or 64), by every instruction set that runs here.
@Suite struct ReducedPrecisionProductTests {
    /// What follows a product.
    enum Ending: CaseIterable, Sendable { case nothing, bias, biasAndGELU, residual, everything }

    /// Operands of y = x · wᵀ with x `(m, k)` and w `(n, k)`.
    struct Operands {
        let (m, n, k): (Int, Int, Int)
        let x: [Float]
        let w: [Float]
        let bias: [Float]
        let residual: [Float]

        init(m: Int, n: Int, k: Int) {
            (self.m, self.n, self.k) = (m, n, k)
            // Rows and columns of different sizes.
            x = MatrixProductTests.values(m * k, seed: 1).enumerated().map { $1 * Float(1 + $0 / k % 3) }
            w = MatrixProductTests.values(n * k, seed: 2).enumerated().map { $1 * Float(1 + $0 / k % 5) }
            bias = MatrixProductTests.values(n, seed: 3)
            residual = MatrixProductTests.values(m * n, seed: 4)
        }

        /// The products that `sum` gives for row i and column j, and what follows them.
        func expected(_ ending: Ending, sum: (Int, Int) -> Double) -> [Double] {
            (0..<m * n).map { place in
                let (i, j) = (place / n, place % n)
                var value = sum(i, j)
                if ending != .nothing, ending != .residual { value += Double(bias[j]) }
                if ending == .biasAndGELU || ending == .everything { value = NaiveKernels.gelu(value) }
                if ending == .residual || ending == .everything { value += Double(residual[place]) }
                return value
            }
        }

        /// Runs a product with the ending's epilogue over the columns from `first` on, whose result is `(m, n)`.
        func run(
            _ ending: Ending, first: Int = 0, into y: inout [Float],
            _ product: (UnsafePointer<mafin_epilogue>, UnsafeMutablePointer<Float>) -> Void
        ) {
            bias.withUnsafeBufferPointer { bias in
                residual.withUnsafeBufferPointer { residual in
                    y.withUnsafeMutableBufferPointer { y in
                        guard let bias = bias.baseAddress, let residual = residual.baseAddress, let y = y.baseAddress
                        else { return }
                        var epilogue = mafin_epilogue()
                        if ending != .nothing, ending != .residual { epilogue.bias = bias + first }
                        epilogue.gelu = ending == .biasAndGELU || ending == .everything
                        if ending == .residual || ending == .everything {
                            (epilogue.residual, epilogue.residual_stride) = (residual + first, n)
                        }
                        product(&epilogue, y + first)
                    }
                }
            }
        }
    }

    static let sizes =
        [
            (1, 1, 1), (1, 17, 33), (4, 16, 32), (5, 15, 31), (6, 33, 64), (7, 47, 65), (12, 32, 130), (13, 64, 2),
            (33, 49, 66),
        ]
        + [(95, 16, 40), (97, 20, 384), (3, 130, 385)]

    /// Memory at a cache line, as packed operands need it.
    static func aligned<Element>(_ count: Int, of: Element.Type = Element.self) -> UnsafeMutablePointer<Element> {
        let bytes = max(64, count * MemoryLayout<Element>.stride)
        return UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64).bindMemory(
            to: Element.self, capacity: count)
    }

    // MARK: bfloat16

    /// The upper half of a float, to nearest, ties to even, by arithmetic in `Double`.
    static func rounded(_ x: Float) -> Double {
        guard x != 0, x.isFinite else { return Double(x) }
        let unit = scalbn(1.0, Int(x.exponent) - 7)
        return (Double(x) / unit).rounded(.toNearestOrEven) * unit
    }

    @Test(arguments: InstructionSet.all) func bfloat16RoundsToNearest(_ set: InstructionSet) {
        set.run {
            var values = MatrixProductTests.values(1000, seed: 5).map { $0 * 100 }
            values += [0, 1, 1.00390625, 1.01171875, -1.00390625, .infinity, -.infinity, 3.0e38, .nan]
            var bits = [UInt16](repeating: 0, count: values.count)
            mafin_to_bfloat16(values.count, values, &bits)
            var back = [Float](repeating: 0, count: values.count)
            mafin_from_bfloat16(values.count, bits, &back)
            for (value, found) in zip(values, back) {
                #expect(value.isNaN ? found.isNaN : Double(found) == Self.rounded(value), "\(value)")
            }
            var again = values
            mafin_round_to_bfloat16(values.count, &again)
            #expect(zip(again, back).allSatisfy { $0 == $1 || ($0.isNaN && $1.isNaN) })
        }
    }

    @Test(arguments: InstructionSet.all) func bfloat16Products(_ set: InstructionSet) {
        set.run {
            for (number, (m, n, k)) in Self.sizes.enumerated() {
                let operands = Operands(m: m, n: n, k: k)
                let ending = Ending.allCases[number % Ending.allCases.count]
                let (x, w) = (operands.x.map(Self.rounded), operands.w.map(Self.rounded))
                let expected = operands.expected(ending) { i, j in
                    (0..<k).reduce(0.0) { $0 + x[i * k + $1] * w[j * k + $1] }
                }
                let packed = Self.aligned(mafin_bfloat16_packed_size(n, k), of: UInt16.self)
                defer { packed.deallocate() }
                for transposed in [true, false] {
                    let stored = transposed ? operands.w : (0..<n * k).map { operands.w[$0 % n * k + $0 / n] }
                    mafin_bfloat16_pack(transposed, n, k, stored, transposed ? k : n, packed)
                    var y = [Float](repeating: .nan, count: m * n)
                    operands.run(ending, into: &y) {
                        mafin_bfloat16_linear(m, k, 0, n, operands.x, k, packed, $0, $1, n)
                    }
                    #expect(
                        largestDifference(y.map(Double.init), expected) < 1e-5 * Double(k) + 1e-5,
                        "\(set) \(m) × \(n) × \(k), \(ending)")
                }
                // The left operand transposed, in columns of its own, and scaled.
                let turned = (0..<m * k).map { operands.x[$0 % m * k + $0 / m] }
                let rows = Self.aligned(mafin_bfloat16_rows_size(m, k), of: UInt16.self)
                defer { rows.deallocate() }
                mafin_bfloat16_rows(true, m, k, 2, turned, m, rows)
                var y = [Float](repeating: .nan, count: m * n)
                for first in stride(from: 0, to: n, by: 32) {
                    operands.run(.nothing, first: first, into: &y) {
                        mafin_bfloat16_multiply(m, k, first, min(32, n - first), rows, packed, $0, $1, n)
                    }
                }
                let doubled = operands.expected(.nothing) { i, j in
                    (0..<k).reduce(0.0) { $0 + 2 * x[i * k + $1] * w[j * k + $1] }
                }
                #expect(largestDifference(y.map(Double.init), doubled) < 2e-5 * Double(k) + 1e-5)
            }
        }
    }

    // MARK: Bytes

    /// Each row as integers, and the row's scale: `limit` steps from the lowest to the highest number and 0, or, of weights, from 0 to the
    /// largest.
    static func quantized(_ values: [Float], rows: Int, limit: Float, isWeight: Bool) -> (
        integers: [Int], scales: [Double]
    ) {
        let width = values.count / rows
        var integers: [Int] = []
        var scales: [Double] = []
        for row in 0..<rows {
            let row = values[row * width..<(row + 1) * width]
            let (lowest, highest) = (min(0, row.min() ?? 0), max(0, row.max() ?? 0))
            let range = isWeight ? max(-lowest, highest) : highest - lowest
            let steps = row.map { range == 0 ? 0 : Int(($0 * (limit / range)).rounded(.toNearestOrEven)) }
            let most =
                isWeight || range == 0 ? Int.max : 255 + Int((lowest * (limit / range)).rounded(.toNearestOrEven))
            scales.append(Double(range / limit))
            integers += steps.map { min($0, most) }
        }
        return (integers, scales)
    }

    /// The products are sums of integers, exactly, whatever the instruction set.
    @Test func productsOfBytes() {
        for (number, (m, n, k)) in Self.sizes.enumerated() {
            let operands = Operands(m: m, n: n, k: k)
            let ending = Ending.allCases[number % Ending.allCases.count]
            let x = Self.quantized(operands.x, rows: m, limit: 255, isWeight: false)
            let w = Self.quantized(operands.w, rows: n, limit: 64, isWeight: true)
            let expected = operands.expected(ending) { i, j in
                Double((0..<k).reduce(0) { $0 + x.integers[i * k + $1] * w.integers[j * k + $1] }) * x.scales[i]
                    * w.scales[j]
            }
            var results: [[Float]] = []
            for set in InstructionSet.all {
                set.run {
                    let packed = Self.aligned(mafin_int8_packed_size(n, k), of: UInt8.self)
                    defer { packed.deallocate() }
                    let transposed = number % 2 == 0
                    let stored = transposed ? operands.w : (0..<n * k).map { operands.w[$0 % n * k + $0 / n] }
                    mafin_int8_pack(transposed, n, k, stored, transposed ? k : n, packed)
                    var y = [Float](repeating: .nan, count: m * n)
                    for first in stride(from: 0, to: n, by: 48) {
                        operands.run(ending, first: first, into: &y) {
                            mafin_int8_linear(m, n, k, first, min(48, n - first), operands.x, k, packed, $0, $1, n)
                        }
                    }
                    let size = expected.map(abs).max() ?? 0
                    #expect(
                        largestDifference(y.map(Double.init), expected) < 2e-6 * size + 1e-6,
                        "\(set) \(m) × \(n) × \(k), \(ending)")
                    if ending == .nothing { results.append(y) }
                }
            }
            #expect(results.allSatisfy { $0 == results[0] }, "the same numbers on every instruction set")
        }
    }

    /// The largest sums that there are: 16-bit sums of two products must not saturate.
    @Test(arguments: InstructionSet.all) func extremesDoNotSaturate(_ set: InstructionSet) {
        set.run {
            let (m, n, k) = (7, 33, 256)
            for (left, right) in [(Float(1), Float(1)), (1, -1), (-1, 1), (-1, -1)] {
                let packed = Self.aligned(mafin_int8_packed_size(n, k), of: UInt8.self)
                defer { packed.deallocate() }
                mafin_int8_pack(true, n, k, [Float](repeating: right, count: n * k), k, packed)
                var y = [Float](repeating: 0, count: m * n)
                var nothing = mafin_epilogue()
                mafin_int8_linear(
                    m, n, k, 0, n, [Float](repeating: left, count: m * k), k, packed, &nothing, &y, n)
                #expect(y.allSatisfy { abs($0 - left * right * Float(k)) < 1e-3 }, "\(y[0])")
            }
        }
    }

    @Test(arguments: InstructionSet.all) func rowsOfZerosAndOfNoNumbers(_ set: InstructionSet) {
        set.run {
            let packed = Self.aligned(mafin_int8_packed_size(3, 4), of: UInt8.self)
            defer { packed.deallocate() }
            mafin_int8_pack(true, 3, 4, [1, 2, 3, 4, 0, 0, 0, 0, -1, 1, -1, 1], 4, packed)
            let x: [Float] = [0, 0, 0, 0, 1, .nan, 1, 1, 1, .infinity, 0, 0, 1e-38, 0, 0, 0, 1, 1, 1, 1]
            var y = [Float](repeating: 7, count: 15)
            var nothing = mafin_epilogue()
            mafin_int8_linear(5, 3, 4, 0, 3, x, 4, packed, &nothing, &y, 3)
            #expect(y[0..<3].allSatisfy { $0 == 0 } && y[9..<12].allSatisfy { $0 == 0 })
            #expect(y[3..<9].allSatisfy { $0.isNaN }, "what is no number is not hidden")
            #expect(abs(y[12] - 10) < 0.1 && y[13] == 0 && y[14] == 0)
        }
    }

    // MARK: The choice of kernels

    /// A kernel that computes something else is not used, and a warning says so once.
    @Test func aWrongKernelIsReplaced() {
        BrokenKernels.turn.withLock { _ in
            let before = Processor.productKernels
            _ = Processor.kernelWarnings()
            mafin_break_kernels(true)
            let broken = Processor.productKernels
            mafin_break_kernels(false)
            #expect(broken.bfloat16 == "portable" && broken.int8 == "portable")
            let warnings = Processor.kernelWarnings()
            #expect(
                warnings.contains { $0.contains(before.int8) && $0.contains("bytes") } == (before.int8 != "portable"))
            #expect(
                warnings.contains { $0.contains(before.bfloat16) && $0.contains("bfloat16") }
                    == (before.bfloat16 != "portable"))
            #expect(Processor.kernelWarnings().isEmpty, "each is reported once")
            let faults = Processor.kernelFaults
            #expect(Set(warnings).isSubset(of: faults) && Set(faults).count == faults.count, "and can be read again")
            #expect(Processor.kernelFaults == faults)
            #expect(Processor.productKernels == before, "the kernels were right")
        }
    }

    @Test func unknownInstructionSetsAreErrors() {
        for name in ["", "AVX", "avx3"] {
            #expect {
                try Processor.limitInstructionSet(to: name)
            } throws: {
                "\($0)" == "--instruction-set: '\(name)' is no instruction set; expected one of "
                    + Processor.instructionSets.joined(separator: ", ")
            }
        }
        #if arch(x86_64)
            if !Processor.instructionSets.contains("amx") {
                #expect {
                    try Processor.limitInstructionSet(to: "amx")
                } throws: {
                    "\($0)".hasPrefix("--instruction-set: 'amx' is an instruction set that this processor lacks; ")
                }
            }
        #endif
        #expect(Processor.instructionSets.last == Processor.instructionSet)
        #expect(throws: Never.self) { try Processor.limitInstructionSet(to: Processor.instructionSet) }
    }
}
