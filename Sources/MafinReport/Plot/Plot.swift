/// A plot with two axes. `svg(width:isNamed:)` draws it at any width.
///
/// ```swift
/// var plot = Plot(title: "Loss", x: .init("step", PlotScale(0...100), .count), y: .init("loss", PlotScale(0...4), .decimal))
/// plot.marks = [.line([.init(0, 4), .init(100, 1)], .accent, label: "mafin")]
/// let file = plot.svgFile(width: 640)
/// ```
public struct Plot: Sendable {
    /// A point in the plot, in the units of its axes.
    public struct Point: Sendable, Equatable {
        /// Along the horizontal axis.
        public var x: Double
        /// Along the vertical axis.
        public var y: Double
        /// The text that is shown when the pointer rests here; `nil` for none.
        public var note: String?

        /// A point.
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
        /// Maps values to positions.
        public var scale: PlotScale
        /// How values are written.
        public var format: TickFormat
        /// The values at the ticks; `nil` for round values, as many as fit.
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
        /// Columns side by side, from 0 or the edge of the plot to `y`, each over its own range of x.
        case columns([(from: Double, to: Double, y: Double)], PlotColor, label: String? = nil)
        /// The outline of such columns, to be drawn over others.
        case outline([(from: Double, to: Double, y: Double)], PlotColor, label: String? = nil)
        /// A horizontal line at this y.
        case horizontalRule(Double, label: String? = nil)
        /// A vertical line at this x.
        case verticalRule(Double, label: String? = nil)
        /// The line on which x and y are equal.
        case diagonal
    }

    /// What the plot shows, in a few words: its accessible name.
    public var title: String
    /// What can be seen in it, in a sentence or two, for readers who cannot see it.
    public var summary: String
    /// The horizontal axis.
    public var x: Axis
    /// The vertical axis.
    public var y: Axis
    /// What is drawn, from back to front.
    public var marks: [Mark]
    /// Height as a share of the width.
    public var aspect: Double

    /// A plot of these marks.
    public init(title: String, summary: String = "", x: Axis, y: Axis, marks: [Mark] = [], aspect: Double = 0.5) {
        self.title = title
        self.summary = summary
        self.x = x
        self.y = y
        self.marks = marks
        self.aspect = aspect
    }
}
