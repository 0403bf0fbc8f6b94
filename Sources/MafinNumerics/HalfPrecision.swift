/// Conversions between `Float` and the bits of 16-bit formats. (`Float16` itself is not available on Intel Macs.)
public enum Float16Bits {
    /// The IEEE 754 half-precision bits nearest to `value`, ties to even; beyond ±65,504 infinity.
    public static func bits(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
        let magnitude = bits & 0x7FFF_FFFF
        if magnitude >= 0x7F80_0000 { return sign | (magnitude > 0x7F80_0000 ? 0x7E00 : 0x7C00) }
        if magnitude < 0x3880_0000 {
            // Subnormal: adding ½ puts the wanted bits, correctly rounded, at the low end of the mantissa.
            let shifted = Float(bitPattern: magnitude) + 0.5
            return sign | UInt16(truncatingIfNeeded: shifted.bitPattern &- 0x3F00_0000)
        }
        let rounded = magnitude &+ 0xFFF &+ ((magnitude >> 13) & 1)
        if rounded >= 0x4780_0000 { return sign | 0x7C00 }
        return sign | UInt16(truncatingIfNeeded: (rounded &- 0x3800_0000) >> 13)
    }

    /// The value of IEEE 754 half-precision bits.
    public static func float(_ bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16
        let magnitude = UInt32(bits & 0x7FFF)
        if magnitude >= 0x7C00 { return Float(bitPattern: sign | 0x7F80_0000 | (magnitude & 0x3FF) << 13) }
        if magnitude < 0x400 {
            let value = Float(magnitude) * 0x1p-24
            return sign == 0 ? value : -value
        }
        return Float(bitPattern: sign | (magnitude << 13) &+ 0x3800_0000)
    }
}

/// The value of bfloat16 bits: the upper half of a `Float`.
public enum BFloat16Bits {
    /// The value of bfloat16 bits.
    public static func float(_ bits: UInt16) -> Float {
        Float(bitPattern: UInt32(bits) << 16)
    }
}
