import MafinComparison
import MafinPipeline
import MafinRetrieval

extension ReportPage {
    /// The metric by the share of queries that the black box is asked for.
    var askingPlot: Plot? {
        guard let curve = facts.offline?.curve, let first = curve.points.first, let last = curve.points.last else {
            return nil
        }
        let measured = curve.points.map { point in
            Plot.Point(
                point.asked, point.metric,
                note: "\(Number.percent(point.asked)) asked: \(mean(point.metric))")
        }
        let development = curve.points.map { Plot.Point($0.development.asked, $0.development.metric) }
        var marks: [Plot.Mark] = [
            .line(development, .neutral, label: "dev", dashed: true), .line(measured, .accent, label: facts.split),
        ]
        if let point = curve.recommended {
            marks.append(
                .points(
                    [
                        .init(
                            point.asked, point.metric,
                            note:
                                "threshold \(Number.threshold(point.development.threshold)): \(Number.percent(point.asked)) asked, \(mean(point.metric))"
                        )
                    ], .accent))
        }
        return Plot(
            title: "\(curve.metric) by the share of queries that are asked",
            summary: "From \(mean(first.metric)) if none is asked to \(mean(last.metric)) if all are.",
            x: .init("share of queries asked", PlotScale(0...1), .share),
            y: .init(
                curve.metric.description, PlotScale(covering: (measured + development).map(\.y), margin: 0.08), .share),
            marks: marks, aspect: 0.42)
    }

    /// What is lost and saved if the black box is asked for nothing, or for some queries.
    var offline: Section? {
        guard let offline = facts.offline else { return nil }
        return Section(
            id: "offline", title: "Without asking the API",
            content: lead(offline.reason) + (askingPlot.map { asking($0, offline) } ?? .empty))
    }

    private func asking(_ plot: Plot, _ offline: OfflineFacts) -> Markup {
        figure(
            askingCaption(offline.curve),
            note:
                "Queries are asked in the order of how sure the ranking without the API is of its first document, the least sure first. "
                + "A dot: the threshold with the fewest questions at which dev loses at most \(mean(AskingCurve.tolerance)).",
            wide: 720, plot)
            + pageTable(
                "The points of the curve",
                columns: [
                    .number("Threshold"), .number("Asked, dev"), .number("\(facts.metric), dev"),
                    .number("Asked, \(facts.split)"), .number("\(facts.metric), \(facts.split)"),
                ],
                rows: askingRows.map { row in row.map { PageCell($0) } }, isCompact: true)
    }

    func askingCaption(_ curve: AskingCurve?) -> String {
        guard let curve else { return "" }
        return "\(title(of: curve.system)) with questions ranked by \(title(of: curve.askingSystem))"
    }

    /// The points of the curve as a table: threshold, share and metric on dev, share and metric on the measured split.
    var askingRows: [[String]] {
        (facts.offline?.curve?.points ?? []).map { point in
            [
                Number.threshold(point.development.threshold), Number.percent(point.development.asked),
                mean(point.development.metric), Number.percent(point.asked), mean(point.metric),
            ]
        }
    }
}
