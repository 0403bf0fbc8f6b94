import MafinMethod
import MafinRetrieval

extension ReportPage {
    var training: Section? {
        guard let curves = facts.trainingCurves?.filter({ !$0.loss.isEmpty || !$0.development.isEmpty }),
            !curves.isEmpty
        else { return nil }
        let metrics = Set(curves.map(\.metric)).sorted().joined(separator: ", ")
        let note = curves.contains { $0.keptStep != nil } ? "A dot: the state that was kept." : nil
        return Section(
            id: "training", title: "Training",
            content: element("div", ["class": "split"]) {
                if let plot = curvePlot(curves, \.loss, title: "Training loss", label: "nats, moving mean", .decimal) {
                    figure("Training loss", wide: 500, plot)
                }
                if let plot = curvePlot(curves, \.development, title: "\(metrics) on dev", label: metrics, .share) {
                    figure("\(metrics) on dev", note: note, wide: 500, plot)
                }
            })
    }

    private func curvePlot(
        _ curves: [TrainingCurve], _ points: (TrainingCurve) -> [TrainingCurve.Point], title: String, label: String,
        _ format: TickFormat
    ) -> Plot? {
        let shown = curves.filter { !points($0).isEmpty }
        guard !shown.isEmpty else { return nil }
        // One colour for each system. Its seeds share the colour, and only the first line has the name at its end.
        let systems = shown.reduce(into: [String]()) { if !$0.contains($1.system) { $0.append($1.system) } }
        var marks: [Plot.Mark] = []
        var named: Set<String> = []
        for curve in shown {
            let color = PlotColor.series(systems.firstIndex(of: curve.system) ?? 0)
            let values = points(curve).map { Plot.Point(Double($0.step), $0.value) }
            marks.append(
                .line(values, color, label: named.insert(curve.system).inserted ? self.title(of: curve.system) : nil))
            if format == .share, let kept = points(curve).last(where: { $0.step == curve.keptStep }) {
                let note = "\(self.title(of: curve.system)): \(mean(kept.value)) at step \(kept.step)"
                marks.append(.points([.init(Double(kept.step), kept.value, note: note)], color))
            }
        }
        let all = shown.flatMap(points)
        return Plot(
            title: title,
            summary: shown.compactMap { curve in
                guard let first = points(curve).first, let last = points(curve).last else { return nil }
                return "\(self.title(of: curve.system)) from \(mean(first.value)) to \(mean(last.value))"
            }.joined(separator: "; "),
            x: .init("updates", PlotScale(covering: all.map { Double($0.step) }, landmarks: [0], margin: 0), .count),
            y: .init(label, PlotScale(covering: all.map(\.value), margin: 0.08), format), marks: marks, aspect: 0.66)
    }

    var lambdaPlot: Plot? {
        guard let sweeps = facts.lambdaSweeps, let first = sweeps.first else { return nil }
        var marks: [Plot.Mark] = []
        for (index, sweep) in sweeps.enumerated() {
            let color: PlotColor = sweeps.count == 1 ? .accent : .series(index)
            let points = sweep.sweep.points.sorted { $0.lambda < $1.lambda }
            marks.append(
                .line(
                    points.map { .init(Double($0.lambda), $0.value) }, color,
                    label: sweeps.count > 1 ? title(of: sweep.system) : nil))
            if let chosen = sweep.chosen, let value = Self.value(at: chosen, in: points) {
                if sweeps.count == 1 { marks.insert(.verticalRule(chosen, label: "λ = \(mean(chosen))"), at: 0) }
                let note = "\(title(of: sweep.system)): λ = \(mean(chosen)), about \(mean(value))"
                marks.append(.points([.init(chosen, value, note: note)], color))
            }
        }
        return Plot(
            title: "\(first.sweep.metric) by λ",
            summary: sweeps.map {
                "\(title(of: $0.system)): best \(mean($0.sweep.best.value)) at λ = \(mean(Double($0.sweep.best.lambda)))"
            }.joined(separator: "; "),
            x: .init("λ, the local encoder’s share", PlotScale(0...1), .share),
            y: .init(
                first.sweep.metric, PlotScale(covering: sweeps.flatMap { $0.sweep.points.map(\.value) }, margin: 0.08),
                .share),
            marks: marks, aspect: 0.42)
    }

