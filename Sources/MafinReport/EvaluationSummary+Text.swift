import MafinRetrieval

extension EvaluationSummary {
    /// The summary as text for a terminal. The five standard metrics fit 80 columns.
    public func text() -> String {
        var parts = [heading + "\n", means().text()]
        if let differences = differences() { parts += [legend + "\n", differences.text()] }
        return parts.joined(separator: "\n").safeForTerminal
    }

    /// The summary as Markdown, for a README or an issue: the same facts, with each cell's difference, interval and p.
    public func markdown() -> String {
        let table = Table(
            columns: ["system"] + metrics.map { .number($0.description) },
            rows: report.systems.map { system in
                ["`\(system.name)`"] + metrics.map { markdown(system.metrics[$0], system.difference?[$0]) }
            })
        return heading + "\n\n" + table.markdown() + (comparisons > 0 ? "\n" + legendOfMarkdown + "\n" : "")
    }

    /// A cell: the mean, bold if it is better; below it the difference with its interval and p.
    func markdown(_ mean: Double?, _ difference: MetricDifference?) -> String {
        let mean = Number.mean(mean)
        guard let difference else { return mean }
        let finding = finding(difference)
        let bold = finding == .better ? "**" : ""
        return "\(bold)\(mean)\(bold)\(finding.mark)\n\(Number.signed(difference.mean)) "
            + "[\(Number.signed(difference.low)), \(Number.signed(difference.high))]\n"
            + "p \(Number.probability(difference.pHolm))"
    }

    private var heading: String {
        var words = "\(report.split) split, \(report.queries) queries"
        if comparisons > 0 { words += "; differences are to \(report.baseline)" }
        if report.queriesWithoutRelevantDocument > 0 {
            words += "; \(report.queriesWithoutRelevantDocument) queries without a relevant document are left out"
        }
        return words
    }

    /// Two lines for each system: the means, and below each mean the interval of its difference.
    private func means() -> Table {
        var table = Table(columns: ["system"] + metrics.map { .number($0.description) })
        for system in report.systems {
            let differences = metrics.map { system.difference?[$0] }
            table.append(
                [system.name]
                    + zip(metrics, differences).map { metric, difference in
                        let mark = difference.map { finding($0).mark } ?? ""
                        return Number.mean(system.metrics[metric]) + (mark.isEmpty ? "  " : mark)
                    })
            if differences.contains(where: { $0 != nil }) {
                table.append([""] + differences.map { $0.map { Number.interval($0.low, $0.high) } ?? "" })
            }
        }
        return table
    }

    /// The differences in the first metric, in figures and in words.
    private func differences() -> Table? {
        guard let metric = metrics.first, comparisons > 0 else { return nil }
        return Table(
            columns: [
                .init(metric.description), .number("difference"), .number("95 % interval"), .number("p"),
                .number("p (Holm)"), "in words",
            ],
            rows: report.systems.compactMap { system in
                system.difference?[metric].map {
                    [
                        system.name, Number.signed($0.mean), Number.interval($0.low, $0.high),
                        Number.probability($0.p), Number.probability($0.pHolm), finding($0).rawValue,
                    ]
                }
            })
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
}
