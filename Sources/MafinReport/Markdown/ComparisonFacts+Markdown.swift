import MafinMethod
import MafinPipeline
import MafinRetrieval

extension ComparisonFacts {
    /// The facts as Markdown, for an issue or a README: all figures, and lists of wins and losses. Curves are tables.
    public func markdown() -> String { MarkdownReport(page: ReportPage(facts: self)).text }
}

/// Writes the facts as Markdown, with the sections of ``ReportPage``.
struct MarkdownReport {
    let page: ReportPage

    var facts: ComparisonFacts { page.facts }

    var text: String {
        let sections = [
            head, systems, headToHead, subsets, offline, balances, examples, rankings, training, lambda, learningCurve,
            scores,
            data, quality, provenance, omissions,
        ]
        return sections.compactMap(\.self).joined(separator: "\n\n") + "\n"
    }

    func title(of system: String) -> String { page.title(of: system).inlineMarkdown }

    func signed(_ value: Double) -> String { Number.signed(value) }

    private func interval(_ low: Double, _ high: Double) -> String { "[\(signed(low)), \(signed(high))]" }

    private func list(_ lines: [String]) -> String { lines.map { "- \($0)" }.joined(separator: "\n") }

    private var head: String {
        let verdict = facts.verdict
        let costs = verdict?.costs.map { ReportPage.costTexts($0).map { "\($0): \($1)" } } ?? []
        var parts = ["# \(facts.title.inlineMarkdown)"]
        if let verdict {
            let answer = VerdictFacts.answer(verdict.decision, title(of: verdict.system))
            parts.append("**\(answer).** \(verdict.reason.inlineMarkdown)")
        }
        if let composition = page.composition { parts.append(composition.inlineMarkdown) }
        parts.append(list((verdict?.notes ?? []).map(\.inlineMarkdown)))
        parts.append(page.overline.joined(separator: ", ").inlineMarkdown)
        if !costs.isEmpty { parts.append("What it costs:\n\n" + list(costs)) }
        if let command = verdict?.command { parts.append(command.codeBlock) }
        if let others = page.others { parts += [others.text.inlineMarkdown, others.command.codeBlock] }
        return parts.filter { !$0.isEmpty }.joined(separator: "\n\n")
    }

    private var systems: String? {
        guard !facts.systems.isEmpty else { return nil }
        let hasSeeds = facts.systems.contains { $0.seeds?[facts.metric] != nil }
        let hasSeconds = facts.systems.contains { $0.seconds != nil }
        let table = Table(
            columns: ["system"] + facts.metrics.map { .number($0.description) }
                + (hasSeeds ? [.number("over seeds")] : []) + (hasSeconds ? [.number("time")] : []),
            rows: facts.systems.map { system in
                [system.displayName.inlineMarkdown]
                    + facts.metrics.map { page.summary.markdown(system.metrics[$0], system.difference?[$0]) }
                    + (hasSeeds ? [system.seeds?[facts.metric]?.text ?? "–"] : [])
                    + (hasSeconds ? [system.seconds.map { Number.duration(seconds: $0) } ?? "–"] : [])
            })
        let legend =
            facts.statistics == nil
            ? " In brackets: paired bootstrap intervals, not corrected; p after Holm's correction."
            : " Intervals are in brackets."
        return section("All systems", [table.markdown(), (page.testing + legend).inlineMarkdown])
    }

    private var headToHead: String? {
        guard let versus = facts.headToHead, !versus.opponents.isEmpty else { return nil }
        let table = Table(
            columns: [
                "\(title(of: versus.system)) minus", .number(versus.metric.description), .number("interval"),
                .number("p (Holm)"),
            ],
            rows: versus.opponents.map {
                [
                    title(of: $0.name), signed($0.difference.mean), interval($0.difference.low, $0.difference.high),
                    Number.probability($0.difference.pHolm),
                ]
            })
        return section("\(title(of: versus.system)) against every other system", [table.markdown()])
    }

