import Foundation

/// Log-sum-exp of one row of logits, and mean and covariance of two variables under its softmax; four lanes of double precision.
struct SoftmaxMoments {
    typealias Lanes = SIMD4<Double>

    let logSum: Double
    /// Mean of x.
    let first: Double
    /// Mean of y.
    let second: Double
    /// (xx, xy, yy).
    let covariance: (Double, Double, Double)

    /// - Parameters:
    ///   - logits: not all −∞; −∞ takes a candidate out.
    ///   - x: one value a logit.
    ///   - y: one value a logit.
    ///   - count: at least 1.
    init(_ logits: UnsafePointer<Double>, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int) {
        let whole = count / 4 * 4
        let raw = UnsafeRawPointer(logits)
        let (rawX, rawY) = (UnsafeRawPointer(x), UnsafeRawPointer(y))
        var largestLanes = Lanes(repeating: -.infinity)
        for index in stride(from: 0, to: whole, by: 4) {
            let lanes = raw.loadUnaligned(fromByteOffset: index * 8, as: Lanes.self)
            largestLanes.replace(with: lanes, where: lanes .> largestLanes)
        }
        var largest = largestLanes.max()
        for index in whole..<count { largest = max(largest, logits[index]) }

        // Means are taken about the first value: cosines of one query lie close together, and their squares would cancel.
        let (originX, originY) = (Double(x[0]), Double(y[0]))
        var total = Lanes.zero
        var (sumX, sumY) = (Lanes.zero, Lanes.zero)
        var (sumXX, sumXY, sumYY) = (Lanes.zero, Lanes.zero, Lanes.zero)
        func add(_ z: Lanes, _ x: Lanes, _ y: Lanes) {
            let weight = Self.exponential(z - Lanes(repeating: largest))
            let (dx, dy) = (x - Lanes(repeating: originX), y - Lanes(repeating: originY))
            let (wx, wy) = (weight * dx, weight * dy)
            total += weight
            sumX += wx
            sumY += wy
            sumXX += wx * dx
            sumXY += wx * dy
            sumYY += wy * dy
        }
        for index in stride(from: 0, to: whole, by: 4) {
            add(
                raw.loadUnaligned(fromByteOffset: index * 8, as: Lanes.self),
                Lanes(rawX.loadUnaligned(fromByteOffset: index * 4, as: SIMD4<Float>.self)),
                Lanes(rawY.loadUnaligned(fromByteOffset: index * 4, as: SIMD4<Float>.self)))
        }
        if whole < count {
            var (z, restX, restY) = (
                Lanes(repeating: -.infinity), Lanes(repeating: originX), Lanes(repeating: originY)
            )
            for index in whole..<count {
                z[index - whole] = logits[index]
                restX[index - whole] = Double(x[index])
                restY[index - whole] = Double(y[index])
            }
            add(z, restX, restY)
        }
        let sum = total.sum()
        let (meanX, meanY) = (sumX.sum() / sum, sumY.sum() / sum)
        logSum = largest + log(sum)
        first = originX + meanX
        second = originY + meanY
        covariance = (
            max(0, sumXX.sum() / sum - meanX * meanX), sumXY.sum() / sum - meanX * meanY,
            max(0, sumYY.sum() / sum - meanY * meanY)
        )
    }

    /// exp for arguments of at most 0, to a few units in the last place; 0 below −708.
    ///
    /// Range reduction `x = n ln 2 + r`, |r| ≤ ½ ln 2, and the Taylor polynomial of degree 13 (its remainder is below 1e-17).
    @inline(__always)
    static func exponential(_ x: Lanes) -> Lanes {
        let underflows = x .< Lanes(repeating: -708)
        let bounded = x.replacing(with: Lanes(repeating: -708), where: underflows)
        // Adding 1.5 · 2⁵² leaves the nearest integer in the low bits of the significand.
        let rounder = Lanes(repeating: 6_755_399_441_055_744)
        let shifted = bounded * Lanes(repeating: 1.442_695_040_888_963_4) + rounder
        let whole = shifted - rounder
        let r =
            bounded - whole * Lanes(repeating: 0.693_145_751_953_125)
            - whole * Lanes(repeating: 1.428_606_820_309_417_3e-6)
        var polynomial = Lanes(repeating: 1 / 6_227_020_800)
        polynomial = polynomial * r + Lanes(repeating: 1 / 479_001_600)
        polynomial = polynomial * r + Lanes(repeating: 1 / 39_916_800)
        polynomial = polynomial * r + Lanes(repeating: 1 / 3_628_800)
        polynomial = polynomial * r + Lanes(repeating: 1 / 362_880)
        polynomial = polynomial * r + Lanes(repeating: 1 / 40_320)
        polynomial = polynomial * r + Lanes(repeating: 1 / 5_040)
        polynomial = polynomial * r + Lanes(repeating: 1 / 720)
        polynomial = polynomial * r + Lanes(repeating: 1 / 120)
        polynomial = polynomial * r + Lanes(repeating: 1 / 24)
        polynomial = polynomial * r + Lanes(repeating: 1 / 6)
        polynomial = polynomial * r + Lanes(repeating: 0.5)
        polynomial = polynomial * r + Lanes(repeating: 1)
        polynomial = polynomial * r + Lanes(repeating: 1)
        let exponent =
            unsafeBitCast(shifted, to: SIMD4<Int64>.self) &- unsafeBitCast(rounder, to: SIMD4<Int64>.self)
            &+ SIMD4<Int64>(repeating: 1_023)
        let power = unsafeBitCast(exponent &<< SIMD4<Int64>(repeating: 52), to: Lanes.self)
        return (polynomial * power).replacing(with: Lanes.zero, where: underflows)
    }
}
