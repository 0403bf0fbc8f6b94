import MafinRetrieval

extension RunDifference {
    /// How many queries are listed on either side, and how many of those that are in one run only.
    public static let shownQueries = 10

    /// The difference as text for a terminal.
    public func text(shown: Int = shownQueries) -> String {
        var parts = [summary]
        for (name, missing, queries) in [(first, second, onlyInFirst), (second, first, onlyInSecond)]
        where !queries.isEmpty {
            let names = queries.prefix(shown).joined(separator: ", ") + (queries.count > shown ? ", …" : "")
            let count = "\(queries.count) \(queries.count == 1 ? "query is" : "queries are") in \(name) only"
            parts.append(
                count
                    + (measured == nil
                        ? "" : " and \(queries.count == 1 ? "counts" : "count") 0 for \(missing) where judged")
                    + ": \(names)\n")
        }
        if measured == nil {
            let changed = queries.filter(\.isTopChanged).sorted { ($0.overlap, $0.queryId) < ($1.overlap, $1.queryId) }
            if !changed.isEmpty { parts.append("Least in common:\n\n" + table(Array(changed.prefix(shown))).text()) }
        } else {
            for (title, sign) in [("Most gained", 1.0), ("Most lost", -1.0)] {
                let changed = queries.filter { sign * $0.change > Balance.tolerance }
                    .sorted { (abs($1.change), $0.queryId) < (abs($0.change), $1.queryId) }
                if !changed.isEmpty { parts.append("\(title):\n\n" + table(Array(changed.prefix(shown))).text()) }
            }
        }
        return parts.joined(separator: "\n").safeForTerminal
    }

    private var summary: String {
        var text = "\(first) → \(second)\n\n"
        if let measured {
            var table = Table(columns: [
                "", .number("first"), .number("second"), .number("difference"), .number("95 % interval"), .number("p"),
            ])
            let difference = measured.difference
            table.append([
                measured.metric.description, Number.mean(measured.first), Number.mean(measured.second),
                Number.signed(difference.mean), Number.interval(difference.low, difference.high),
                Number.probability(difference.p),
            ])
            let balance = measured.balance
            text += table.text() + "\n"
            text +=
                "\(queries.count) judged queries: better \(balance.wins), equal \(balance.ties), worse \(balance.losses)"
            if measured.queriesWithoutRelevantDocument > 0 {
                text += " (\(measured.queriesWithoutRelevantDocument) without a relevant document left out)"
            }
            let moves = (
                gained: queries.reduce(0) { $0 + $1.gained.count }, lost: queries.reduce(0) { $0 + $1.lost.count }
            )
            text += "\nrelevant documents in the first \(depth): \(moves.gained) gained, \(moves.lost) lost\n"
        } else {
            text += "\(queries.count) queries in both; without labels only ranks are compared\n"
        }
        text +=
            "first document changed: \(changedTops) of \(queries.count); "
            + "\(Number.decimal(meanOverlap, 1)) of the first \(depth) in common on average\n"
        return text
    }

    private func table(_ changes: [QueryChange]) -> Table {
        let hasValues = measured != nil
        var columns: [Table.Column] = ["query"]
        if hasValues { columns += [.number("first"), .number("second"), .number("change")] }
        columns += [.number("in common"), "first document"]
        if hasValues { columns += ["gained", "lost"] }
        var table = Table(columns: columns)
        for change in changes {
            var cells = [change.queryId.truncated(toWidth: 24)]
            if hasValues {
                cells += [Number.mean(change.first), Number.mean(change.second), Number.signed(change.change)]
            }
            let tops = [change.firstTop, change.secondTop].map { ($0 ?? "–").truncated(toWidth: 16) }
            cells += ["\(change.overlap)", change.isTopChanged ? tops.joined(separator: " → ") : tops[0]]
            if hasValues { cells += [Self.moves(change.gained), Self.moves(change.lost)] }
            table.append(cells)
        }
        return table
    }

    private static func moves(_ moves: [Move]) -> String {
        func rank(_ rank: Int?) -> String { rank.map { "\($0)" } ?? "–" }
        let shown = moves.prefix(2).map {
            "\($0.document.truncated(toWidth: 14)) \(rank($0.firstRank))→\(rank($0.secondRank))"
        }
        return shown.joined(separator: ", ") + (moves.count > 2 ? ", +\(moves.count - 2)" : "")
    }
}