    private var subsets: String? {
        let groups = facts.groups
        guard !groups.isEmpty else { return nil }
        var columns: [Table.Column] = ["system"]
        for group in groups { columns.append(.number("\(group.title) (\(group.queries) queries)".inlineMarkdown)) }
        if facts.hasDevelopment { columns += [.number("dev"), .number("dev, known"), .number("dev, new")] }
        var table = Table(columns: columns)
        for system in facts.systems {
            var cells = [system.displayName.inlineMarkdown]
            for group in groups { cells.append(cell(group.result(system))) }
            if facts.hasDevelopment {
                let development = system.development
                cells += [development?.mean, development?.known, development?.new].map { Number.mean($0) }
            }
            table.append(cells)
        }
        var lines = groups.map { "\($0.title): \($0.summary)" }
        lines += facts.groupNotes
        return section("Groups of queries, \(facts.metric)", [list(lines.map(\.inlineMarkdown)), table.markdown()])
    }

    private var offline: String? {
        guard let offline = facts.offline else { return nil }
        let table = Table(
            columns: [
                .number("threshold"), .number("asked, dev"), .number("dev"),
                .number("asked, \(facts.split)".inlineMarkdown), .number(facts.split.inlineMarkdown),
            ], rows: page.askingRows)
        let caption = page.askingCaption(offline.curve)
        return section(
            "Without asking the API, \(facts.metric)",
            [offline.reason.inlineMarkdown]
                + (page.askingRows.isEmpty ? [] : [caption.inlineMarkdown + ".", table.markdown()]))
    }

    private func cell(_ result: GroupResult?) -> String {
        let mean = Number.mean(result?.metrics[facts.metric])
        guard let difference = result?.difference?[facts.metric] else { return mean }
        return "\(mean)\n\(signed(difference.mean)) \(interval(difference.low, difference.high))"
    }

    private var balances: String? {
        let balances = page.balances
        guard !balances.isEmpty else { return nil }
        let table = Table(
            columns: ["system", .number("better"), .number("equal"), .number("worse")],
            rows: balances.map { [$0.displayName.inlineMarkdown, "\($1.wins)", "\($1.ties)", "\($1.losses)"] })
        return section("Queries against \(title(of: facts.baseline)), \(facts.metric)", [table.markdown()])
    }

    private var training: String? {
        guard let curves = facts.trainingCurves, !curves.isEmpty else { return nil }
        let table = Table(
            columns: [
                "system", .number("seed"), .number("updates"), .number("first loss"), .number("last loss"),
                "metric on dev", .number("start"), .number("best"), .number("kept at"),
            ],
            rows: curves.map { curve in
                [
                    title(of: curve.system), curve.seed.map { "\($0)" } ?? "–",
                    "\(max(curve.loss.last?.step ?? 0, curve.development.last?.step ?? 0))",
                    number(curve.loss.first?.value), number(curve.loss.last?.value), curve.metric.inlineMarkdown,
                    Number.mean(curve.development.first?.value), Number.mean(curve.development.map(\.value).max()),
                    curve.keptStep.map { "\($0)" } ?? "–",
                ]
            })
        return section("Training", [table.markdown()])
    }

    func number(_ value: Double?) -> String { value.map { Number.decimal($0) } ?? "–" }

    private var lambda: String? {
        guard let sweeps = facts.lambdaSweeps, !sweeps.isEmpty else { return nil }
        let parts = sweeps.map { sweep in
            let table = Table(
                columns: [.number("λ"), .number(sweep.sweep.metric.inlineMarkdown)],
                rows: sweep.sweep.points.map { [Number.mean(Double($0.lambda)), Number.mean($0.value)] })
            let chosen = sweep.chosen.map {
                "; in use: λ = \(Number.mean($0))\(sweep.choice.map { ", \($0)" } ?? "")".inlineMarkdown
            }
            return "\(title(of: sweep.system)) on \(sweep.split.inlineMarkdown)\(chosen ?? "").\n\n\(table.markdown())"
        }
        return section("The local encoder’s share λ", parts)
    }

