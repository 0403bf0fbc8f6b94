import MafinReport

/// Figures as a function of size, and their chart.
struct GrowthChart: Encodable {
    struct Line: Encodable {
        var label: String
        /// Sizes and figures.
        var points: [[Double]]
        /// Whether it is a limit of the machine and not a measurement of mafin.
        var isBound = false
    }

    var title: String
    var x: String
    var y: String
    var lines: [Line]

    var svg: String {
        let sizes = Set(lines.flatMap { $0.points.map { $0[0] } }).sorted()
        let values = lines.flatMap { $0.points.map { $0[1] } }
        // Lines are named at their ends. Beyond eight sizes not every label fits under the axis.
        let ticks = sizes.count > 8 ? sizes.enumerated().filter { $0.offset % 2 == 0 }.map(\.element) : sizes
        return Plot(
            title: title, summary: "",
            x: Plot.Axis(x, PlotScale(covering: sizes, .logarithmic), .count, ticks: ticks),
            y: Plot.Axis(y, PlotScale(covering: values, .logarithmic), .decimal),
            marks: lines.enumerated().map { index, line in
                .line(
                    line.points.map { Plot.Point($0[0], $0[1]) }, line.isBound ? .neutral : .series(index),
                    label: line.label, dashed: line.isBound)
            }
        ).svgFile()
    }
}