    var lambda: Section? {
        guard let plot = lambdaPlot, let sweeps = facts.lambdaSweeps, let first = sweeps.first else { return nil }
        let choices = sweeps.compactMap { sweep in
            sweep.chosen.map { "\(title(of: sweep.system)): λ = \(mean($0))\(sweep.choice.map { ", \($0)" } ?? "")" }
        }
        return Section(
            id: "lambda", title: "The local encoder’s share λ",
            content: lead(
                "At λ = 0 the ranking is the black box’s, at λ = 1 the local encoder’s."
                    + (choices.isEmpty ? "" : " Values in use: \(choices.joined(separator: "; ")).")
            )
                + figure("\(first.sweep.metric) by λ on \(first.split)", wide: 720, plot))
    }

    /// The value of a sweep at any λ, interpolated between its points.
    private static func value(at lambda: Double, in points: [LambdaSweep.Point]) -> Double? {
        guard let upper = points.firstIndex(where: { Double($0.lambda) >= lambda - 1e-6 }) else { return nil }
        let high = points[upper]
        guard upper > 0, Double(high.lambda) > lambda + 1e-6 else { return high.value }
        let low = points[upper - 1]
        let share = (lambda - Double(low.lambda)) / Double(high.lambda - low.lambda)
        return low.value + share * (high.value - low.value)
    }

    var learningPlot: Plot? {
        guard let curve = facts.learningCurve, let first = curve.measured.first, let last = curve.measured.last else {
            return nil
        }
        let foreseen = curve.foreseen ?? []
        let all = curve.measured + foreseen
        var marks: [Plot.Mark] = [.horizontalRule(0)]
        if !foreseen.isEmpty {
            let line = foreseen.map { Plot.Point(Double($0.queries), $0.gain) }
            marks.append(.band(foreseen.map { (Double($0.queries), $0.low, $0.high) }, .neutral))
            marks.append(.line(line, .neutral, label: "predicted", dashed: true))
        }
        let points = curve.measured.map {
            Plot.Point(
                Double($0.queries), $0.gain,
                note: "\($0.queries) queries: \(signed($0.gain)) (\(signed($0.low)) … \(signed($0.high)))")
        }
        marks.append(.whiskers(curve.measured.map { (Double($0.queries), $0.low, $0.high) }, .accent))
        marks.append(.line(points, .accent))
        marks.append(.points(points, .accent, label: foreseen.isEmpty ? nil : "measured"))
        return Plot(
            title: "Gain in \(curve.metric) by number of labelled queries",
            summary:
                "From \(signed(first.gain)) with \(first.queries) to \(signed(last.gain)) with \(last.queries) queries. "
                + (curve.expectation ?? ""),
            x: .init(
                "labelled queries",
                PlotScale(covering: all.map { Double($0.queries) }, .logarithmic, margin: 0.04), .count),
            y: .init(
                "gain over \(title(of: facts.baseline))",
                PlotScale(covering: all.flatMap { [$0.low, $0.high] } + [0]), .difference),
            marks: marks, aspect: 0.42)
    }

    var learningCurve: Section? {
        guard let plot = learningPlot, let curve = facts.learningCurve else { return nil }
        let foreseen = curve.foreseen ?? []
        return Section(
            id: "learning-curve", title: "Learning curve",
            content: (curve.expectation.map(lead) ?? .empty)
                + figure(
                    "Gain of \(title(of: curve.system)) in \(curve.metric) by number of labelled queries",
                    note:
                        "Whiskers: \(confidence) intervals over queries. Each size was measured with one subset of the labels and one seed; the variance of both is not included."
                        + (foreseen.isEmpty
                            ? ""
                            : " Band: what a fitted curve\(curve.model.map { " (\($0))" } ?? "") predicts, with its uncertainty."),
                    wide: 720, plot)
                + pageTable(
                    "The points of the learning curve",
                    columns: ["Labelled queries", "How", .number("Gain"), .number("Interval")],
                    rows: (curve.measured.map { ($0, "measured") } + foreseen.map { ($0, "predicted") }).map {
                        point, kind in
                        [
                            PageCell(Number.count(point.queries)), PageCell(kind),
                            PageCell(signed(point.gain), value: point.gain),
                            PageCell("\(signed(point.low)) … \(signed(point.high))", value: point.low),
                        ]
                    }, isCompact: true))
    }
}
