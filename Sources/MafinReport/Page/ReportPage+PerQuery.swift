import MafinRetrieval

extension ReportPage {
    /// Query by query: how often each system won, and where.
    var perQuery: Section? {
        let balances = balances
        guard let perQuery = facts.perQuery, !balances.isEmpty else { return nil }
        // The verdict's system, or else the one with the largest difference.
        let chosen =
            balances.first { $0.0.name == facts.verdict?.system }
            ?? balances.max { ($0.0.metrics[facts.metric] ?? 0) < ($1.0.metrics[facts.metric] ?? 0) }
        var content = balancePlot(balances)
        if let chosen, let mine = perQuery.values(of: chosen.0.name, in: facts.metric),
            let theirs = perQuery.values(of: facts.baseline, in: facts.metric)
        {
            content += element("div", ["class": "split"]) {
                scatter(chosen.0, perQuery, mine: mine, theirs: theirs, chosen.1)
                waterfall(chosen.0, zip(mine, theirs).map { $0 - $1 }, chosen.1)
            }
        }
        return Section(id: "queries", title: "Query by query", content: content)
    }

    /// For each system the number of queries that are better and worse than with the baseline.
    var balances: [(SystemFacts, Balance)] {
        facts.systems.compactMap { system in
            system.name == facts.baseline
                ? nil
                : facts.perQuery?.balance(of: system.name, against: facts.baseline, in: facts.metric)
                    .map { (system, $0) }
        }
    }

    private func balancePlot(_ balances: [(SystemFacts, Balance)]) -> Markup {
        let plot = BalancePlot(
            title: "Queries better and worse than with \(title(of: facts.baseline))",
            summary: balances.map {
                "\($0.displayName): better \($1.wins), equal \($1.ties), worse \($1.losses)"
            }.joined(separator: "; "),
            rows: balances.map {
                .init(
                    label: $0.displayName, losses: $1.losses, ties: $1.ties, wins: $1.wins,
                    isStrong: $0.name == facts.verdict?.system)
            })
        return figure(
            "Queries on which each system is better and worse than \(title(of: facts.baseline)) in \(facts.metric)",
            note: "The rest of the \(Number.count(facts.perQuery?.queryIds.count ?? 0)) queries are equal.", plot)
    }

    private func scatter(
        _ system: SystemFacts, _ perQuery: PerQueryFacts, mine: [Double], theirs: [Double], _ balance: Balance
    ) -> Markup {
        func points(_ isIncluded: (Double) -> Bool) -> [Plot.Point] {
            mine.indices.filter { isIncluded(mine[$0] - theirs[$0]) }.map { index in
                let name = perQuery.texts.map { singleLine($0[index], 80) } ?? perQuery.queryIds[index]
                return Plot.Point(
                    theirs[index], mine[index], note: "\(name): \(mean(theirs[index])) → \(mean(mine[index]))")
            }
        }
        let tolerance = Balance.tolerance
        let quarters = [0, 0.25, 0.5, 0.75, 1]
        let plot = Plot(
            title: "\(facts.metric) of each query, \(title(of: facts.baseline)) against \(system.displayName)",
            summary: "\(balance.wins) queries above the diagonal, \(balance.ties) on it, \(balance.losses) below.",
            x: .init(
                "\(facts.metric), \(title(of: facts.baseline))", PlotScale(-0.02...1.02), .share, ticks: quarters),
            y: .init("\(facts.metric), \(system.displayName)", PlotScale(-0.02...1.02), .share, ticks: quarters),
            marks: [
                .diagonal, .points(points { abs($0) <= tolerance }, .neutral),
                .points(points { $0 < -tolerance }, .loss), .points(points { $0 > tolerance }, .gain),
            ], aspect: 0.92)
        return figure(
            "\(system.displayName) against \(title(of: facts.baseline))",
            note: "Each dot is a query; above the diagonal, \(system.displayName) is better.", wide: 480, plot)
    }

    private func waterfall(_ system: SystemFacts, _ differences: [Double], _ balance: Balance) -> Markup {
        let sorted = differences.sorted(by: >)
        func columns(_ isIncluded: (Double) -> Bool) -> [(from: Double, to: Double, y: Double)] {
            sorted.enumerated().filter { isIncluded($1) }.map { (Double($0), Double($0 + 1), $1) }
        }
        let plot = Plot(
            title: "Change of each query in \(facts.metric), sorted",
            summary:
                "\(balance.wins) queries gain, at most \(signed(sorted.first ?? 0)); \(balance.losses) lose, at most \(signed(sorted.last ?? 0)).",
            x: .init("queries, by change", PlotScale(0...Double(max(1, sorted.count))), .count),
            y: .init("change in \(facts.metric)", PlotScale(covering: sorted + [0]), .difference),
            marks: [
                .columns(columns { $0 > 0 }, .gain), .columns(columns { $0 < 0 }, .loss), .horizontalRule(0),
            ], aspect: 0.92)
        return figure(
            "Change of each query, sorted",
            note:
                "The area above the line minus the area below it, divided by the number of queries, is the mean difference.",
            wide: 480, plot)
    }
}
