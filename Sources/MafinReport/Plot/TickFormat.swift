import Foundation

/// How the values of an axis are written.
public enum TickFormat: Sendable, Equatable {
    /// As in the field's tables, with no zero before the point: `.35`.
    case share
    /// The same with a sign: `+.05`, `0`, `−.05`.
    case difference
    /// Whole numbers with separators of thousands: `1,000`.
    case count
    /// As many decimals as the ticks need: `0.5`, `12`.
    case decimal
    /// Seconds, in a unit that fits the largest value: `30 s`, `5 min`, `1.5 h`.
    case duration

    /// The texts of all ticks of one axis. All fractions have the same number of decimals.
    func texts(_ ticks: [Double]) -> [String] {
        let decimals = ticks.map(Self.neededDecimals).max() ?? 0
        func fixed(_ value: Double) -> String { String(format: "%.\(decimals)f", value) }
        return ticks.map { value in
            switch self {
            case .share: value == value.rounded() ? "\(Int(value))" : Number.withoutLeadingZero(fixed(value))
            case .difference:
                value == 0
                    ? "0"
                    : (value < 0 ? "−" : "+") + Number.withoutLeadingZero(fixed(abs(value)))
            case .count: Number.count(Int(value.rounded()))
            case .decimal: value < 0 ? "−" + fixed(abs(value)) : fixed(value)
            case .duration: Self.duration(value, largest: ticks.max() ?? 0)
            }
        }
    }

    private static func duration(_ seconds: Double, largest: Double) -> String {
        let (unit, length) = largest >= 7200 ? ("h", 3600.0) : largest >= 120 ? ("min", 60.0) : ("s", 1.0)
        let value = (seconds / length * 100).rounded() / 100
        return seconds == 0 ? "0" : (value == value.rounded() ? "\(Int(value))" : "\(value)") + " " + unit
    }

    /// Number of decimals that a round value needs, at most 6.
    private static func neededDecimals(_ value: Double) -> Int {
        var scaled = abs(value)
        for decimals in 0..<6 {
            if abs(scaled - scaled.rounded()) < 1e-6 * max(1, scaled) { return decimals }
            scaled *= 10
        }
        return 6
    }
}
