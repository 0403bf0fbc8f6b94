import MafinRetrieval

extension ReportDifference {
    /// The difference as text for a terminal.
    public func text(shown: Int = RunDifference.shownQueries) -> String {
        var parts = ["\(first) → \(second)\n"]
        if !notes.isEmpty { parts.append(notes.joined(separator: "\n") + "\n") }
        parts.append(overview.text())
        if systems.contains(where: { $0.paired != nil }) {
            parts.append(
                "p of a paired randomization test over \(commonQueries) queries, after Holm's correction; 95 % paired-bootstrap intervals\n"
            )
        } else {
            parts.append("no paired test: at least one report holds no values of single queries\n")
        }
        if let groups { parts.append("by known and new documents, first → second:\n\n" + groups.text()) }
        for (name, systems) in [(first, systemsOnlyInFirst), (second, systemsOnlyInSecond)] where !systems.isEmpty {
            parts.append("only in \(name): \(systems.joined(separator: ", "))\n")
        }
        for (name, queries) in [(first, onlyInFirst), (second, onlyInSecond)] where !queries.isEmpty {
            parts.append(
                "\(queries.count) \(queries.count == 1 ? "query is" : "queries are") only in \(name) and not compared: "
                    + queries.prefix(shown).joined(separator: ", ") + (queries.count > shown ? ", …" : "") + "\n")
        }
        for system in systems {
            guard let paired = system.paired, !paired.changes.isEmpty else { continue }
            let table = Table(
                columns: ["query", .number("first"), .number("second"), .number("change")],
                rows: paired.changes.prefix(shown).map {
                    [
                        $0.queryId.truncated(toWidth: 40), Number.mean($0.first), Number.mean($0.second),
                        Number.signed($0.change),
                    ]
                })
            parts.append("Most changed, \(system.name):\n\n" + table.text())
        }
        return parts.joined(separator: "\n").safeForTerminal
    }

    /// The means by known and new documents; `nil` unless both reports have them.
    private var groups: Table? {
        let shown = systems.filter { $0.known != nil || $0.new != nil }
        guard !shown.isEmpty else { return nil }
        func cell(_ group: Group?) -> String {
            group.map { "\(Number.mean($0.first.metrics[metric])) → \(Number.mean($0.second.metrics[metric]))" } ?? "–"
        }
        func title(_ name: String, _ group: (System) -> Group?) -> String {
            let queries = shown.compactMap(group).first.map { ($0.first.queries, $0.second.queries) }
            return queries.map { "\(name) (\($0 == $1 ? "\($0)" : "\($0), \($1)"))" } ?? name
        }
        return Table(
            columns: [
                .init(metric.description), .number(title("known") { $0.known }), .number(title("new") { $0.new }),
            ],
            rows: shown.map { [$0.name, cell($0.known), cell($0.new)] })
    }

    private var overview: Table {
        Table(
            columns: [
                .init(metric.description), .number("first"), .number("second"), .number("difference"),
                .number("95 % interval"), .number("p (Holm)"), .number("better/equal/worse"),
            ],
            rows: systems.map { system in
                let (before, after) = (system.first[metric], system.second[metric])
                var difference = "–"
                if let before, let after {
                    difference = Number.signed(system.paired?.difference.mean ?? after - before)
                }
                let paired = system.paired
                return [
                    system.name, Number.mean(before), Number.mean(after), difference,
                    paired.map { Number.interval($0.difference.low, $0.difference.high) } ?? "–",
                    paired.map { Number.probability($0.difference.pHolm) } ?? "–",
                    paired.map { "\($0.balance.wins)/\($0.balance.ties)/\($0.balance.losses)" } ?? "–",
                ]
            })
    }
}
