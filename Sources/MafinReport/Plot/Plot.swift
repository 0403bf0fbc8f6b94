/// A plot with two axes. ``svg(width:isNamed:)`` draws it at any width.
///
/// ```swift
/// var plot = Plot(title: "Loss", x: .init("step", PlotScale(0...100), .count), y: .init("loss", PlotScale(0...4), .decimal))
/// plot.marks = [.line([.init(0, 4), .init(100, 1)], .accent, label: "mafin")]
/// let file = plot.svgFile(width: 640)
/// ```
public struct Plot: Sendable {
    /// A place in the plot, in the units of its axes.
    public struct Point: Sendable, Equatable {
        /// Along the horizontal axis.
        public var x: Double
        /// Along the vertical axis.
        public var y: Double
        /// What a pointer that rests here is told; `nil`: nothing.
        public var note: String?

        /// A place.
        public init(_ x: Double, _ y: Double, note: String? = nil) {
            self.x = x
            self.y = y
            self.note = note
        }
    }

    /// One axis.
    public struct Axis: Sendable {
        /// What is measured, with its unit.
        public var label: String
        /// Where values stand.
        public var scale: PlotScale
        /// How values are written.
        public var format: TickFormat
        /// The values to write; `nil`: round ones, as many as fit.
        public var ticks: [Double]?

        /// An axis.
        public init(_ label: String, _ scale: PlotScale, _ format: TickFormat, ticks: [Double]? = nil) {
            self.label = label
            self.scale = scale
            self.format = format
            self.ticks = ticks
        }
    }

    /// Something drawn. Later marks cover earlier ones.
    public enum Mark: Sendable {
        /// A line through points, its label at its end.
        case line([Point], PlotColor, label: String? = nil, dashed: Bool = false)
        /// The area between two values at each x: an interval along a line.
        case band([(x: Double, low: Double, high: Double)], PlotColor)
        /// Dots; many of them are drawn smaller.
        case points([Point], PlotColor, label: String? = nil)
        /// Whiskers from `low` to `high` at `x`.
        case whiskers([(x: Double, low: Double, high: Double)], PlotColor)
        /// Columns that stand side by side, from 0 or the edge of the plot to `y`, each over its own range of x.
        case columns([(from: Double, to: Double, y: Double)], PlotColor, label: String? = nil)
        /// The outline of such columns, to lie over others.
        case outline([(from: Double, to: Double, y: Double)], PlotColor, label: String? = nil)
        /// A line across the plot at this y.
        case horizontalRule(Double, label: String? = nil)
        /// A line up the plot at this x.
        case verticalRule(Double, label: String? = nil)
        /// The line on which x and y are equal.
        case diagonal
    }

    /// What the plot shows, in a few words: its accessible name.
    public var title: String
    /// What is to be seen in it, in a sentence or two, for who cannot see it.
    public var summary: String
    /// The horizontal axis.
    public var x: Axis
    /// The vertical axis.
    public var y: Axis
    /// What is drawn, from back to front.
    public var marks: [Mark]
    /// Height as a share of the width.
    public var aspect: Double

    /// An empty plot, or one of these marks.
    public init(title: String, summary: String = "", x: Axis, y: Axis, marks: [Mark] = [], aspect: Double = 0.5) {
        self.title = title
        self.summary = summary
        self.x = x
        self.y = y
        self.marks = marks
        self.aspect = aspect
    }
}
