import MafinBlackBox
import MafinMethod
import MafinPipeline

extension MarkdownReport {
    /// The biggest wins and losses, one line each.
    var examples: String? {
        guard let examples = facts.examples else { return nil }
        func table(_ list: [QueryExample]) -> String {
            Table(
                columns: [
                    "query", .number("before"), .number("after"), .number("change"), "first before", "first after",
                ],
                rows: list.map { example in
                    [
                        singleLine(example.name, 100).inlineMarkdown, Number.mean(example.baselineValue),
                        Number.mean(example.systemValue), signed(example.change),
                        document(example.baselineRanking.first, of: example),
                        document(example.systemRanking.first, of: example),
                    ]
                }
            ).markdown()
        }
        var parts = facts.exampleSystemNote.map { [$0.inlineMarkdown] } ?? []
        let lines = parts.count + 1
        parts.append(
            "\(title(of: examples.system)) against \(title(of: examples.baseline)), \(examples.metric); ✓ marks a relevant first document."
        )
        if !examples.wins.isEmpty { parts.append("### Biggest wins\n\n" + table(examples.wins)) }
        if !examples.losses.isEmpty { parts.append("### Biggest losses\n\n" + table(examples.losses)) }
        return parts.count > lines ? section("Wins and losses", parts) : nil
    }

    /// For each example both rankings, the parts of the scores, and the words that contribute most. They are folded, because they are long.
    var rankings: String? {
        guard let examples = facts.examples, !(examples.wins + examples.losses).isEmpty else { return nil }
        let sources = examples.sources
        let lists = (examples.wins + examples.losses).map { example in
            let places = max(example.baselineRanking.count, example.systemRanking.count)
            let table = Table(
                columns: [
                    .number(""), .init(title(of: examples.baseline)), .init(title(of: examples.system)),
                    .number("score"),
                ] + sources.map { .number($0.title.inlineMarkdown) },
                rows: (0..<min(Self.shownRanks, places)).map { place in
                    func entry(_ ranking: [RankedDocument]) -> RankedDocument? {
                        ranking.indices.contains(place) ? ranking[place] : nil
                    }
                    let after = entry(example.systemRanking)
                    return [
                        "\(place + 1)", document(entry(example.baselineRanking), of: example),
                        document(after, of: example), number(after?.score),
                    ] + sources.map { source in number(after?.parts?[source]) }
                })
            let lines = (example.attributions ?? []).flatMap { attribution in
                [attribution.query, attribution.document].compactMap(\.self).map {
                    words($0, documentId: attribution.documentId)
                }
            }
            let summary = "\(singleLine(example.name, 100).inlineMarkdown): \(signed(example.change))"
            return (["<details><summary>\(summary)</summary>", table.markdown()] + lines + ["</details>"])
                .joined(separator: "\n\n")
        }
        let legend =
            sources.isEmpty ? "" : "A score is the sum of its sources’ parts, which are in the columns after it."
        return section("Rankings of wins and losses", [legend] + lists)
    }

    /// The distribution of scores, by tenths of the pairs.
    var scores: String? {
        guard let histograms = facts.scoreHistograms, !histograms.isEmpty else { return nil }
        let table = Table(
            columns: [
                "scores of", "pairs", .number("number"), .number("a tenth is below"), .number("half"),
                .number("nine tenths"),
            ],
            rows: histograms.flatMap { histogram in
                histogram.groups.map { group in
                    [histogram.title.inlineMarkdown, group.name.inlineMarkdown, Number.count(group.total)]
                        + [0.1, 0.5, 0.9].map { number(histogram.border(of: group, share: $0)) }
                }
            })
        return section("Scores", ["Borders of the histograms' bins.", table.markdown()])
    }

    private static let shownRanks = 5
    private static let shownWords = 8

    private func document(_ entry: RankedDocument?, of example: QueryExample) -> String {
        guard let entry else { return "–" }
        return example.line(of: entry.id, 60).inlineMarkdown + (entry.isRelevant ? " ✓" : "")
    }

    private func words(_ attribution: ScoreAttribution, documentId: String) -> String {
        let heaviest = attribution.pieces.compactMap { piece in piece.contribution.map { (piece.text, $0) } }
            .sorted { abs($0.1) > abs($1.1) }
        let list = heaviest.prefix(Self.shownWords).map { "\(singleLine($0.0, 40).inlineMarkdown) \(signed($0.1))" }
        return
            "Words of the \(attribution.side.rawValue) in the local part of document \(documentId.inlineMarkdown) (\(attribution.method.rawValue)): "
            + list.joined(separator: ", ")
    }
}

extension ScoreHistogramFacts {
    /// The upper border of the bin below which a share of a group's pairs lies; `nil` for a group without pairs.
    func border(of group: Group, share: Double) -> Double? {
        var below = 0
        for (bin, count) in group.counts.enumerated() {
            below += count
            if group.total > 0, Double(below) >= share * Double(group.total) { return edges[bin + 1] }
        }
        return nil
    }
}
