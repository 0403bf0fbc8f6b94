import Foundation
import MafinNumerics
import Testing

@testable import MafinReport

@Suite struct PlotTests {
    /// Round values as d3-array's `ticks` gives them.
    @Test(arguments: [
        (0.0...1.0, 10, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]), (0...1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0...1, 2, [0, 0.5, 1]), (0...10, 4, [0, 2, 4, 6, 8, 10]), (0...10, 3, [0, 5, 10]),
        (-10...10, 7, [-10, -8, -6, -4, -2, 0, 2, 4, 6, 8, 10]), (-10...10, 6, [-10, -5, 0, 5, 10]),
        (0...2.2, 3, [0, 1, 2]),
        (0.98...1.14, 10, [0.98, 1, 1.02, 1.04, 1.06, 1.08, 1.1, 1.12, 1.14]), (2...2, 5, [2]),
    ])
    func ticks(_ domain: ClosedRange<Double>, _ count: Int, _ expected: [Double]) {
        let ticks = NiceTicks.ticks(in: domain, count: count)
        #expect(ticks == expected)
        #expect(ticks.allSatisfy { $0.sign == .plus || $0 < 0 }, "a negative zero")
    }

    @Test(arguments: [1e-9, 3e-5, 0.07, 1.0, 42.0, 9.99e8])
    func ticksStayInsideAndEvenAtAnyScale(_ scale: Double) {
        for (low, high) in [(-0.37, 1.21), (0.3, 0.42), (-5.0, -4.9), (0, 1)] {
            for count in 2...9 {
                let ticks = NiceTicks.ticks(in: low * scale...high * scale, count: count)
                let span = (high - low) * scale
                #expect(ticks.allSatisfy { $0 >= low * scale - 1e-9 * span && $0 <= high * scale + 1e-9 * span })
                // Between half and twice as many as requested, and one more for the end.
                #expect(ticks.count >= count / 2 && ticks.count <= 2 * count + 1)
                let steps = zip(ticks, ticks.dropFirst()).map { $1 - $0 }
                #expect(steps.allSatisfy { abs($0 - steps[0]) < 1e-6 * steps[0] })
            }
        }
    }

    @Test func logarithmicTicks() {
        #expect(NiceTicks.logarithmicTicks(in: 50...5000, count: 8) == [50, 100, 200, 500, 1000, 2000, 5000])
        #expect(NiceTicks.logarithmicTicks(in: 50...5000, count: 4) == [100, 1000])
        #expect(NiceTicks.logarithmicTicks(in: 0.001...1, count: 4) == [0.001, 0.01, 0.1, 1])
        #expect(NiceTicks.logarithmicTicks(in: 3...4, count: 4).isEmpty)
    }

    @Test func scalesMapValuesToPlaces() {
        let linear = PlotScale(-1...3)
        #expect([-1, 1, 3].map(linear.fraction) == [0, 0.5, 1])
        let logarithmic = PlotScale(10...1000, .logarithmic)
        #expect(abs(logarithmic.fraction(100) - 0.5) < 1e-12)
        // A single value is in the middle.
        #expect(PlotScale(0.4...0.4).fraction(0.4) == 0.5)
        #expect(abs(PlotScale(7...7, .logarithmic).fraction(7) - 0.5) < 1e-12)
        #expect(PlotScale(0...0).fraction(0) == 0.5)
    }

    @Test func scalesCoverTheirValues() {
        let scale = PlotScale(covering: [2, 4, .nan, .infinity], margin: 0.25)
        #expect(scale.domain == 1.5...4.5)
        #expect(PlotScale(covering: [2, 4], landmarks: [0], margin: 0).domain == 0...4)
        // The margin below the smallest value does not go below a reference value.
        #expect(PlotScale(covering: [1, 101], landmarks: [0], margin: 0.1).domain == 0...111)
        #expect(PlotScale(covering: []).domain == 0...1)
        #expect(PlotScale(covering: [0, 10, 1000], .logarithmic, margin: 0).domain == 10...1000)
    }

    @Test func tickTexts() {
        #expect(TickFormat.share.texts([0, 0.25, 0.5, 1]) == ["0", ".25", ".50", "1"])
        #expect(TickFormat.difference.texts([-0.02, 0, 0.02]) == ["−.02", "0", "+.02"])
        #expect(TickFormat.count.texts([0, 1000, 1_234_567]) == ["0", "1,000", "1,234,567"])
        #expect(TickFormat.decimal.texts([-1, 0.5]) == ["−1.0", "0.5"])
        #expect(TickFormat.duration.texts([0, 30, 60]) == ["0", "30 s", "60 s"])
        #expect(TickFormat.duration.texts([0, 300, 600]) == ["0", "5 min", "10 min"])
        #expect(TickFormat.duration.texts([0, 5400, 7200]) == ["0", "1.5 h", "2 h"])
    }

    @Test func labelsHaveAMinimumDistance() {
        var generator = RandomGenerator(seed: 1)
        for count in 1...12 {
            let wanted = (0..<count).map { _ in Double.random(in: -20...220, using: &generator) }
            let places = LabelPlacement.spread(wanted, gap: 12, in: 0...200)
            let sorted = zip(wanted, places).sorted { $0.0 < $1.0 }.map(\.1)
            for (a, b) in zip(sorted, sorted.dropFirst()) { #expect(b - a >= 12 - 1e-9, "\(wanted)") }
            #expect(places.allSatisfy { $0 >= -1e-9 && $0 <= 200 + 1e-9 })
        }
        // Labels that do not overlap stay in place; labels that overlap move up and down by equal amounts.
        #expect(LabelPlacement.spread([10, 150, 60], gap: 12, in: 0...200) == [10, 150, 60])
        #expect(LabelPlacement.spread([100, 100, 100], gap: 10, in: 0...200) == [90, 100, 110])
        // More labels than the range has room for: evenly spaced.
        #expect(LabelPlacement.spread([5, 5, 5, 5, 5], gap: 100, in: 0...200) == [0, 50, 100, 150, 200])
        #expect(LabelPlacement.spread([], gap: 1, in: 0...1).isEmpty)
    }

    @Test(arguments: [
        (0.0, "0"), (12, "12"), (-0.5, "-0.5"), (3.14159, "3.14"), (0.05, "0.05"), (-0.001, "0"), (99.999, "100"),
        (.nan, "0"),
    ])
    func coordinates(_ value: Double, _ text: String) {
        #expect(coordinate(value) == text)
    }

    @Test func textsAreMeasured() {
        // Pillow measures 222.3 and 334 in Liberation Sans at 100 px.
        #expect(abs(TextMetrics.width("1234", fontSize: 100) - 222.4) < 0.5)
        #expect(TextMetrics.width("日本", fontSize: 10) == 20)
        #expect(TextMetrics.width("", fontSize: 10) == 0)
        let fitted = TextMetrics.fitted("a rather long label", into: 50, fontSize: 12)
        #expect(fitted.hasSuffix("…") && TextMetrics.width(fitted, fontSize: 12) <= 50)
        #expect(TextMetrics.fitted("short", into: 50, fontSize: 12) == "short")
        #expect(TextMetrics.fitted("any", into: 2, fontSize: 12) == "")
    }

    private func plot() -> Plot {
        Plot(
            title: "A <plot>", summary: "Two lines & a band", x: .init("x", PlotScale(0...10), .count),
            y: .init("y", PlotScale(-1...1), .difference),
            marks: [
                .band([(0, -1, 0), (10, 0, 1)], .neutral),
                .line([.init(0, -1), .init(10, 1)], .accent, label: "first"),
                .line([.init(0, 0), .init(10, 0.95)], .loss, label: "second", dashed: true),
                .points([.init(5, 0, note: "<middle>")], .series(9)), .columns([(0, 1, 0.5), (1, 2, -0.5)], .gain),
                .outline([(0, 1, 0.5)], .loss), .horizontalRule(0, label: "zero"), .verticalRule(9, label: "nine"),
                .whiskers([(2, -0.5, 0.5)], .local), .diagonal,
            ])
    }

    @Test(arguments: [320.0, 640, 1048])
    func everythingLiesInsideTheDrawing(_ width: Double) throws {
        let root = try PageTree(plot().svgFile(width: width)).root.children[0]
        #expect(root.name == "svg" && root.attributes["viewBox"] == "0 0 \(Int(width)) \(Int(width / 2))")
        var numbers = 0
        for node in root.descendants {
            for (name, limit) in [
                ("x", width), ("x1", width), ("x2", width), ("cx", width), ("y", width / 2), ("y1", width / 2),
                ("y2", width / 2), ("cy", width / 2),
            ] {
                guard let text = node.attributes[name] else { continue }
                let value = try #require(Double(text))
                #expect(value >= 0 && value <= limit, "\(node.name) \(name)=\(text)")
                numbers += 1
            }
        }
        #expect(numbers > 50)
        // Labels at the ends of lines stay inside the drawing.
        for label in root.all("text").filter({ ["first", "second"].contains($0.text) }) {
            let x = try #require(Double(label.attributes["x"] ?? ""))
            #expect(x + TextMetrics.width(label.text, fontSize: 12) <= width)
        }
    }

    @Test func valuesStandWhereTheAxesSay() throws {
        let plot = plot()
        let frame = PlotFrame(plot, width: 640, yTickTexts: ["−1.0", "+1.0"], endLabels: ["first", "second"])
        #expect(frame.x(0) == frame.left && frame.x(10) == frame.right)
        #expect(frame.y(-1) == frame.bottom && frame.y(1) == frame.top)
        #expect(frame.baseline == frame.y(0))
        let root = try PageTree(plot.svgFile(width: 640)).root
        let line = try #require(root.all("path").first { $0.classes.isSuperset(of: ["line", "accent"]) })
        #expect(line.attributes["d"]?.hasPrefix("M\(coordinate(frame.x(0))) \(coordinate(frame.y(-1)))L") == true)
        // The names of two lines that end close together do not overlap.
        let names = root.all("text").filter { ["first", "second"].contains($0.text) }
            .compactMap { Double($0.attributes["y"] ?? "") }
        #expect(names.count == 2 && abs(names[0] - names[1]) >= PlotFrame.lineHeight - 0.01)
    }

    @Test func manyPointsAreOnePath() throws {
        var plot = plot()
        plot.marks = [.points((0..<1500).map { .init(Double($0 % 10), 0.001 * Double($0 % 900)) }, .accent)]
        let root = try PageTree(plot.svgFile()).root
        #expect(root.all("circle").isEmpty)
        #expect(root.all("path").count == 1)
    }

    @Test func intervalsAndBalances() throws {
        let intervals = IntervalPlot(
            title: "t", summary: "s", label: "difference",
            rows: [
                .init(label: "better", value: 0.05, low: 0.02, high: 0.08, text: "+.050", color: .gain, isStrong: true),
                .init(label: "worse", value: -0.03, low: -0.06, high: 0, text: "−.030", color: .loss),
            ], indifference: -0.02...0.02)
        for width in [358.0, 1048] {
            let root = try PageTree(intervals.svg(width: width, isNamed: false).source).root
            let dots = root.all("circle").compactMap { Double($0.attributes["cx"] ?? "") }
            let zero = try #require(
                root.all("line").first { $0.classes == ["rule"] }.flatMap { Double($0.attributes["x1"] ?? "") })
            #expect(dots.count == 2 && dots[0] > zero && dots[1] < zero)
            #expect(dots.allSatisfy { $0 > 0 && $0 < width })
        }
        let balance = BalancePlot(
            title: "t", summary: "s",
            rows: [.init(label: "a", losses: 10, ties: 5, wins: 30), .init(label: "b", losses: 0, ties: 45, wins: 0)])
        let root = try PageTree(balance.svg(width: 700, isNamed: false).source).root
        let widths = root.all("rect").compactMap { Double($0.attributes["width"] ?? "") }
        // The length of a bar is proportional to its count, except for the narrow gap at the line.
        #expect(widths.count == 4 && abs((widths[1] + 1) / (widths[0] + 1) - 3) < 0.01 && widths[2] == 0)
    }
}
