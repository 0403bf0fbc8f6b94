/// Estimates with their intervals, one in each row, along one axis (a forest plot).
struct IntervalPlot {
    struct Row {
        var label: String
        var value: Double
        /// Bounds of its interval.
        var low: Double
        var high: Double
        /// The figures in words, at the end of the row.
        var text: String
        /// The colour of what the estimate shows.
        var color: PlotColor
        var isStrong = false
    }

    var title: String
    var summary = ""
    var label: String
    var rows: [Row]
    /// A range around 0 that is shaded, because its values are too small to be shown; `nil` for no shading.
    var indifference: ClosedRange<Double>?

    func svg(width: Double, isNamed: Bool) -> Markup {
        let isNarrow = width < PlotFrame.narrow
        let rowHeight = isNarrow ? 46.0 : 30.0
        func widest(_ texts: [String], _ most: Double) -> Double {
            min(most, TextMetrics.widest(texts, fontSize: 13))
        }
        let left = isNarrow ? 8 : (widest(rows.map(\.label), width * 0.34) + 20).rounded()
        let right = isNarrow ? width - 8 : (width - widest(rows.map(\.text), width * 0.34) - 24).rounded()
        let top = PlotFrame.lineHeight + 8
        let bottom = top + Double(rows.count) * rowHeight
        let scale = PlotScale(
            covering: rows.flatMap { [$0.low, $0.value, $0.high] } + [0]
                + (indifference.map { [$0.lowerBound, $0.upperBound] } ?? []))
        func x(_ value: Double) -> Double { left + scale.fraction(value) * (right - left) }

        let ticks = scale.ticks(count: max(3, Int((right - left) / 70)))
        return SVG.root(
            size: (width, bottom + 2 * PlotFrame.lineHeight + 8), name: isNamed ? (title, summary) : nil
        ) {
            if let band = indifference {
                SVG.rect(
                    x: x(band.lowerBound), y: top, width: x(band.upperBound) - x(band.lowerBound), height: bottom - top,
                    class: "veil")
            }
            for (tick, text) in zip(ticks, TickFormat.difference.texts(ticks)) {
                SVG.line((x(tick), top), (x(tick), bottom), class: tick == 0 ? "rule" : "grid")
                SVG.text(text, at: (x(tick), bottom + PlotFrame.lineHeight + 2), anchor: .middle)
            }
            SVG.text(label, at: (right, bottom + 2 * PlotFrame.lineHeight + 4), anchor: .end, class: "strong")
            for (index, row) in rows.enumerated() {
                let start = top + Double(index) * rowHeight
                let y = isNarrow ? start + 33 : start + rowHeight / 2
                let textY = isNarrow ? start + 18 : y + 4
                let name = row.isStrong ? "strong heavy" : "strong"
                let room = isNarrow ? width - TextMetrics.width(row.text, fontSize: 13) - 12 : left - 16
                SVG.text(TextMetrics.fitted(row.label, into: room, fontSize: 13), at: (0, textY), class: name)
                SVG.text(row.text, at: (width, textY), anchor: .end, class: row.isStrong ? "strong heavy" : "")
                SVG.line((x(row.low), y), (x(row.high), y), class: "line s \(row.color.name)")
                for end in [row.low, row.high] {
                    SVG.line((x(end), y - 4), (x(end), y + 4), class: "line thin s \(row.color.name)")
                }
                SVG.circle(
                    at: (x(row.value), y), radius: row.isStrong ? 5.5 : 4.5, class: "dot f \(row.color.name)",
                    note: "\(row.label): \(row.text)")
            }
        }
    }
}
