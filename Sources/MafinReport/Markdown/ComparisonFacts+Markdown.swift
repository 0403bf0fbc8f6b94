import MafinMethod
import MafinPipeline
import MafinRetrieval

extension ComparisonFacts {
    /// The facts as Markdown, for an issue or a README: all figures, and lists of wins and losses. Curves are tables.
    public func markdown() -> String { MarkdownReport(self).text }
}

/// Writes the facts as Markdown; sections as in ``ReportPage``.
struct MarkdownReport {
    let facts: ComparisonFacts

    init(_ facts: ComparisonFacts) {
        self.facts = facts
    }

    var text: String {
        let sections = [
            head, systems, headToHead, subsets, balances, examples, rankings, training, lambda, learningCurve,
            scores, data,
            quality, provenance,
            omissions,
        ]
        return sections.compactMap(\.self).joined(separator: "\n\n") + "\n"
    }

    func title(of system: String) -> String {
        (facts.system(named: system)?.displayName ?? system).inlineMarkdown
    }

    func signed(_ value: Double) -> String { Number.signed(value) }

    private func interval(_ low: Double, _ high: Double) -> String { "[\(signed(low)), \(signed(high))]" }

    private var head: String {
        var lines: [String] = ["# \(facts.title.inlineMarkdown)"]
        if let verdict = facts.verdict {
            lines.append(
                "**\(VerdictFacts.answer(verdict.decision, title(of: verdict.system))).** \(verdict.reason.inlineMarkdown)"
            )
            if let notes = verdict.notes, !notes.isEmpty {
                lines.append(notes.map { "- \($0.inlineMarkdown)" }.joined(separator: "\n"))
            }
        }
        var line = "\(facts.split) split, \(facts.queries) queries"
        if facts.queriesWithoutRelevantDocument > 0 {
            line += "; \(facts.queriesWithoutRelevantDocument) without a relevant document are left out"
        }
        if let created = facts.created { line += "; \(created)" }
        lines.append(line.inlineMarkdown)
        if let costs = facts.verdict?.costs {
            let rows = ReportPage.costTexts(costs).map { "- \($0.name): \($0.value)" }
            if !rows.isEmpty { lines.append("What it costs:\n\n" + rows.joined(separator: "\n")) }
        }
        if let command = facts.verdict?.command { lines.append(command.codeBlock) }
        return lines.joined(separator: "\n\n")
    }

    private var systems: String? {
        guard !facts.systems.isEmpty else { return nil }
        let page = ReportPage(facts)
        let hasSeeds = facts.systems.contains { $0.seeds?[facts.metric] != nil }
        let hasSeconds = facts.systems.contains { $0.seconds != nil }
        var table = Table(
            columns: [.init("system")] + facts.metrics.map { .init($0.description, .right) }
                + (hasSeeds ? [.init("over seeds", .right)] : []) + (hasSeconds ? [.init("time", .right)] : []))
        for system in facts.systems {
            var cells = [system.displayName.inlineMarkdown]
            for metric in facts.metrics {
                let mean = Number.mean(system.metrics[metric])
                guard let difference = system.difference?[metric] else {
                    cells.append(mean)
                    continue
                }
                let finding = page.finding(difference)
                let bold = finding == .better ? "**" : ""
                let mark = finding.mark.isEmpty ? "" : " \(finding.mark)"
                cells.append(
                    "\(bold)\(mean)\(bold)\(mark)\n\(signed(difference.mean)) "
                        + "\(interval(difference.low, difference.high))\np \(Number.probability(difference.pHolm))")
            }
            if hasSeeds {
                let spread = system.seeds?[facts.metric]
                cells.append(
                    spread.map { Number.mean($0.mean) + ($0.standardDeviation.map { " ± \(Number.mean($0))" } ?? "") }
                        ?? "–")
            }
            if hasSeconds { cells.append(system.seconds.map { Number.duration(seconds: $0) } ?? "–") }
            table.append(cells)
        }
        return section("All systems", [table.markdown() + legend])
    }

    private var legend: String {
        var text = "\nDifferences are to \(title(of: facts.baseline)). "
        guard let statistics = facts.statistics else {
            return text + "In brackets: paired bootstrap intervals, not corrected; p after Holm's correction."
        }
        text +=
            "In brackets: \(Number.percent(statistics.confidenceLevel)) paired bootstrap intervals (\(statistics.resamples) resamples), not "
            + "corrected for the number of systems; p of a paired randomization test (\(statistics.permutations) sign assignments) after "
            + "Holm's correction for \(statistics.comparisons) systems; ▲ better, ▼ worse at p < \(Number.level(statistics.significanceLevel))."
        if let note = facts.seedNote { text += " \(note)" }
        if facts.verdict?.againstBlackBox != nil {
            text += " The verdict has its own tests, which this table does not change."
        }
        if let detectable = statistics.detectable {
            text +=
                " The smallest gain that these queries would show with a probability of \(Number.percent(detectable.power)) in one test: "
                + "\(signed(detectable.difference)) \(detectable.metric)."
        }
        return text
    }

