import Foundation
import MafinNumerics
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

    @Test func everyPatternHasItsValue() {
        for bits in UInt16.min...UInt16.max {
            let (found, expected) = (Float16Bits.float(bits), value(bits))
            if expected.isNaN {
                #expect(found.isNaN)
            } else if Double(found) != expected || (found.sign == .minus) != (bits & 0x8000 != 0) {
                Issue.record("0x\(String(bits, radix: 16)): \(found), expected \(expected)")
            }
        }
    }

    @Test func everyPatternComesBack() {
        for bits in UInt16.min...UInt16.max {
            let back = Float16Bits.bits(Float16Bits.float(bits))
            let isNaN = value(bits).isNaN
            if isNaN ? !value(back).isNaN : back != bits {
                Issue.record("0x\(String(bits, radix: 16)) came back as 0x\(String(back, radix: 16))")
            }
        }
    }

    @Test func roundsToTheNearestAndTiesToEven() {
        // Between all neighbours, subnormals included: halfway, and one float to either side of it.
        for bits in UInt16(0)..<0x7BFF {
            let halfway = Float((value(bits) + value(bits + 1)) / 2)
            let even = bits % 2 == 0 ? bits : bits + 1
            for sign: UInt16 in [0, 0x8000] {
                let x = sign == 0 ? halfway : -halfway
                let (inward, outward) = sign == 0 ? (x.nextDown, x.nextUp) : (x.nextUp, x.nextDown)
                let found = [Float16Bits.bits(x), Float16Bits.bits(inward), Float16Bits.bits(outward)]
                if found != [even | sign, bits | sign, (bits + 1) | sign] { Issue.record("around \(x): \(found)") }
            }
        }
    }

    @Test func beyondTheLargestIsInfinity() {
        #expect(Float16Bits.bits(65519.996) == 0x7BFF)
        #expect(Float16Bits.bits(65520) == 0x7C00, "the tie goes to the even neighbour, which is infinity")
        #expect(Float16Bits.bits(-.greatestFiniteMagnitude) == 0xFC00)
        #expect(Float16Bits.bits(.leastNonzeroMagnitude) == 0)
    }

    @Test func bfloat16IsTheUpperHalf() {
        for bits in UInt16.min...UInt16.max where BFloat16Bits.float(bits).bitPattern != UInt32(bits) << 16 {
            // A signalling NaN may be quieted on the way through a register.
            #expect(BFloat16Bits.float(bits).isNaN)
        }
        #expect(BFloat16Bits.float(0x3F80) == 1 && BFloat16Bits.float(0xC040) == -3)
    }
}
