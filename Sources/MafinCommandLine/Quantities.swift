import ArgumentParser
import MafinNumerics

/// A duration, written as `90s`, `10m`, `1h30m` or `1.5h`.
package struct TimeLimit: Equatable, Sendable, CustomStringConvertible {
    package let duration: Duration

    package init(_ duration: Duration) {
        self.duration = duration
    }

    /// The units are `h`, `m`, `s`, `ms`, each at most once and in that order. Only the last number may have a fraction.
    /// - Throws: `ValidationError`, which says what to write, for anything else. A number without a unit is refused too, because `10` may mean seconds
    ///   or minutes.
    @Sendable package init(parsing text: String) throws {
        guard let duration = Self.duration(text) else {
            let isBareNumber = !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) }
            throw ValidationError(
                isBareNumber
                    ? "a duration needs a unit: \(text)s, \(text)m or \(text)h?"
                    : "a duration is written like 90s, 10m, 1h30m or 1.5h, longer than nothing and shorter than a year")
        }
        self.duration = duration
    }

    private static func duration(_ text: String) -> Duration? {
        let units: [(suffix: String, seconds: Double)] = [("h", 3600), ("m", 60), ("s", 1), ("ms", 0.001)]
        var rest = text[...]
        var nextUnit = 0
        var total = 0.0
        while !rest.isEmpty {
            guard let (number, hasFraction) = takeNumber(&rest) else { return nil }
            let suffix = rest.prefix { $0.isASCII && $0.isLetter }
            rest.removeFirst(suffix.count)
            guard let unit = units[nextUnit...].firstIndex(where: { $0.suffix == suffix }) else { return nil }
            guard rest.isEmpty || !hasFraction else { return nil }
            total += number * units[unit].seconds
            nextUnit = unit + 1
        }
        // A year is longer than any real limit, and it keeps later sums far from overflow.
        guard total > 0, total < 366 * 86_400 else { return nil }
        return .milliseconds(Int((total * 1000).rounded()))
    }

    private static func takeNumber(_ rest: inout Substring) -> (value: Double, hasFraction: Bool)? {
        let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard digits.first != ".", digits.last != ".", let value = Double(digits) else { return nil }
        rest.removeFirst(digits.count)
        return (value, digits.contains("."))
    }

    package var description: String { duration.shortText }
}

/// An amount of memory, written as `4GiB`, `512MiB`, `2GB`, `800M` or a number of bytes.
package struct MemorySize: Equatable, Sendable, CustomStringConvertible {
    package let bytes: Int

    package init(bytes: Int) {
        self.bytes = bytes
    }

    /// `KiB`, `MiB`, … and the letters `K`, `M`, … alone are powers of 1024; `kB`, `MB`, … are powers of 1000. Upper and lower case are the same.
    /// The number may have a fraction.
    /// - Throws: `ValidationError` for anything else, for zero, and for amounts that do not fit 64 bits.
    @Sendable package init(parsing text: String) throws {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let suffix = text.dropFirst(digits.count).drop { $0 == " " }.lowercased()
        guard digits.first != ".", digits.last != ".", let number = Double(digits), let factor = Self.factors[suffix],
            let bytes = Int(exactly: (number * factor).rounded()), bytes > 0
        else { throw ValidationError("an amount of memory is written like 512MiB, 4GiB or 2GB") }
        self.bytes = bytes
    }

    private static let factors: [String: Double] = {
        var factors = ["": 1.0, "b": 1.0]
        var binary = 1024.0
        var decimal = 1000.0
        for letter in ["k", "m", "g", "t"] {
            factors[letter] = binary
            factors[letter + "ib"] = binary
            factors[letter + "b"] = decimal
            binary *= 1024
            decimal *= 1000
        }
        return factors
    }()

    package var description: String {
        for (unit, shift) in [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)] where bytes >= 1 << shift {
            let tenths = (Double(bytes) / Double(1 << shift) * 10).rounded() / 10
            return tenths == tenths.rounded() ? "\(Int(tenths)) \(unit)" : "\(tenths) \(unit)"
        }
        return "\(bytes) B"
    }
}
