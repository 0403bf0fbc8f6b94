import MafinRetrieval

// What all sections are built from.

/// A mean as tables print it.
func mean(_ value: Double?) -> String { Number.mean(value) }

/// A difference with its sign.
func signed(_ value: Double) -> String { Number.typographic(Number.signed(value)) }

/// An interval of differences: `+.031 … +.061`.
func interval(_ difference: MetricDifference) -> String { "\(signed(difference.low)) … \(signed(difference.high))" }

/// The second line of a cell.
func small(_ text: String) -> Markup { element("small") { text } }

/// A paragraph of second rank.
func note(_ text: String) -> Markup { element("p", ["class": "note"]) { text } }

/// The paragraph under a heading.
func lead(_ text: String) -> Markup { element("p", ["class": "lead"]) { text } }

/// What a figure of the page shows.
protocol Drawing {
    /// Its accessible name.
    var title: String { get }
    /// What it shows, in words.
    var summary: String { get }
    /// The drawing at a width.
    func svg(width: Double, isNamed: Bool) -> Markup
}

extension Plot: Drawing {}
extension IntervalPlot: Drawing {}
extension BalancePlot: Drawing {}

/// A drawing twice: as wide as the page, and as wide as a phone; the style sheet shows one of them. Screen readers meet its name once, with or
/// without the style sheet.
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

/// A column of a page's table.
struct PageColumn {
    var title: String
    var isNumber = false

    init(_ title: String) { self.title = title }

    static func number(_ title: String) -> PageColumn {
        var column = PageColumn(title)
        column.isNumber = true
        return column
    }
}

/// One cell of a page's table.
struct PageCell {
    var content: Markup
    /// What the cell is sorted by; `nil`: its text.
    var value: Double?
    /// Whether there is no value, in a column of numbers.
    var isAbsent = false

    init(_ content: Markup, value: Double? = nil) {
        self.content = content
        self.value = value
    }

    init(_ text: String, value: Double? = nil) { self.init(.text(text), value: value) }

    /// A dash.
    static var absent: PageCell {
        var cell = PageCell(
            element("span", ["aria-hidden": "true"]) { "–" } + element("span", ["class": "hidden"]) { "none" })
        cell.isAbsent = true
        return cell
    }
}

/// A row of a page's table. Its first cell is the head of the row.
struct PageRow {
    var cells: [PageCell]
    var isChosen = false

    init(_ cells: [PageCell], isChosen: Bool = false) {
        self.cells = cells
        self.isChosen = isChosen
    }
}

/// A table in a box of its own that scrolls where the table is wider than the page.
func pageTable(
    _ caption: String, note: String? = nil, columns: [PageColumn], rows: [PageRow], isSortable: Bool = false,
    isCompact: Bool = false
) -> Markup {
    element("div", ["class": "scroll", "tabindex": "0", "role": "region", "aria-label": caption]) {
        element("table", ["class": "pinned\(isSortable ? " sortable" : "")\(isCompact ? " compact" : "")"]) {
            tableCaption(caption, note)
            element("thead") {
                element("tr") {
                    for column in columns {
                        element("th", ["scope": "col", "class": column.isNumber ? "n" : nil]) { column.title }
                    }
                }
            }
            element("tbody") {
                for row in rows {
                    element("tr", ["class": row.isChosen ? "chosen" : nil]) {
                        for (index, (column, cell)) in zip(columns, row.cells).enumerated() {
                            let value = column.isNumber ? cell.value.map { "\($0)" } ?? (cell.isAbsent ? "" : nil) : nil
                            if index == 0 {
                                element("th", ["scope": "row", "class": column.isNumber ? "n" : nil]) { cell.content }
                            } else {
                                element("td", ["class": column.isNumber ? "n" : nil, "data-value": value]) {
                                    cell.content
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The caption stays in sight where its table scrolls to the side.
private func tableCaption(_ caption: String, _ note: String?) -> Markup {
    element("caption") {
        element("span", ["class": "cap"]) {
            caption
            if let note { element("span", ["class": "note"]) { note } }
        }
    }
}

/// A table of names and values.
func factsTable(_ caption: String, note: String? = nil, _ rows: [(name: String, value: Markup)]) -> Markup {
    element("div", ["class": "scroll", "tabindex": "0", "role": "region", "aria-label": caption]) {
        element("table", ["class": "facts"]) {
            tableCaption(caption, note)
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
}

/// A text of somebody else's, in its own direction, with its end on demand where it is long.
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

/// White space of any length as one space: what a line of a list shows.
func singleLine(_ text: String, _ limit: Int) -> String {
    // Looked at no further than needed: a passage may be very long.
    let start = text.prefix(limit * 2).split(whereSeparator: \.isWhitespace).joined(separator: " ")
    return start.count > limit ? start.prefix(limit - 1) + "…" : start
}
