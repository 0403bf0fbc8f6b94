/// How often each system won and lost: bars to the right and to the left of one line.
struct BalancePlot {
    /// How many queries one system won and lost, and how many were equal.
    struct Row {
        var label: String
        var losses: Int
        var ties: Int
        var wins: Int
        var isStrong = false
    }

    var title: String
    var summary = ""
    var rows: [Row]

    func svg(width: Double, isNamed: Bool) -> Markup {
        let isNarrow = width < PlotFrame.narrow
        let rowHeight = isNarrow ? 44.0 : 28.0
        let labels = TextMetrics.widest(rows.map(\.label), fontSize: 13)
        let counts = rows.flatMap { [Number.count($0.losses), Number.count($0.wins)] }
        let number = TextMetrics.widest(counts, fontSize: PlotFrame.fontSize) + 10
        let left = (isNarrow ? 0 : min(labels + 20, width * 0.34)) + number
        let right = width - number
        let top = PlotFrame.lineHeight + 12
        // Both sides share one scale. The line is placed so that the longest bars on either side just fit.
        let most = (losses: rows.map(\.losses).max() ?? 0, wins: rows.map(\.wins).max() ?? 0)
        let unit = (right - left) / Double(max(1, most.losses + most.wins))
        let middle = left + Double(most.losses) * unit
        return SVG.root(
            size: (width, top + Double(rows.count) * rowHeight + 4), name: isNamed ? (title, summary) : nil
        ) {
            SVG.text("worse", at: (middle - 8, PlotFrame.fontSize), anchor: .end, class: "f loss")
            SVG.text("better", at: (middle + 8, PlotFrame.fontSize), class: "f accent")
            for (index, row) in rows.enumerated() {
                let start = top + Double(index) * rowHeight
                let barTop = isNarrow ? start + 22 : start + 6
                let textY = barTop + 12
                SVG.text(
                    TextMetrics.fitted(row.label, into: isNarrow ? width : left - number - 8, fontSize: 13),
                    at: (0, isNarrow ? start + 16 : textY), class: row.isStrong ? "strong heavy" : "strong")
                let note = "\(row.label): better \(row.wins), equal \(row.ties), worse \(row.losses)"
                SVG.rect(
                    x: middle - Double(row.losses) * unit, y: barTop, width: Double(row.losses) * unit - 1, height: 16,
                    class: "f loss", note: note)
                SVG.rect(
                    x: middle + 1, y: barTop, width: Double(row.wins) * unit - 1, height: 16, class: "f accent",
                    note: note)
                SVG.text(Number.count(row.losses), at: (middle - Double(row.losses) * unit - 6, textY), anchor: .end)
                SVG.text(Number.count(row.wins), at: (middle + Double(row.wins) * unit + 6, textY))
            }
            SVG.line((middle, top - 4), (middle, top + Double(rows.count) * rowHeight), class: "rule")
        }
    }
}
