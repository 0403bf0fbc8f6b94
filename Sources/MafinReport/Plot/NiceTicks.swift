import Foundation

/// Round values along an axis: multiples of 1, 2 or 5 times a power of ten (Heckbert 1990, "Nice numbers for graph labels").
enum NiceTicks {
    /// The distance between ticks so that about `count` of them cover `span`, as `multiple · 10^exponent`.
    ///
    /// The multiple is the nearest of 1, 2, 5 and 10 by ratio. The borders between them are the geometric means √2, √10 and √50.
    static func step(span: Double, count: Int) -> (multiple: Double, exponent: Int) {
        precondition(span > 0 && span.isFinite && count > 0, "no ticks for a span of \(span)")
        let rough = span / Double(count)
        let exponent = Int(log10(rough).rounded(.down))
        let mantissa = rough / pow(10, Double(exponent))
        switch mantissa {
        case (50.0).squareRoot()...: return (10, exponent)
        case (10.0).squareRoot()...: return (5, exponent)
        case (2.0).squareRoot()...: return (2, exponent)
        default: return (1, exponent)
        }
    }

    /// About `count` round values inside `domain`, ascending. If the domain is a point, a single one.
    static func ticks(in domain: ClosedRange<Double>, count: Int) -> [Double] {
        let span = domain.upperBound - domain.lowerBound
        guard span > 0 else { return [domain.lowerBound] }
        let (multiple, exponent) = step(span: span, count: count)
        let step = value(1, multiple: multiple, exponent: exponent)
        let tolerance = 1e-9
        let first = (domain.lowerBound / step - tolerance).rounded(.up)
        let last = (domain.upperBound / step + tolerance).rounded(.down)
        guard first <= last else { return [] }
        return stride(from: first, through: last, by: 1).map { value($0, multiple: multiple, exponent: exponent) }
    }

    /// `index · multiple · 10^exponent`; for a whole index this is the `Double` nearest to the decimal number.
    static func value(_ index: Double, multiple: Double, exponent: Int) -> Double {
        // For a negative exponent it divides: 3 / 10 is .3, while 3 × .1 is .30000000000000004.
        let power = pow(10, Double(abs(exponent)))
        // `+ 0` turns −0 into 0.
        return (exponent < 0 ? index * multiple / power : index * multiple * power) + 0
    }

    /// The values 1, 2 and 5 times a power of ten inside a positive `domain`. If they are more than `count`, only the powers of ten; if these
    /// are still too many, every second, third … power.
    static func logarithmicTicks(in domain: ClosedRange<Double>, count: Int) -> [Double] {
        precondition(domain.lowerBound > 0, "a logarithmic axis from \(domain.lowerBound)")
        let tolerance = 1e-9
        let low = domain.lowerBound * (1 - tolerance)
        let high = domain.upperBound * (1 + tolerance)
        let first = Int(log10(domain.lowerBound).rounded(.down))
        let last = Int(log10(domain.upperBound).rounded(.up))
        func ticks(_ multiples: [Double], every: Int) -> [Double] {
            var ticks: [Double] = []
            for exponent in first...last where exponent % every == 0 {
                for multiple in multiples {
                    let tick = value(1, multiple: multiple, exponent: exponent)
                    if tick >= low, tick <= high { ticks.append(tick) }
                }
            }
            return ticks
        }
        let all = ticks([1, 2, 5], every: 1)
        if all.count <= count { return all }
        for every in 1... {
            let powers = ticks([1], every: every)
            if powers.count <= max(2, count) { return powers.isEmpty ? Array(all.prefix(count)) : powers }
        }
        return all
    }
}
