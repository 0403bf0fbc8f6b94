/// The geometry of a plot, in pixels of the drawing; y grows downwards.
struct PlotFrame {
    static let fontSize = 12.0
    /// Distance between the baselines of two lines of text.
    static let lineHeight = 16.0
    /// In narrower drawings the name of a row is above its marks, not beside them.
    static let narrow = 520.0

    let size: (width: Double, height: Double)
    let left: Double
    let right: Double
    let top: Double
    let bottom: Double
    let xScale: PlotScale
    let yScale: PlotScale

    /// Leaves room around the area of the data for the texts of the ticks, the axes' labels, and labels at the ends of lines.
    init(_ plot: Plot, width: Double, yTickTexts: [String], endLabels: [String]) {
        func widest(_ texts: [String]) -> Double { TextMetrics.widest(texts, fontSize: Self.fontSize) }
        size = (width, (width * plot.aspect).rounded())
        left = (widest(yTickTexts) + 10).rounded(.up)
        // Labels take at most a third of the width. They get a tenth more than estimated, because text beyond the edge would be cut.
        right = width - max(14, min(1.1 * widest(endLabels) + 12, width / 3)).rounded(.up)
        top = Self.lineHeight + 12
        bottom = size.height - 2 * Self.lineHeight - 10
        xScale = plot.x.scale
        yScale = plot.y.scale
    }

    func x(_ value: Double) -> Double { left + xScale.fraction(value) * (right - left) }

    func y(_ value: Double) -> Double { bottom - yScale.fraction(value) * (bottom - top) }

    /// The base of columns: 0 if the axis holds it, else the end of the axis nearest to 0.
    var baseline: Double {
        guard yScale.kind == .linear else { return bottom }
        return y(min(max(0, yScale.domain.lowerBound), yScale.domain.upperBound))
    }
}

/// A coordinate for SVG, with at most two decimals, which is finer than any screen.
func coordinate(_ value: Double) -> String {
    guard value.isFinite else { return "0" }
    let hundredths = Int((value * 100).rounded())
    if hundredths % 100 == 0 { return "\(hundredths / 100)" }
    let sign = hundredths < 0 ? "-" : ""
    let (whole, rest) = hundredths.magnitude.quotientAndRemainder(dividingBy: 100)
    return sign + "\(whole)." + (rest % 10 == 0 ? "\(rest / 10)" : rest < 10 ? "0\(rest)" : "\(rest)")
}
