/// Seeded random numbers. The same seed gives the same sequence on every machine, and the state can be stored and
/// restored.
///
/// xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021), seeded by SplitMix64.
/// All numbers are computed with integer arithmetic and the basic operations of IEEE 754. The system's mathematical
/// library and the standard library's algorithms are not used, because they may change. Tests pin the numbers.
public struct RandomGenerator: RandomNumberGenerator, Sendable, Codable, Equatable {
    private var s0, s1, s2, s3: UInt64

    /// A generator whose sequence depends only on `seed`.
    public init(seed: UInt64) {
        let step: UInt64 = 0x9E37_79B9_7F4A_7C15
        s0 = Self.mix(seed &+ step)
        s1 = Self.mix(seed &+ 2 &* step)
        s2 = Self.mix(seed &+ 3 &* step)
        s3 = Self.mix(seed &+ 4 &* step)
    }

    /// The finaliser of SplitMix64: a bijection in which every input bit affects all of the output.
    ///
    /// `mix(seed &+ counter)` is a generator without state. Dropout masks are computed in a similar way, so that they
    /// can be recomputed.
    public static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// The next 64 random bits.
    public mutating func next() -> UInt64 {
        func rotate(_ x: UInt64, _ k: UInt64) -> UInt64 { (x << k) | (x >> (64 - k)) }
        let result = rotate(s1 &* 5, 7) &* 9
        let shifted = s1 << 17
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = rotate(s3, 45)
        return result
    }

    /// Uniform in [0, 1), with 24 random bits.
    public mutating func uniform() -> Float {
        Float(next() >> 40) * 0x1p-24
    }

    /// Uniform in 0 ..< `bound`, without bias. `bound` must be above 0.
    ///
    /// Lemire, "Fast random integer generation in an interval", 2019.
    public mutating func index(below bound: Int) -> Int {
        precondition(bound > 0, "an index below \(bound)")
        let bound = UInt64(bound)
        var product = next().multipliedFullWidth(by: bound)
        if product.low < bound {
            let threshold = (0 &- bound) % bound
            while product.low < threshold { product = next().multipliedFullWidth(by: bound) }
        }
        return Int(product.high)
    }

    /// Standard normal (Box and Muller).
    public mutating func normal() -> Float {
        let radius = (-2 * Self.logarithm(1 - Double(next() >> 11) * 0x1p-53)).squareRoot()
        return Float(radius * Self.cosine(ofTurns: Double(next() >> 11) * 0x1p-53))
    }

    /// ln x for a normal x above 0, with an absolute or relative error of at most 2e-16.
    ///
    /// With x = m · 2^e and m around 1: ln m = 2 artanh((m − 1) / (m + 1)), whose series converges by a factor of 34 a term.
    private static func logarithm(_ x: Double) -> Double {
        var (mantissa, exponent) = (x.significand, Double(x.exponent))
        if mantissa > 1.414_213_562_373_095 {
            mantissa /= 2
            exponent += 1
        }
        let ratio = (mantissa - 1) / (mantissa + 1)
        let square = ratio * ratio
        var sum = 0.0
        for odd in stride(from: 23.0, through: 3, by: -2) { sum = square * (1 / odd + sum) }
        return exponent * 0.693_147_180_559_945_3 + (2 * ratio + 2 * ratio * sum)
    }

    /// cos(2π t) for t in [0, 1).
    private static func cosine(ofTurns t: Double) -> Double {
        // t = quarter / 4 + rest, exactly, with rest in [−⅛, ⅛].
        let quarter = (t * 4).rounded()
        let angle = (t - quarter / 4) * (2 * Double.pi)
        let square = angle * angle
        // Taylor series. The first omitted term is below 1e-17 for angles up to π / 4.
        func series(from last: Double) -> Double {
            var sum = 1.0
            for n in stride(from: last, through: 2, by: -2) { sum = 1 - square / (n * (n - 1)) * sum }
            return sum
        }
        let cosine = series(from: 18)
        let sine = angle * series(from: 19)
        return switch Int(quarter) % 4 {
        case 0: cosine
        case 1: -sine
        case 2: -cosine
        default: sine
        }
    }
}

// The standard library's functions of these names may change from release to release. For this generator the compiler
// prefers these functions.

extension MutableCollection where Self: RandomAccessCollection {
    /// Puts the elements into a random order. All orders are equally likely (Fisher and Yates).
    package mutating func shuffle(using generator: inout RandomGenerator) {
        for offset in 0..<Swift.max(0, count - 1) {
            let place = index(startIndex, offsetBy: offset)
            swapAt(place, index(place, offsetBy: generator.index(below: count - offset)))
        }
    }
}

extension Sequence {
    /// The elements in a random order.
    package func shuffled(using generator: inout RandomGenerator) -> [Element] {
        var elements = Array(self)
        elements.shuffle(using: &generator)
        return elements
    }
}

extension Int {
    /// Uniform in a range that is not empty.
    package static func random(in range: Range<Int>, using generator: inout RandomGenerator) -> Int {
        range.lowerBound + generator.index(below: range.count)
    }

    /// Uniform in a range.
    package static func random(in range: ClosedRange<Int>, using generator: inout RandomGenerator) -> Int {
        range.lowerBound + generator.index(below: range.count)
    }
}
