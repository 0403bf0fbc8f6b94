extension Plot {
    /// The plot as a file of its own, with its colours for light and dark mode.
    /// - Parameter width: in pixels; the height follows from ``aspect``.
    public func svgFile(width: Double = 640) -> String {
        SVG.file(svg(width: width, isNamed: true))
    }

    /// - Parameter isNamed: whether title and description are in the drawing. A page has them once, beside its two drawings.
    func svg(width: Double, isNamed: Bool) -> Markup {
        let ticks = (x: xTicks(width: width), y: y.ticks ?? y.scale.ticks(count: 5))
        let yTexts = y.format.texts(ticks.y)
        let frame = PlotFrame(
            self, width: width, yTickTexts: yTexts, endLabels: marks.compactMap(\.endLabel).map(\.text))
        return SVG.root(size: frame.size, name: isNamed ? (title, summary) : nil) {
            axes(frame, ticks, yTexts)
            for mark in marks { drawing(of: mark, frame) }
            endLabels(frame)
        }
    }

    private func xTicks(width: Double) -> [Double] {
        if let ticks = x.ticks { return ticks }
        var count = max(2, Int(width / 80))
        while count > 2 {
            let ticks = x.scale.ticks(count: count)
            let room = x.format.texts(ticks).reduce(0) { $0 + TextMetrics.width($1, fontSize: PlotFrame.fontSize) + 14 }
            if room <= width * 0.8 { return ticks }
            count -= 1
        }
        return x.scale.ticks(count: 2)
    }

    private func axes(_ frame: PlotFrame, _ ticks: (x: [Double], y: [Double]), _ yTexts: [String]) -> Markup {
        var axes = Markup.empty
        for (tick, text) in zip(ticks.y, yTexts) {
            let y = frame.y(tick)
            axes += SVG.line((frame.left, y), (frame.right, y), class: "grid")
            axes += SVG.text(text, at: (frame.left - 8, y + 4), anchor: .end)
        }
        for (tick, text) in zip(ticks.x, x.format.texts(ticks.x)) {
            let x = frame.x(tick)
            axes += SVG.line((x, frame.bottom), (x, frame.bottom + 4), class: "axis")
            axes += SVG.text(text, at: (x, frame.bottom + PlotFrame.lineHeight + 2), anchor: .middle)
        }
        axes += SVG.line((frame.left, frame.bottom), (frame.right, frame.bottom), class: "axis")
        // Both labels are horizontal, because vertical text is hard to read.
        axes += SVG.text(y.label, at: (0, PlotFrame.fontSize), class: "strong")
        axes += SVG.text(
            x.label, at: (frame.right, frame.bottom + 2 * PlotFrame.lineHeight + 4), anchor: .end, class: "strong")
        return axes
    }

    private func drawing(of mark: Mark, _ frame: PlotFrame) -> Markup {
        switch mark {
        case .line(let points, let color, _, let dashed):
            return SVG.path(
                SVG.polyline(points.map { (frame.x($0.x), frame.y($0.y)) }),
                class: "line s \(color.name)\(dashed ? " dashed" : "")")
        case .band(let values, let color):
            let upper = values.map { (frame.x($0.x), frame.y($0.high)) }
            let lower = values.reversed().map { (frame.x($0.x), frame.y($0.low)) }
            return SVG.path(SVG.polyline(upper + lower) + "Z", class: "f faint \(color.name)")
        case .points(let points, let color, _):
            return dots(points, color, frame)
        case .whiskers(let values, let color):
            let paths = values.map { value in
                let x = coordinate(frame.x(value.x))
                return "M\(x) \(coordinate(frame.y(value.low)))V\(coordinate(frame.y(value.high)))"
            }
            return SVG.path(paths.joined(), class: "line thin s \(color.name)")
        case .columns(let columns, let color, _):
            return self.columns(columns, color, frame)
        case .outline(let columns, let color, _):
            guard let first = columns.first, let last = columns.last else { return .empty }
            var corners = [(frame.x(first.from), frame.baseline)]
            for column in columns {
                corners.append((frame.x(column.from), frame.y(column.y)))
                corners.append((frame.x(column.to), frame.y(column.y)))
            }
            corners.append((frame.x(last.to), frame.baseline))
            return SVG.path(SVG.polyline(corners), class: "line thin s \(color.name)")
        case .horizontalRule(let value, let label):
            let y = frame.y(value)
            var rule = SVG.line((frame.left, y), (frame.right, y), class: "rule")
            if let label { rule += SVG.text(label, at: (frame.right, y - 6), anchor: .end) }
            return rule
        case .verticalRule(let value, let label):
            let x = frame.x(value)
            var rule = SVG.line((x, frame.top), (x, frame.bottom), class: "rule dashed")
            if let label {
                // The label is on the side that has room.
                let isLeft = x > (frame.left + frame.right) / 2
                rule += SVG.text(
                    label, at: (isLeft ? x - 6 : x + 6, frame.top + PlotFrame.fontSize), anchor: isLeft ? .end : .start)
            }
            return rule
        case .diagonal:
            let low = max(x.scale.domain.lowerBound, y.scale.domain.lowerBound)
            let high = min(x.scale.domain.upperBound, y.scale.domain.upperBound)
            guard low < high else { return .empty }
            return SVG.line((frame.x(low), frame.y(low)), (frame.x(high), frame.y(high)), class: "rule")
        }
    }

    /// Up to a thousand dots are elements of their own, with notes. More are one path without notes, to keep pages small.
    private func dots(_ points: [Point], _ color: PlotColor, _ frame: PlotFrame) -> Markup {
        if points.count > 1000 {
            let path = points.map { "M\(coordinate(frame.x($0.x))) \(coordinate(frame.y($0.y)))h0" }
            return SVG.path(path.joined(), class: "line dots s \(color.name)")
        }
        let radius = points.count > 300 ? 2.5 : points.count > 100 ? 3.0 : 3.5
        return points.reduce(into: .empty) { dots, point in
            dots += SVG.circle(
                at: (frame.x(point.x), frame.y(point.y)), radius: radius, class: "dot f \(color.name)", note: point.note
            )
        }
    }

    private func columns(
        _ columns: [(from: Double, to: Double, y: Double)], _ color: PlotColor, _ frame: PlotFrame
    ) -> Markup {
        let base = coordinate(frame.baseline)
        let path = columns.map { column in
            let (from, to) = (frame.x(column.from), frame.x(column.to))
            // A thin gap between neighbours, if there is room for it.
            let gap = to - from > 4 ? 0.5 : 0
            return
                "M\(coordinate(from + gap)) \(base)V\(coordinate(frame.y(column.y)))H\(coordinate(to - gap))V\(base)Z"
        }
        return SVG.path(path.joined(), class: "f \(color.name)")
    }

    /// Names beside the ends of lines. Names that would touch are moved apart.
    private func endLabels(_ frame: PlotFrame) -> Markup {
        let labels = marks.compactMap(\.endLabel)
        let places = LabelPlacement.spread(
            labels.map { frame.y($0.y) }, gap: PlotFrame.lineHeight, in: frame.top...frame.bottom)
        let room = frame.size.width - frame.right - 8
        return zip(labels, places).reduce(into: .empty) { markup, label in
            let text = TextMetrics.fitted(label.0.text, into: room, fontSize: PlotFrame.fontSize)
            markup += SVG.text(text, at: (frame.right + 8, label.1 + 4), class: "f \(label.0.color.name)")
        }
    }
}

extension Plot.Mark {
    /// The label beside the end of the mark, at the height of its last value.
    fileprivate var endLabel: (text: String, y: Double, color: PlotColor)? {
        switch self {
        case .line(let points, let color, let label?, _), .points(let points, let color, let label?):
            points.last.map { (label, $0.y, color) }
        case .columns(let columns, let color, let label?), .outline(let columns, let color, let label?):
            columns.max { $0.y < $1.y }.map { (label, $0.y, color) }
        default: nil
        }
    }
}