    private var headToHead: String? {
        guard let versus = facts.headToHead, !versus.opponents.isEmpty else { return nil }
        var table = Table(columns: [
            .init("\(title(of: versus.system)) minus"), .init(versus.metric.description, .right),
            .init("interval", .right), .init("p (Holm)", .right),
        ])
        for opponent in versus.opponents {
            let difference = opponent.difference
            table.append([
                title(of: opponent.name), signed(difference.mean), interval(difference.low, difference.high),
                Number.probability(difference.pHolm),
            ])
        }
        return section("\(title(of: versus.system)) against every other system", [table.markdown()])
    }

    private var subsets: String? {
        guard let subsets = facts.subsets, !subsets.isEmpty else { return nil }
        var table = Table(
            columns: [.init("system")]
                + subsets.map { .init("\($0.title) (\($0.queries) queries)".inlineMarkdown, .right) })
        for system in facts.systems {
            guard let results = system.subsets else { continue }
            table.append(
                [system.displayName.inlineMarkdown]
                    + subsets.map { subset in
                        guard let result = results.first(where: { $0.subset == subset.name }) else { return "–" }
                        let mean = Number.mean(result.metrics[facts.metric])
                        guard let difference = result.difference?[facts.metric] else { return mean }
                        return "\(mean)\n\(signed(difference.mean)) \(interval(difference.low, difference.high))"
                    })
        }
        return section(
            "Groups of queries, \(facts.metric)",
            [subsets.map { "- \($0.title): \($0.summary)".inlineMarkdown }.joined(separator: "\n"), table.markdown()])
    }

    private var balances: String? {
        guard let perQuery = facts.perQuery else { return nil }
        var table = Table(columns: [
            .init("system"), .init("better", .right), .init("equal", .right), .init("worse", .right),
        ])
        for system in facts.systems where system.name != facts.baseline {
            guard let balance = perQuery.balance(of: system.name, against: facts.baseline, in: facts.metric) else {
                continue
            }
            table.append([
                system.displayName.inlineMarkdown, "\(balance.wins)", "\(balance.ties)", "\(balance.losses)",
            ])
        }
        return table.rows.isEmpty
            ? nil : section("Queries against \(title(of: facts.baseline)), \(facts.metric)", [table.markdown()])
    }

    private var training: String? {
        guard let curves = facts.trainingCurves, !curves.isEmpty else { return nil }
        var table = Table(columns: [
            .init("system"), .init("seed", .right), .init("updates", .right), .init("first loss", .right),
            .init("last loss", .right), .init("metric on dev"), .init("start", .right), .init("best", .right),
            .init("kept at", .right),
        ])
        for curve in curves {
            func number(_ value: Double?) -> String { value.map { Number.decimal($0) } ?? "–" }
            table.append([
                title(of: curve.system), curve.seed.map { "\($0)" } ?? "–",
                "\(max(curve.loss.last?.step ?? 0, curve.development.last?.step ?? 0))",
                number(curve.loss.first?.value), number(curve.loss.last?.value), curve.metric.inlineMarkdown,
                Number.mean(curve.development.first?.value), Number.mean(curve.development.map(\.value).max()),
                curve.keptStep.map { "\($0)" } ?? "–",
            ])
        }
        return section("Training", [table.markdown()])
    }

    private var lambda: String? {
        guard let sweeps = facts.lambdaSweeps, !sweeps.isEmpty else { return nil }
        let parts = sweeps.map { sweep in
            var table = Table(columns: [.init("λ", .right), .init(sweep.sweep.metric.inlineMarkdown, .right)])
            for point in sweep.sweep.points {
                table.append([Number.mean(Double(point.lambda)), Number.mean(point.value)])
            }
            let chosen = sweep.chosen.map {
                "; in use: λ = \(Number.mean($0))\(sweep.choice.map { ", \($0)" } ?? "")".inlineMarkdown
            }
            return "\(title(of: sweep.system)) on \(sweep.split.inlineMarkdown)\(chosen ?? "").\n\n\(table.markdown())"
        }
        return section("The local encoder’s share λ", parts)
    }

    private var learningCurve: String? {
        guard let curve = facts.learningCurve, !curve.measured.isEmpty else { return nil }
        var table = Table(columns: [
            .init("labelled queries", .right), .init("gain", .right), .init("interval", .right), .init("how"),
        ])
        for (points, how) in [(curve.measured, "measured"), (curve.foreseen ?? [], "predicted")] {
            for point in points {
                table.append(["\(point.queries)", signed(point.gain), interval(point.low, point.high), how])
            }
        }
        var parts = [table.markdown()]
        if let expectation = curve.expectation { parts.insert(expectation.inlineMarkdown, at: 0) }
        return section("Learning curve, \(curve.metric)", parts)
    }

