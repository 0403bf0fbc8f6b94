/// Passes over one row of a score block. Each is a plain loop over eight lanes; none allocates.
///
/// The lanes are independent, so that the compiler may use whatever vector width the target has, and the result does not
/// depend on it.
enum ExponentialKernel {
    typealias Lanes = SIMD8<Float>
    private static let width = 8
    /// Vectors that are added in single precision before their sum goes to double precision: the relative error of a
    /// sum over a corpus of a million stays that of 64 additions.
    private static let vectorsPerPartialSum = 64

    /// The largest of `count` values; −∞ where there is none. NaN is passed over.
    static func maximum(_ values: UnsafePointer<Float>, count: Int) -> Float {
        var best = Lanes(repeating: -.infinity)
        let whole = count / width * width
        let raw = UnsafeRawPointer(values)
        for index in stride(from: 0, to: whole, by: width) {
            let lanes = raw.loadUnaligned(fromByteOffset: index * MemoryLayout<Float>.stride, as: Lanes.self)
            best.replace(with: lanes, where: lanes .> best)
        }
        var result = -Float.infinity
        for lane in 0..<width where best[lane] > result { result = best[lane] }
        for index in whole..<count where values[index] > result { result = values[index] }
        return result
    }

    /// `values[i] = exp(values[i] − shift)` in place, and the sum of the results.
    ///
    /// - Parameter shift: at least the largest value, so that nothing overflows. −∞ gives 0; NaN stays NaN.
    static func exponentials(_ values: UnsafeMutablePointer<Float>, count: Int, shift: Float) -> Double {
        let raw = UnsafeMutableRawPointer(values)
        let shiftLanes = Lanes(repeating: shift)
        let whole = count / width * width
        let piece = vectorsPerPartialSum * width
        var total: Double = 0
        for start in stride(from: 0, to: whole, by: piece) {
            var partial = Lanes.zero
            for index in stride(from: start, to: min(start + piece, whole), by: width) {
                let offset = index * MemoryLayout<Float>.stride
                let result = exponential(raw.loadUnaligned(fromByteOffset: offset, as: Lanes.self) - shiftLanes)
                raw.storeBytes(of: result, toByteOffset: offset, as: Lanes.self)
                partial += result
            }
            for lane in 0..<width { total += Double(partial[lane]) }
        }
        if whole < count {
            var rest = Lanes(repeating: -.infinity)
            for index in whole..<count { rest[index - whole] = values[index] }
            rest = exponential(rest - shiftLanes)
            for index in whole..<count {
                values[index] = rest[index - whole]
                total += Double(rest[index - whole])
            }
        }
        return total
    }

    /// `values[i] = values[i] · factor − offset`.
    static func scale(_ values: UnsafeMutablePointer<Float>, count: Int, by factor: Float, minus offset: Float) {
        for index in 0..<count { values[index] = values[index] * factor - offset }
    }

    /// The sum of `count` values in double precision.
    static func sum(_ values: UnsafePointer<Float>, count: Int) -> Double {
        let raw = UnsafeRawPointer(values)
        let whole = count / width * width
        var lanes = SIMD8<Double>.zero
        for index in stride(from: 0, to: whole, by: width) {
            let offset = index * MemoryLayout<Float>.stride
            lanes += SIMD8<Double>(raw.loadUnaligned(fromByteOffset: offset, as: Lanes.self))
        }
        var total = lanes.sum()
        for index in whole..<count { total += Double(values[index]) }
        return total
    }

    /// exp for arguments of at most 0, relative error below 2e-7; 0 below −87 (where single precision ends).
    ///
    /// Range reduction `x = n ln 2 + r` and a polynomial of degree 6 in r (Cephes, `expf`). Written as products and
    /// sums: `addingProduct` would be a library call a lane where the target has no fused instruction.
    @inline(__always)
    private static func exponential(_ x: Lanes) -> Lanes {
        let underflows = x .< Lanes(repeating: -87)
        let bounded = x.replacing(with: Lanes(repeating: -87), where: underflows)
        // Adding 1.5 · 2²³ leaves the nearest integer in the low bits of the significand.
        let rounder = Lanes(repeating: 12_582_912)
        let shifted = bounded * Lanes(repeating: 1.442_695_04) + rounder
        let whole = shifted - rounder
        let r = bounded - whole * Lanes(repeating: 0.693_359_375) + whole * Lanes(repeating: 2.121_944_4e-4)
        var polynomial = Lanes(repeating: 1.987_569_15e-4)
        polynomial = polynomial * r + Lanes(repeating: 1.398_199_95e-3)
        polynomial = polynomial * r + Lanes(repeating: 8.333_451_9e-3)
        polynomial = polynomial * r + Lanes(repeating: 4.166_579_6e-2)
        polynomial = polynomial * r + Lanes(repeating: 1.666_666_55e-1)
        polynomial = polynomial * r + Lanes(repeating: 0.5)
        polynomial = polynomial * (r * r) + r + Lanes(repeating: 1)
        let exponent =
            unsafeBitCast(shifted, to: SIMD8<Int32>.self) &- unsafeBitCast(rounder, to: SIMD8<Int32>.self)
            &+ SIMD8<Int32>(repeating: 127)
        let power = unsafeBitCast(exponent &<< SIMD8<Int32>(repeating: 23), to: Lanes.self)
        return (polynomial * power).replacing(with: Lanes.zero, where: underflows)
    }
}
