enum SVG {
    /// Which point of a text lies at its position.
    enum Anchor: String {
        case start, middle, end
    }

    /// - Parameter name: title and description; `nil` if the element around the drawing has them, so that screen readers skip the drawing.
    static func root(
        size: (width: Double, height: Double), name: (title: String, summary: String)?,
        @MarkupBuilder _ content: () -> Markup
    ) -> Markup {
        element(
            "svg",
            [
                "xmlns": "http://www.w3.org/2000/svg", "class": "plot", "role": name == nil ? nil : "img",
                "aria-hidden": name == nil ? "true" : nil,
                "aria-labelledby": name.map { $0.summary.isEmpty ? "plot-title" : "plot-title plot-summary" },
                "viewBox": "0 0 \(coordinate(size.width)) \(coordinate(size.height))",
                "width": coordinate(size.width), "height": coordinate(size.height),
            ]
        ) {
            if let name {
                element("title", ["id": "plot-title"]) { name.title }
                if !name.summary.isEmpty { element("desc", ["id": "plot-summary"]) { name.summary } }
            }
            content()
        }
    }

    /// A drawing as a file of its own, with its style sheet.
    static func file(_ drawing: Markup) -> String {
        // The style sheet is inserted after the opening tag.
        guard let end = drawing.source.firstIndex(of: ">") else { return drawing.source }
        let style = element("style") {
            Markup.trusted(PlotTheme.properties + "\nsvg.plot{background:var(--page)}\n" + PlotTheme.plotRules)
        }
        let body = drawing.source.index(after: end)
        return drawing.source[..<body] + style.source + drawing.source[body...] + "\n"
    }

    static func line(_ from: (Double, Double), _ to: (Double, Double), class name: String?) -> Markup {
        element(
            "line",
            [
                "x1": coordinate(from.0), "y1": coordinate(from.1), "x2": coordinate(to.0), "y2": coordinate(to.1),
                "class": name,
            ])
    }

    static func rect(
        x: Double, y: Double, width: Double, height: Double, class name: String, note: String? = nil
    ) -> Markup {
        element(
            "rect",
            [
                "x": coordinate(x), "y": coordinate(y), "width": coordinate(max(0, width)),
                "height": coordinate(max(0, height)), "class": name,
            ]
        ) {
            if let note { element("title") { note } }
        }
    }

    static func circle(at place: (Double, Double), radius: Double, class name: String, note: String?) -> Markup {
        element(
            "circle",
            ["cx": coordinate(place.0), "cy": coordinate(place.1), "r": coordinate(radius), "class": name]
        ) {
            if let note { element("title") { note } }
        }
    }

    static func text(
        _ text: String, at place: (Double, Double), anchor: Anchor = .start, class name: String? = nil
    ) -> Markup {
        element(
            "text",
            [
                "x": coordinate(place.0), "y": coordinate(place.1),
                "text-anchor": anchor == .start ? nil : anchor.rawValue, "class": name,
            ]
        ) { text }
    }

    static func path(_ data: String, class name: String) -> Markup {
        data.isEmpty ? .empty : element("path", ["d": data, "class": name])
    }

    static func polyline(_ points: [(Double, Double)]) -> String {
        var path = ""
        for (index, point) in points.enumerated() {
            path += "\(index == 0 ? "M" : "L")\(coordinate(point.0)) \(coordinate(point.1))"
        }
        return path
    }
}
