/// Numbers that Python and Swift both compute: SplitMix64 from a name's FNV-1a hash.
public enum GoldenNumbers {
    /// A name's FNV-1a hash.
    public static func hash(_ name: String) -> UInt64 {
        name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    /// SplitMix64's output number `index`.
    public static func mixed(_ seed: UInt64, _ index: Int) -> UInt64 {
        var z = seed &+ UInt64(index + 1) &* 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// The weights of the bge shapes.
    public static func weights(_ name: String, count: Int) -> [Float] {
        let seed = hash(name)
        let isGain = name.hasSuffix("LayerNorm.weight")
        return (0..<count).map { index in
            let unit = Float(mixed(seed, index) >> 40) * 0x1p-23 - 1
            return isGain ? 1 + 0.1 * unit : 0.06 * unit
        }
    }

    /// The norm of a tensor, then its 16 projections on ±1 vectors.
    public static func projections(_ name: String, _ values: ArraySlice<Float>) -> [Double] {
        let seed = hash(name) ^ 0x5555
        var squares = 0.0
        var sums = SIMD16<Double>.zero
        let places = SIMD16<UInt64>((0..<16).map { UInt64($0) })
        for (index, value) in values.enumerated() where value != 0 {
            let value = Double(value)
            squares += value * value
            let signs = (SIMD16<UInt64>(repeating: mixed(seed, index)) &>> places) & 1
            sums += SIMD16<Double>(repeating: value).replacing(
                with: SIMD16<Double>(repeating: -value), where: signs .== 1)
        }
        return [squares.squareRoot()] + (0..<16).map { sums[$0] }
    }
}
