import Foundation

/// Numbers of a table, in the way of the field's papers: three decimals, no zero before the point.
enum Number {
    /// A mean between 0 and 1: `.375`, `1.000`; a dash where there is none.
    static func mean(_ value: Double?) -> String {
        value.map { withoutLeadingZero(String(format: "%.3f", $0)) } ?? "–"
    }

    /// A difference, always with a sign: `+.046`, `-.012`, `±.000` for what rounds to nothing.
    static func signed(_ value: Double) -> String {
        let digits = withoutLeadingZero(String(format: "%.3f", abs(value)))
        return (digits == ".000" ? "±" : value < 0 ? "-" : "+") + digits
    }

    /// A p-value: `.031`, `<.001`.
    static func probability(_ value: Double) -> String {
        value < 0.001 ? "<.001" : mean(value)
    }

    /// A significance level as people write it: `.05`.
    static func level(_ value: Double) -> String {
        withoutLeadingZero("\(value)")
    }

    private static func withoutLeadingZero(_ text: String) -> String {
        text.hasPrefix("0.") ? String(text.dropFirst()) : text
    }
}
