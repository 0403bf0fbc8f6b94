import MafinRetrieval

extension EvaluationSummary {
    /// For a terminal. The standard five metrics fit 80 columns.
    public func text() -> String {
        var parts = [heading + "\n", means().text()]
        if let differences = differences() { parts += [legend + "\n", differences.text()] }
        return parts.joined(separator: "\n").safeForTerminal
    }

    /// For a README or an issue: the same facts, with each cell's difference, interval and p.
    public func markdown() -> String {
        var table = Table(columns: [.init("system")] + metrics.map { .init($0.description, .right) })
        for system in report.systems {
            table.append(
                ["`\(system.name)`"]
                    + metrics.map { metric in
                        let mean = Number.mean(system.metrics[metric])
                        guard let difference = system.difference?[metric] else { return mean }
                        let bold = finding(difference) == .better ? "**" : ""
                        return "\(bold)\(mean)\(bold)\(mark(difference))\n\(Number.signed(difference.mean)) "
                            + "[\(Number.signed(difference.low)), \(Number.signed(difference.high))]\n"
                            + "p \(Number.probability(difference.pHolm))"
                    })
        }
        return heading + "\n\n" + table.markdown() + (comparisons > 0 ? "\n" + legendOfMarkdown + "\n" : "")
    }

    private var heading: String {
        var words = "\(report.split) split, \(report.queries) queries"
        if comparisons > 0 { words += "; differences are to \(report.baseline)" }
        if report.queriesWithoutRelevantDocument > 0 {
            words += "; \(report.queriesWithoutRelevantDocument) queries without a relevant document are left out"
        }
        return words
    }

    /// Two lines a system: the means, and below each the interval of its difference.
    private func means() -> Table {
        var table = Table(columns: [.init("system")] + metrics.map { .init($0.description, .right) })
        for system in report.systems {
            let differences = metrics.map { system.difference?[$0] }
            table.append(
                [system.name]
                    + zip(metrics, differences).map { metric, difference in
                        Number.mean(system.metrics[metric]) + (difference.map(mark) ?? "").padded(to: 2)
                    })
            if differences.contains(where: { $0 != nil }) {
                table.append([""] + differences.map { $0.map(Self.interval) ?? "" })
            }
        }
        return table
    }

    /// The first metric in full, and in words.
    private func differences() -> Table? {
        guard let metric = metrics.first, comparisons > 0 else { return nil }
        var table = Table(columns: [
            .init(metric.description), .init("difference", .right), .init("95 % interval", .right), .init("p", .right),
            .init("p (Holm)", .right), .init("in words"),
        ])
        for system in report.systems {
            guard let difference = system.difference?[metric] else { continue }
            table.append([
                system.name, Number.signed(difference.mean), Self.interval(difference),
                Number.probability(difference.p),
                Number.probability(difference.pHolm), words(difference),
            ])
        }
        return table
    }

    private func words(_ difference: MetricDifference) -> String {
        switch finding(difference) {
        case .better: "better"
        case .worse: "worse"
        case .same: "the same"
        case .notShown: "no difference shown"
        }
    }

    private func mark(_ difference: MetricDifference) -> String {
        switch finding(difference) {
        case .better: " ▲"
        case .worse: " ▼"
        case .same, .notShown: ""
        }
    }

    private var legend: String {
        """
        ▲ better, ▼ worse than \(report.baseline) (paired randomization test,
        p < \(Number.level(significanceLevel)) after Holm's correction for \(comparisons) systems).
        Below each mean: 95 % paired-bootstrap interval of the difference, uncorrected.
        """ + (seedNote.map { "\n" + $0 } ?? "")
    }

    private var legendOfMarkdown: String {
        "▲ better, ▼ worse than `\(report.baseline)`: paired randomization test, p < \(Number.level(significanceLevel)) after Holm's "
            + "correction for \(comparisons) systems, the p shown. In brackets: 95 % paired-bootstrap interval of the difference, not corrected."
    }

    private static func interval(_ difference: MetricDifference) -> String {
        "\(Number.signed(difference.low))…\(Number.signed(difference.high))"
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - displayWidth))
    }
}
