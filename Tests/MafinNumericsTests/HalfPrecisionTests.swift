import CMafinKernels
import Foundation
import MafinNumerics
import MafinTestSupport
import Testing

/// 16-bit formats by their definition: sign, exponent, fraction.
@Suite struct HalfPrecisionTests {
    /// The value of half-precision bits by IEEE 754's formula.
    private func value(_ bits: UInt16) -> Double {
        let sign: Double = bits & 0x8000 == 0 ? 1 : -1
        let exponent = Int(bits >> 10) & 31
        let fraction = Double(bits & 0x3FF) / 1024
        switch exponent {
        case 0: return sign * fraction * pow(2, -14)
        case 31: return fraction == 0 ? sign * .infinity : .nan
        default: return sign * (1 + fraction) * pow(2, Double(exponent - 15))
        }
    }

    private func float(_ bits: [UInt16]) -> [Float] { bits.withUnsafeBytes(Float16Bits.floats) }

    @Test(arguments: InstructionSet.all) func everyPatternHasItsValueAndComesBack(_ set: InstructionSet) {
        set.run {
            let patterns = Array(UInt16.min...UInt16.max)
            let found = float(patterns)
            let back = Float16Bits.bits(found)
            for (place, bits) in patterns.enumerated() {
                let expected = value(bits)
                let isRight =
                    expected.isNaN
                    ? found[place].isNaN && value(back[place]).isNaN
                    : Double(found[place]) == expected && (found[place].sign == .minus) == (bits & 0x8000 != 0)
                        && back[place] == bits
                if !isRight { Issue.record("0x\(String(bits, radix: 16)): \(found[place]), \(back[place])") }
            }
        }
    }

    @Test(arguments: InstructionSet.all) func roundsToTheNearestAndTiesToEven(_ set: InstructionSet) {
        set.run {
            // For all pairs of neighbours, including subnormals: the value halfway, and one float to either side of it.
            let lower = Array(UInt16(0)..<0x7BFF)
            let halfway = lower.map { Float((value($0) + value($0 + 1)) / 2) }
            for sign: UInt16 in [0, 0x8000] {
                func bits(_ values: [Float]) -> [UInt16] { Float16Bits.bits(sign == 0 ? values : values.map { -$0 }) }
                #expect(bits(halfway) == lower.map { ($0 % 2 == 0 ? $0 : $0 + 1) | sign })
                #expect(bits(halfway.map(\.nextDown)) == lower.map { $0 | sign })
                #expect(bits(halfway.map(\.nextUp)) == lower.map { ($0 + 1) | sign })
            }
        }
    }

    @Test(arguments: InstructionSet.all) func atTheEndsOfTheRange(_ set: InstructionSet) {
        set.run {
            let values: [Float] = [
                65519.996, 65520, -.greatestFiniteMagnitude, .leastNonzeroMagnitude, .infinity, -.infinity, .nan, -0.0,
            ]
            // The tie at 65520 goes to the even neighbour, which is infinity.
            let expected: [UInt16] = [0x7BFF, 0x7C00, 0xFC00, 0, 0x7C00, 0xFC00, 0x7E00, 0x8000]
            #expect(Float16Bits.bits(values) == expected)
            // As part of a long row, and from an odd address.
            let row = [Float](repeating: 1, count: 5000) + values + [Float](repeating: 2, count: 5000)
            let bits = Float16Bits.bits(row)
            #expect(
                bits == [UInt16](repeating: 0x3C00, count: 5000) + expected + [UInt16](repeating: 0x4000, count: 5000))
            let shifted: [UInt8] = [0] + bits.withUnsafeBytes { [UInt8]($0) }
            let back = shifted.withUnsafeBytes { Float16Bits.floats(UnsafeRawBufferPointer(rebasing: $0[1...])) }
            #expect(differingElements(back, float(bits)) == 0)
        }
    }

    @Test(arguments: InstructionSet.all, [0, 1, 4_095, 4_096, 9_000]) func stopsAtWhatDoesNotFit(
        _ set: InstructionSet, place: Int
    ) {
        set.run {
            for wrong: Float in [65_520, -1e9, .infinity, -.infinity, .nan] {
                var values = [Float](repeating: 65_519.996, count: 9_001)
                var halves = [UInt16](repeating: 0, count: values.count)
                #expect(mafin_to_half(values.count, values, &halves) == values.count)
                #expect(halves.allSatisfy { $0 == 0x7BFF })
                values[place] = wrong
                values[9_000] = wrong
                #expect(mafin_to_half(values.count, values, &halves) == place)
                #expect(mafin_finite_prefix(values.count, values, false) == (wrong.isFinite ? values.count : place))
                halves[9_000] = 0xFC00
                halves[place] = wrong.isFinite ? 0x7BFF : (wrong.isNaN ? 0x7E00 : 0x7C00)
                #expect(
                    mafin_finite_prefix(halves.count, halves, true)
                        == (wrong.isFinite && place < 9_000 ? 9_000 : (wrong.isFinite ? 9_001 : place)))
            }
        }
    }

    @Test func bfloat16IsTheUpperHalf() {
        for bits in UInt16.min...UInt16.max where BFloat16Bits.float(bits).bitPattern != UInt32(bits) << 16 {
            // A signalling NaN may be quieted on the way through a register.
            #expect(BFloat16Bits.float(bits).isNaN)
        }
        #expect(BFloat16Bits.float(0x3F80) == 1 && BFloat16Bits.float(0xC040) == -3)
    }
}
