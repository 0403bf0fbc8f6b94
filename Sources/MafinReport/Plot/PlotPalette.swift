/// A colour of a plot, by its meaning. `PlotTheme` has its values for light and dark mode.
public enum PlotColor: Sendable, Hashable {
    /// The main thing that is shown.
    case accent
    /// The black box.
    case blackBox
    /// The local encoder. It has the accent colour, because it is what mafin adds.
    case local
    /// A value that is better than the one that it is compared with.
    case gain
    /// A worse value.
    case loss
    /// A value that is neither.
    case neutral
    /// One of several equal series, from 0; after the last colour the palette starts again.
    case series(Int)

    /// Name of the CSS class, and of the custom property that holds the colour.
    var name: String {
        switch self {
        case .accent, .local, .gain: "accent"
        case .blackBox: "black-box"
        case .loss: "loss"
        case .neutral: "neutral"
        case .series(let index): "series-\(index % PlotTheme.seriesCount)"
        }
    }
}

/// The colours of plots and pages for light or for dark mode, as `#rrggbb`.
///
/// Texts reach a contrast of 4.5 and marks one of 3 (WCAG 2.2, 1.4.3 and 1.4.11). The important differences are in blue and vermilion, which
/// people with every kind of colour vision can tell apart.
struct PlotPalette: Sendable, Equatable {
    var page: String
    /// The ground of blocks of code and of highlighted rows.
    var panel: String
    var ink: String
    /// Less important text.
    var muted: String
    /// Rules between rows, and axes.
    var hairline: String
    var grid: String
    /// ``PlotColor/accent``, ``PlotColor/local`` and ``PlotColor/gain``.
    var accent: String
    var blackBox: String
    var loss: String
    var neutral: String
    var series: [String]

    var properties: [(name: String, color: String)] {
        [
            ("page", page), ("panel", panel), ("ink", ink), ("muted", muted), ("hairline", hairline), ("grid", grid),
            ("accent", accent), ("black-box", blackBox), ("loss", loss), ("neutral", neutral),
        ] + series.enumerated().map { ("series-\($0)", $1) }
    }

    /// `--page:#ffffff;--ink:…`, for a rule of CSS.
    var declarations: String { properties.map { "--\($0.name):\($0.color)" }.joined(separator: ";") }
}

enum PlotTheme {
    static let light = PlotPalette(
        page: "#ffffff", panel: "#f4f6f8", ink: "#15191e", muted: "#565e68", hairline: "#d8dde3", grid: "#e8ebef",
        accent: "#1459b8", blackBox: "#7b8592", loss: "#b4460c", neutral: "#7b8592",
        series: ["#1459b8", "#b4460c", "#00756b", "#7c3fa3", "#826000", "#b3246c", "#3c6e1f", "#5b6470"])
    static let dark = PlotPalette(
        page: "#0f1216", panel: "#191d23", ink: "#e8ebef", muted: "#a4adb8", hairline: "#2f363e", grid: "#232930",
        accent: "#7cb3f7", blackBox: "#7f8a97", loss: "#f0a06a", neutral: "#7f8a97",
        series: ["#7cb3f7", "#f0a06a", "#4cc7b7", "#cba2ec", "#d9b94f", "#f291c1", "#9ccb6f", "#aab4bf"])

    static let seriesCount = light.series.count

    /// The custom properties of both modes. The reader's system decides between them; paper is always light.
    static var properties: String {
        """
        :root{color-scheme:light dark;\(light.declarations)}
        @media screen and (prefers-color-scheme:dark){:root{\(dark.declarations)}}
        """
    }

    /// How the parts of a plot are drawn, by the classes that ``Plot`` gives them.
    static var plotRules: String {
        let names = ["accent", "black-box", "loss", "neutral"] + (0..<seriesCount).map { "series-\($0)" }
        return """
            svg.plot{display:block;overflow:visible;font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
            svg.plot text{fill:var(--muted)}
            svg.plot .strong{fill:var(--ink)}
            svg.plot .heavy{font-weight:600}
            svg.plot .grid{stroke:var(--grid)}
            svg.plot .axis{stroke:var(--hairline)}
            svg.plot .rule{stroke:var(--muted);stroke-width:1}
            svg.plot .dashed{stroke-dasharray:4 4}
            svg.plot .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
            svg.plot .thin{stroke-width:1.5}
            svg.plot .dots{stroke-width:5}
            svg.plot .dot{stroke:var(--page);stroke-width:1}
            svg.plot .faint{fill-opacity:.16;stroke:none}
            svg.plot .veil{fill:var(--grid);fill-opacity:.6}
            svg.plot .s{stroke:var(--c)}
            svg.plot .f,svg.plot text.f{fill:var(--c)}
            \(names.map { "svg.plot .\($0){--c:var(--\($0))}" }.joined(separator: "\n"))
            """
    }
}