    private var data: String? {
        guard let data = facts.data else { return nil }
        var table = Table(columns: [
            .init("split"), .init("queries", .right), .init("labels", .right), .init("relevant a query, mean", .right),
            .init("labels by grade"),
        ])
        for split in data.splits {
            let grades = split.grades.sorted { (Int($0.key) ?? 0, $0.key) < (Int($1.key) ?? 0, $1.key) }
            table.append([
                split.name.inlineMarkdown, "\(split.queries)", "\(split.labels)",
                split.relevantDocuments.map { Number.decimal($0.mean, 1) } ?? "–",
                grades.map { "\($0.key): \($0.value)" }.joined(separator: ", ").inlineMarkdown,
            ])
        }
        return section(
            "Data",
            ["\(data.name.inlineMarkdown): \(data.documents) documents, \(data.queries) queries.", table.markdown()])
    }

    private var quality: String? {
        var parts: [String] = []
        if let leaks = facts.leaks {
            parts.append(
                "\(leaks.method.inlineMarkdown) Found: \(leaks.found)\(leaks.isAllowed && leaks.found > 0 ? "; the user chose to measure anyway" : "")."
            )
            if !leaks.findings.isEmpty {
                parts.append(
                    leaks.findings.map {
                        "- \($0.kind.rawValue) `\($0.trainingId.inlineCode)` in training, `\($0.testId.inlineCode)` in "
                            + "\(facts.split): \(Number.percent($0.similarity)) in common"
                    }.joined(separator: "\n"))
            }
        }
        if let suspects = facts.suspectedFalseNegatives {
            parts.append("\(suspects.method.inlineMarkdown) Found: \(suspects.found).")
            if !suspects.suspects.isEmpty {
                parts.append(
                    suspects.suspects.map {
                        "- \(singleLine($0.query, 100).inlineMarkdown) (`\($0.queryId.inlineCode)`): `\($0.documentId.inlineCode)`, "
                            + "rank \($0.blackBoxRank) of the black box, \($0.localRank) of the local encoder"
                    }.joined(separator: "\n"))
            }
        }
        return parts.isEmpty ? nil : section("Leaks and labels", parts)
    }

    private var provenance: String? {
        guard let provenance = facts.provenance else { return nil }
        var parts: [String] = []
        if let command = provenance.command { parts.append(command.codeBlock) }
        var lines: [String] = []
        for group in provenance.configuration ?? [] {
            lines += group.settings.map { "- \(group.title), \($0.name)".inlineMarkdown + ": `\($0.value.inlineCode)`" }
        }
        lines += (provenance.seeds ?? [:]).sorted { $0.key < $1.key }.map {
            "- seed of \($0.key)".inlineMarkdown + ": \($0.value)"
        }
        lines += (provenance.versions ?? []).map { "- \($0.name)".inlineMarkdown + ": `\($0.value.inlineCode)`" }
        if let machine = provenance.machine { lines.append("- machine: \(machine)".inlineMarkdown) }
        if let seconds = provenance.seconds { lines.append("- time: \(Number.duration(seconds: seconds))") }
        lines += (provenance.inputs ?? []).map {
            "- \($0.role), \($0.name), \($0.count) entries".inlineMarkdown + ": `\($0.sha256.inlineCode)`"
        }
        if !lines.isEmpty { parts.append(lines.joined(separator: "\n")) }
        return parts.isEmpty ? nil : section("How to reproduce it", parts)
    }

    private var omissions: String? {
        let omissions = facts.allOmissions
        guard !omissions.isEmpty else { return nil }
        return section(
            "Left out", [omissions.map { "- \($0.what): \($0.reason)".inlineMarkdown }.joined(separator: "\n")])
    }

    func section(_ title: String, _ parts: [String]) -> String {
        (["## \(title)"] + parts.map { $0.trimmingNewlines }).joined(separator: "\n\n")
    }
}

extension String {
    /// A text that is shown as it is: no character of it is taken for Markdown or HTML, and it is one line.
    var inlineMarkdown: String {
        var escaped = ""
        for (index, scalar) in unicodeScalars.enumerated() {
            switch scalar {
            // A list's own dash at the start of a line stays one.
            case "-" where index == 0, "#" where index > 0: escaped.unicodeScalars.append(scalar)
            case "\\", "`", "*", "_", "[", "]", "<", ">", "&", "#":
                escaped += "\\"
                escaped.unicodeScalars.append(scalar)
            case "\n", "\r", "\t": escaped += " "
            default: escaped.unicodeScalars.append(scalar.properties.generalCategory == .control ? "\u{FFFD}" : scalar)
            }
        }
        return escaped
    }

    /// A text between backticks: it holds none itself.
    var inlineCode: String {
        replacing("`", with: "'").split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    /// A block of code whose fence is longer than any row of backticks in it.
    var codeBlock: String {
        let longest = split { $0 != "`" }.map(\.count).max() ?? 0
        let fence = String(repeating: "`", count: max(3, longest + 1))
        return "\(fence)\n\(self)\n\(fence)"
    }

    fileprivate var trimmingNewlines: String {
        var text = self[...]
        while text.last?.isNewline == true { text = text.dropLast() }
        return String(text)
    }
}
