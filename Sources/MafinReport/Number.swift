import Foundation

/// Numbers of a table in the style of the field's papers: three decimals, no zero before the point.
package enum Number {
    /// A mean between 0 and 1: `.375`, `1.000`; a dash for `nil`.
    package static func mean(_ value: Double?) -> String {
        value.map { withoutLeadingZero(String(format: "%.3f", $0)) } ?? "–"
    }

    /// A threshold of a probability, rounded down, with more decimals the closer it is to 1: `.500`, `.99970`. `1.000` is above all
    /// probabilities.
    package static func threshold(_ value: Double) -> String {
        guard value < 1 else { return "1.000" }
        let decimals = min(9, max(3, Int((-log10(1 - value)).rounded(.up)) + 1))
        let scale = pow(10, Double(decimals))
        return withoutLeadingZero(
            String(format: "%.\(decimals)f", (value * scale + 1e-6).rounded(.down) / scale))
    }

    /// A difference, always with a sign: `+.046`, `-.012`, `±.000` for values that round to 0.
    package static func signed(_ value: Double) -> String {
        let digits = withoutLeadingZero(String(format: "%.3f", abs(value)))
        return (digits == ".000" ? "±" : value < 0 ? "-" : "+") + digits
    }

    /// An interval of differences: `+.031…+.061`.
    package static func interval(_ low: Double, _ high: Double) -> String { "\(signed(low))…\(signed(high))" }

    /// A p-value: `.031`, `<.001`.
    package static func probability(_ value: Double) -> String {
        value < 0.001 ? "<.001" : mean(value)
    }

    /// A p-value in a sentence: `p = .031`, `p < .001`.
    package static func probabilityInWords(_ value: Double) -> String {
        value < 0.001 ? "p < .001" : "p = \(mean(value))"
    }

    /// A significance level as people write it: `.05`.
    static func level(_ value: Double) -> String {
        withoutLeadingZero("\(value)")
    }

    /// A score or quantity with `decimals` decimals: `0.374`, `1,204`.
    static func decimal(_ value: Double, _ decimals: Int = 3) -> String {
        let text = String(format: "%.\(decimals)f", value)
        return decimals == 0 ? count(Int(value.rounded())) : text
    }

    /// The weight of a source: `.438`, `20.1`, `140`.
    static func weight(_ value: Double) -> String {
        withoutLeadingZero(decimal(value, value < 1 ? 3 : value < 100 ? 1 : 0))
    }

    /// A share of a score with its sign: `+0.0312`.
    static func signedDecimal(_ value: Double) -> String { String(format: "%+.4f", value) }

    /// A whole number with a comma between thousands: `3,633`, `−12`.
    package static func count(_ value: Int) -> String {
        let digits = String(value.magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return value < 0 ? "−" + text : text
    }

    /// A share in per cent. It has decimals only if it would round to 0 or 100: `38 %`, `0.4 %`.
    static func percent(_ share: Double) -> String {
        let percent = share * 100
        let isNearEnd = (percent > 0 && percent < 1) || (percent > 99 && percent < 100)
        return String(format: isNearEnd ? "%.1f %%" : "%.0f %%", percent)
    }

    /// Memory in powers of 1024: `12.4 MiB`, `512 B`.
    static func bytes(_ bytes: Int) -> String {
        for (unit, shift) in [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)] where bytes >= 1 << shift {
            let value = Double(bytes) / Double(1 << shift)
            return String(format: value < 100 ? "%.1f" : "%.0f", value) + " " + unit
        }
        return "\(count(bytes)) B"
    }

    /// A time for people: `0.8 ms`, `42 s`, `3 min 5 s`, `1 h 2 min`.
    static func duration(seconds: Double) -> String {
        if seconds < 1 { return milliseconds(seconds * 1000) }
        if seconds < 10 { return String(format: "%.1f s", seconds) }
        let total = Int(seconds.rounded())
        if total < 60 { return "\(total) s" }
        if total < 3600 { return total % 60 == 0 ? "\(total / 60) min" : "\(total / 60) min \(total % 60) s" }
        return total / 60 % 60 == 0 ? "\(total / 3600) h" : "\(total / 3600) h \(total / 60 % 60) min"
    }

    /// Milliseconds with about two significant digits: `0.80 ms`, `12 ms`.
    static func milliseconds(_ value: Double) -> String {
        String(format: value < 0.95 ? "%.2f ms" : value < 9.5 ? "%.1f ms" : "%.0f ms", value)
    }

    /// The same text with minus signs in place of hyphens before digits: `−.012`.
    static func typographic(_ text: String) -> String {
        text.replacingOccurrences(of: "-.", with: "−.").replacingOccurrences(
            of: "-(?=[0-9])", with: "−", options: .regularExpression)
    }

    /// `.5` for `0.5`, `-.5` for `-0.5`.
    static func withoutLeadingZero(_ text: String) -> String {
        if text.hasPrefix("0.") { return String(text.dropFirst()) }
        return text.hasPrefix("-0.") ? "-" + text.dropFirst(2) : text
    }
}
