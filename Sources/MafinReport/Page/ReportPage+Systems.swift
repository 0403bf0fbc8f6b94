import MafinRetrieval

extension ReportPage {
    /// Every system with its figures, and a plot of the differences.
    var systems: Section? {
        guard !facts.systems.isEmpty else { return nil }
        return Section(
            id: "systems", title: "All systems",
            content: Markup.joined([lead(testing), systemTable, differences].compactMap(\.self)))
    }

    var testing: String {
        var text = "Differences are to the baseline, \(title(of: facts.baseline)), on the same queries."
        if let statistics = facts.statistics {
            text +=
                " Each interval is a \(confidence) paired bootstrap interval of that one difference (\(Number.count(statistics.resamples)) resamples), "
                + "not corrected for the number of systems. p is that of a paired randomization test "
                + "(\(Number.count(statistics.permutations)) sign assignments), corrected by Holm’s method for \(statistics.comparisons) "
                + "\(statistics.comparisons == 1 ? "system" : "systems"); ▲ better and ▼ worse mark a corrected p below "
                + "\(Number.level(statistics.significanceLevel))."
            if let note = facts.seedNote { text += " \(note)" }
            if facts.verdict?.againstBlackBox != nil {
                text += " The verdict has its own test, which this table does not change."
            }
            if facts.offline != nil {
                text +=
                    " The stand-in and the systems without the API ask it for no query; their p and intervals are to the same baseline, which does."
            }
            if let detectable = statistics.detectable {
                text +=
                    " Before training, the smallest gain that these queries would show with a probability of "
                    + "\(Number.percent(detectable.power)) in one test was \(signed(detectable.difference)) \(detectable.metric)."
            }
        }
        return text
    }

    private var systemTable: Markup {
        let metrics = facts.metrics
        let hasDifference = facts.systems.contains { $0.difference?[facts.metric] != nil }
        let hasSeeds = facts.systems.contains { $0.seeds?[facts.metric] != nil }
        let hasSeconds = facts.systems.contains { $0.seconds != nil }
        var columns: [Table.Column] = ["System"]
        for metric in metrics {
            columns.append(.number(metric.description))
            if metric == facts.metric {
                if hasDifference { columns += [.number("Difference"), .number("p (Holm)")] }
                if hasSeeds { columns.append(.number("Over seeds")) }
            }
        }
        if hasSeconds { columns.append(.number("Time")) }
        let best = Dictionary(
            uniqueKeysWithValues: metrics.map { metric in
                (metric, facts.systems.compactMap { $0.metrics[metric] }.max() ?? 0)
            })
        return pageTable(
            "All systems on the \(facts.split) split",
            note: "The best value of each metric is bold."
                + (hasSeeds ? " Over seeds: mean and standard deviation." : ""),
            columns: columns,
            rows: facts.systems.map { system in
                var cells = [PageCell(name(of: system))]
                for metric in metrics {
                    cells.append(value(of: system, metric, isBest: system.metrics[metric] == best[metric]))
                    guard metric == facts.metric else { continue }
                    if hasDifference { cells += difference(of: system) }
                    if hasSeeds { cells.append(seeds(of: system)) }
                }
                if hasSeconds {
                    cells.append(system.seconds.map { PageCell(Number.duration(seconds: $0), value: $0) } ?? .absent)
                }
                return cells
            }, chosen: facts.systems.firstIndex { $0.name == facts.verdict?.system }, isSortable: true)
    }

    private func name(of system: SystemFacts) -> Markup {
        element("span", ["class": "name"]) { system.displayName }
            + small(
                system.name == facts.baseline
                    ? "baseline" + (system.summary.map { ": \($0)" } ?? "") : system.summary ?? "")
    }

    private func value(of system: SystemFacts, _ metric: Metric, isBest: Bool) -> PageCell {
        guard let value = system.metrics[metric] else { return .absent }
        let difference = system.difference?[metric]
        let finding = difference.map(finding)
        return PageCell(
            element("span", ["class": isBest ? "best" : nil]) { mean(value) }
                + mark(finding)
                // The deciding metric has its own columns for differences.
                + (metric == facts.metric ? .empty : difference.map { small(signed($0.mean)) } ?? .empty),
            value: value)
    }

    /// The mark of a finding. Without one its room stays empty, so that figures stay aligned.
    private func mark(_ finding: EvaluationSummary.Finding?) -> Markup {
        guard let finding, !finding.mark.isEmpty else {
            return element("span", ["class": "space", "aria-hidden": "true"]) { " ▲" }
        }
        return element("span", ["class": finding == .better ? "up" : "down", "aria-hidden": "true"]) { finding.mark }
            + element("span", ["class": "hidden"]) { " \(finding.rawValue)" }
    }

    private func difference(of system: SystemFacts) -> [PageCell] {
        guard let difference = system.difference?[facts.metric] else { return [.absent, .absent] }
        return [
            PageCell(signed(difference.mean), interval(difference), value: difference.mean),
            PageCell(
                Number.probability(difference.pHolm), "p \(Number.probability(difference.p))", value: difference.pHolm),
        ]
    }

    private func seeds(of system: SystemFacts) -> PageCell {
        guard let spread = system.seeds?[facts.metric] else { return .absent }
        return PageCell(spread.text, spread.values.map { mean($0) }.joined(separator: " "), value: spread.mean)
    }

