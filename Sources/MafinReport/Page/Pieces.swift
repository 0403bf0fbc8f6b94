import MafinRetrieval

// What all sections are built from.

/// A mean as tables print it.
func mean(_ value: Double?) -> String { Number.mean(value) }

func signed(_ value: Double) -> String { Number.typographic(Number.signed(value)) }

/// An interval of differences: `+.031 … +.061`.
func interval(_ difference: MetricDifference) -> String { "\(signed(difference.low)) … \(signed(difference.high))" }

func small(_ text: String) -> Markup { element("small") { text } }

func note(_ text: String) -> Markup { element("p", ["class": "note"]) { text } }

func lead(_ text: String) -> Markup { element("p", ["class": "lead"]) { text } }

protocol Drawing {
    var title: String { get }
    var summary: String { get }
    func svg(width: Double, isNamed: Bool) -> Markup
}

extension Plot: Drawing {}
extension IntervalPlot: Drawing {}
extension BalancePlot: Drawing {}

extension Drawing {
    func svgFile(width: Double = 720) -> String { SVG.file(svg(width: width, isNamed: true)) }
}

/// A drawing in two widths, for wide and narrow screens. The style sheet shows one of them. Screen readers read the name once in any case.
func figure(
    _ caption: String, note: String? = nil, wide: Double = 1048, narrow: Double = 358, _ drawing: some Drawing
) -> Markup {
    element("figure") {
        element("figcaption") {
            caption
            if let note { element("span", ["class": "note"]) { note } }
        }
        element(
            "div",
            [
                "class": "drawing", "role": "img",
                "aria-label": drawing.summary.isEmpty ? drawing.title : "\(drawing.title). \(drawing.summary)",
            ]
        ) {
            element("div", ["class": "wide"]) { drawing.svg(width: wide, isNamed: false) }
            element("div", ["class": "narrow"]) { drawing.svg(width: narrow, isNamed: false) }
        }
    }
}

struct PageCell {
    var content: Markup
    /// The value that the cell is sorted by; `nil` for its text, and an empty string for a cell without a value.
    var value: String?

    init(_ content: Markup, value: Double? = nil) {
        self.content = content
        self.value = value.map { "\($0)" }
    }

    init(_ text: String, _ second: String? = nil, value: Double? = nil) {
        self.init(.text(text) + second.map(small), value: value)
    }

    static var absent: PageCell {
        var cell = PageCell(
            element("span", ["aria-hidden": "true"]) { "–" } + element("span", ["class": "hidden"]) { "none" })
        cell.value = ""
        return cell
    }
}

/// A table in a box that scrolls if the table is wider than the page. The first cell of a row is its header.
/// - Parameter chosen: the row that stands out.
func pageTable(
    _ caption: String, note: String? = nil, columns: [Table.Column], rows: [[PageCell]], chosen: Int? = nil,
    isSortable: Bool = false, isCompact: Bool = false
) -> Markup {
    let classes = columns.map { $0.alignment == .right ? "n" : nil }
    return scrolling(caption, note, class: "pinned\(isSortable ? " sortable" : "")\(isCompact ? " compact" : "")") {
        element("thead") {
            element("tr") {
                for (column, name) in zip(columns, classes) {
                    element("th", ["scope": "col", "class": name]) { column.title }
                }
            }
        }
        element("tbody") {
            for (number, row) in rows.enumerated() {
                element("tr", ["class": number == chosen ? "chosen" : nil]) {
                    for (index, (name, cell)) in zip(classes, row).enumerated() {
                        if index == 0 {
                            element("th", ["scope": "row", "class": name]) { cell.content }
                        } else {
                            element("td", ["class": name, "data-value": name.flatMap { _ in cell.value }]) {
                                cell.content
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The caption stays visible when its table scrolls to the side.
private func scrolling(
    _ caption: String, _ note: String?, class name: String, @MarkupBuilder _ content: () -> Markup
) -> Markup {
    element("div", ["class": "scroll", "tabindex": "0", "role": "region", "aria-label": "Table: \(caption)"]) {
        element("table", ["class": name]) {
            element("caption") {
                element("span", ["class": "cap"]) {
                    caption
                    if let note { element("span", ["class": "note"]) { note } }
                }
            }
            content()
        }
    }
}

func factsTable(_ caption: String, note: String? = nil, _ rows: [(name: String, value: Markup)]) -> Markup {
    scrolling(caption, note, class: "facts") {
        element("tbody") {
            for row in rows {
                element("tr") {
                    element("th", ["scope": "row"]) { row.name }
                    element("td") { row.value }
                }
            }
        }
    }
}

/// A text of the collection, in its own direction. The end of a long text is shown on demand.
func foreignText(_ text: String, showing limit: Int) -> Markup {
    let start = text.prefix(limit)
    guard start.endIndex < text.endIndex else { return element("span", ["dir": "auto"]) { text } }
    let rest = text[start.endIndex...]
    return element("span", ["dir": "auto"]) { String(start) }
        + element("details", ["class": "rest"]) {
            element("summary") { "… \(Number.count(rest.count)) more characters" }
            element("span", ["dir": "auto"]) { String(rest) }
        }
}

/// The text for one line of a list: each run of white space becomes one space.
func singleLine(_ text: String, _ limit: Int) -> String {
    // Reads no further than needed, because a passage may be very long.
    let start = text.prefix(limit * 2).split(whereSeparator: \.isWhitespace).joined(separator: " ")
    return start.count > limit ? start.prefix(limit - 1) + "…" : start
}