    private var learningCurve: String? {
        guard let curve = facts.learningCurve, !curve.measured.isEmpty else { return nil }
        let table = Table(
            columns: [.number("labelled queries"), .number("gain"), .number("interval"), "how"],
            rows: (curve.measured.map { ($0, "measured") } + (curve.foreseen ?? []).map { ($0, "predicted") }).map {
                ["\($0.queries)", signed($0.gain), interval($0.low, $0.high), $1]
            })
        return section(
            "Learning curve, \(curve.metric)",
            [curve.expectation?.inlineMarkdown, table.markdown()].compactMap(\.self))
    }

    private var data: String? {
        guard let data = facts.data else { return nil }
        let table = Table(
            columns: [
                "split", .number("queries"), .number("labels"), .number("relevant a query, mean"), "labels by grade",
            ],
            rows: data.splits.map { split in
                let grades = split.grades.sorted { (Int($0.key) ?? 0, $0.key) < (Int($1.key) ?? 0, $1.key) }
                return [
                    split.name.inlineMarkdown, "\(split.queries)", "\(split.labels)",
                    split.relevantDocuments.map { Number.decimal($0.mean, 1) } ?? "–",
                    grades.map { "\($0.key): \($0.value)" }.joined(separator: ", ").inlineMarkdown,
                ]
            })
        return section(
            "Data",
            ["\(data.name.inlineMarkdown): \(data.documents) documents, \(data.queries) queries.", table.markdown()])
    }

    private var quality: String? {
        let leaks = (facts.leaks?.findings ?? []).map {
            "\($0.kind.rawValue) `\($0.trainingId.inlineCode)` in training, `\($0.testId.inlineCode)` in "
                + "\(facts.split): \(Number.percent($0.similarity)) in common"
        }
        let suspects = (facts.suspectedFalseNegatives?.suspects ?? []).map {
            "\(singleLine($0.query, 100).inlineMarkdown) (`\($0.queryId.inlineCode)`): `\($0.documentId.inlineCode)`, "
                + "rank \($0.blackBoxRank) of the black box, \($0.localRank) of the local encoder"
        }
        let parts = [
            facts.leaks?.summary.inlineMarkdown ?? "", list(leaks),
            facts.suspectedFalseNegatives?.summary.inlineMarkdown ?? "", list(suspects),
        ]
        return section("Leaks and labels", parts)
    }

    private var provenance: String? {
        guard let provenance = facts.provenance else { return nil }
        var lines = provenance.groups.flatMap { group in
            group.rows.map {
                "\(group.title), \($0)".inlineMarkdown + ": " + ($2 ? "`\($1.inlineCode)`" : $1.inlineMarkdown)
            }
        }
        lines += (provenance.inputs ?? []).map {
            "\($0.role), \($0.name), \($0.count) entries".inlineMarkdown + ": `\($0.sha256.inlineCode)`"
        }
        return section("How to reproduce it", [provenance.command?.codeBlock ?? "", list(lines)])
    }

    private var omissions: String? {
        section("Left out", [list(facts.allOmissions.map { "\($0.what): \($0.reason)".inlineMarkdown })])
    }

    /// A section of the parts that are not empty; `nil` if all are empty.
    func section(_ title: String, _ parts: [String]) -> String? {
        let parts = parts.map(\.trimmingNewlines).filter { !$0.isEmpty }
        return parts.isEmpty ? nil : (["## \(title)"] + parts).joined(separator: "\n\n")
    }
}

extension String {
    /// The text on one line, escaped so that no character of it counts as Markdown or HTML.
    var inlineMarkdown: String {
        var escaped = ""
        for (index, scalar) in unicodeScalars.enumerated() {
            switch scalar {
            // A dash at the start is the list's own. A `#` is a heading only at the start.
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

    /// The text for use between backticks: its own backticks are replaced.
    var inlineCode: String {
        replacing("`", with: "'").split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    /// A block of code. Its fence is longer than any run of backticks in the text.
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