    var differencePlot: IntervalPlot? {
        let rows = facts.systems.compactMap { system in
            system.difference?[facts.metric].map {
                row(system.name, $0, text: " (\(interval($0)))", isStrong: system.name == facts.verdict?.system)
            }
        }
        guard !rows.isEmpty else { return nil }
        return IntervalPlot(
            title: "Difference of each system to \(title(of: facts.baseline)) in \(facts.metric)",
            summary: rows.map { "\($0.label) \($0.text)" }.joined(separator: "; "),
            label: "difference in \(facts.metric)", rows: rows, indifference: detectable.map { -$0...$0 })
    }

    private func row(
        _ system: String, _ difference: MetricDifference, text: String, isStrong: Bool = false
    ) -> IntervalPlot.Row {
        IntervalPlot.Row(
            label: title(of: system), value: difference.mean, low: difference.low, high: difference.high,
            text: signed(difference.mean) + text, color: finding(difference).color, isStrong: isStrong)
    }

    /// The smallest difference that these queries could have shown, in the metric that decides.
    private var detectable: Double? {
        facts.statistics?.detectable.flatMap { $0.metric == facts.metric ? $0.difference : nil }
    }

    private var differences: Markup? {
        differencePlot.map { plot in
            figure(
                "Difference to \(title(of: facts.baseline)) in \(facts.metric), with \(confidence) intervals",
                note: "Blue: better. Orange: worse. Grey: no difference shown."
                    + (detectable == nil
                        ? ""
                        : " Shaded: true differences that one test on these queries would miss with a probability above 20 %."),
                plot)
        }
    }

    var headToHeadPlot: IntervalPlot? {
        guard let facts = facts.headToHead, !facts.opponents.isEmpty else { return nil }
        let rows = facts.opponents.map {
            row($0.name, $0.difference, text: ", p \(Number.probability($0.difference.pHolm))")
        }
        return IntervalPlot(
            title: "\(title(of: facts.system)) minus each other system in \(facts.metric)",
            summary: rows.map { "\($0.label) \($0.text)" }.joined(separator: "; "),
            label: "difference in \(facts.metric)", rows: rows)
    }

    /// The chosen system, or else the one that is best on dev, against every other one.
    var headToHead: Section? {
        guard let plot = headToHeadPlot, let facts = facts.headToHead else { return nil }
        let name = title(of: facts.system)
        let choice = self.facts.chosen?.name == facts.system ? "was chosen" : "is the best"
        let beaten = facts.opponents.count { finding($0.difference) == .better }
        let open = facts.opponents.filter { finding($0.difference) != .better }.map { title(of: $0.name) }
        return Section(
            id: "head-to-head", title: "\(name) against every other system",
            content: lead(
                "\(name) \(choice) on dev. It is significantly better than \(beaten) of \(facts.opponents.count) other systems (p after Holm’s correction over them)."
                    + (open.isEmpty ? "" : " It is not significantly better than: \(open.joined(separator: ", ")).")
            )
                + figure(
                    "\(name) minus each other system in \(facts.metric), with \(confidence) intervals",
                    note: "Blue: \(name) is better. Orange: the other is. Grey: no difference shown.", plot))
    }

    /// Known and new documents, and further groups of queries.
    var subsets: Section? {
        let groups = facts.groups
        guard !groups.isEmpty else { return nil }
        var columns: [Table.Column] = ["System"]
        for group in groups {
            columns += [.number(group.title), .number("Difference, \(group.title.lowercased())")]
        }
        if facts.hasDevelopment { columns += [.number("Dev"), .number("Dev, known"), .number("Dev, new")] }
        let systems = facts.systems.filter { system in groups.contains { $0.result(system) != nil } }
        let rows = systems.map { system in
            [PageCell(name(of: system))] + groups.flatMap { cells($0.result(system)) }
                + (facts.hasDevelopment
                    ? [system.development?.mean, system.development?.known, system.development?.new].map {
                        $0.map { PageCell(mean($0), value: $0) } ?? .absent
                    } : [])
        }
        return Section(
            id: "groups",
            title: groups.enumerated().map { $0 == 0 ? $1.title : $1.title.lowercased() }.joined(separator: " and "),
            content: element("ul", ["class": "lead"]) {
                for group in groups {
                    element("li") {
                        element("strong") { group.title }
                        ": \(group.summary) (\(Number.count(group.queries)) \(group.queries == 1 ? "query" : "queries"))"
                    }
                }
            }
                + (facts.groupNotes.isEmpty ? .empty : lead(facts.groupNotes.joined(separator: " ")))
                // If one group has all queries, its figures are those of the table above.
                + (facts.hasGroupFigures
                    ? pageTable(
                        "\(facts.metric) by group of queries", columns: columns, rows: rows,
                        chosen: systems.firstIndex { $0.name == facts.verdict?.system }, isSortable: true)
                    : .empty))
    }

    private func cells(_ result: GroupResult?) -> [PageCell] {
        let difference = result?.difference?[facts.metric]
        return [
            result?.metrics[facts.metric].map {
                PageCell(.text(mean($0)) + mark(difference.map(finding)), value: $0)
            } ?? .absent,
            difference.map { PageCell(signed($0.mean), interval($0), value: $0.mean) } ?? .absent,
        ]
    }
}
