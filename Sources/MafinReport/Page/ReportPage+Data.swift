import MafinRetrieval

extension ReportPage {
    var scores: Section? {
        guard let histograms = facts.scoreHistograms?.filter({ !$0.groups.isEmpty }), !histograms.isEmpty else {
            return nil
        }
        return Section(
            id: "scores", title: "Scores",
            content: lead(
                "The distribution of each part’s scores. All curves have the same area; compare where they lie and how far apart."
            )
                + element("div", ["class": "split"]) {
                    for histogram in histograms {
                        figure(
                            histogram.title,
                            note: histogram.groups.map { "\($0.name): \(Number.count($0.total)) pairs" }.joined(
                                separator: ", "), wide: 500, plot(histogram))
                    }
                })
    }

    private func plot(_ histogram: ScoreHistogramFacts) -> Plot {
        let edges = histogram.edges
        let shares = histogram.groups.map { group in
            group.counts.map { group.total > 0 ? Double($0) / Double(group.total) : 0 }
        }
        func columns(_ shares: [Double]) -> [(from: Double, to: Double, y: Double)] {
            shares.enumerated().map { (edges[$0], edges[$0 + 1], $1) }
        }
        let marks = zip(histogram.groups, shares).enumerated().map { index, group -> Plot.Mark in
            // The first group (relevant pairs) matters most and is filled. The others are outlines over it.
            index == 0
                ? .columns(columns(group.1), .accent, label: group.0.name)
                : .outline(columns(group.1), index == 1 ? .blackBox : .series(index), label: group.0.name)
        }
        return Plot(
            title: histogram.title,
            summary: zip(histogram.groups, shares).map { group, shares in
                let top = shares.indices.max { shares[$0] < shares[$1] } ?? 0
                return
                    "\(group.name): most scores between \(Number.decimal(edges[top])) and \(Number.decimal(edges[top + 1]))"
            }.joined(separator: "; "),
            x: .init("score", PlotScale(edges[0]...edges[edges.count - 1]), .decimal),
            y: .init("share of pairs", PlotScale(0...max(1e-6, (shares.flatMap(\.self).max() ?? 1) * 1.08)), .share),
            marks: marks, aspect: 0.56)
    }

    var data: Section? {
        guard let data = facts.data else { return nil }
        func text(_ words: DataFacts.Distribution) -> String {
            "median \(Number.decimal(words.median, 0)), mean \(Number.decimal(words.mean, 1)), "
                + "from \(Number.decimal(words.minimum, 0)) to \(Number.decimal(words.maximum, 0))"
        }
        var rows = [
            ("Collection", data.name), ("Documents", Number.count(data.documents)),
            ("Queries", Number.count(data.queries)),
        ]
        if let words = data.documentWords { rows.append(("Words a document", text(words))) }
        if let words = data.queryWords { rows.append(("Words a query", text(words))) }
        let grades = Set(data.splits.flatMap(\.grades.keys)).sorted { (Int($0) ?? 0, $0) < (Int($1) ?? 0, $1) }
        let splits = pageTable(
            "The labels of each split",
            columns: ["Split", .number("Queries"), .number("Labels"), .number("Relevant documents a query")]
                + grades.map { .number("Grade \($0)") },
            rows: data.splits.map { split in
                let relevant = split.relevantDocuments.map {
                    PageCell(
                        "mean \(Number.decimal($0.mean, 1))",
                        "median \(Number.decimal($0.median, 0)), at most \(Number.decimal($0.maximum, 0))")
                }
                return [
                    PageCell(split.name), PageCell(Number.count(split.queries)), PageCell(Number.count(split.labels)),
                    relevant ?? .absent,
                ] + grades.map { grade in split.grades[grade].map { PageCell(Number.count($0)) } ?? .absent }
            }, isCompact: true)
        return Section(
            id: "data", title: "Data",
            content: factsTable("The collection", rows.map { ($0, .text($1)) }) + splits
                + warnings(data.warnings ?? []))
    }

    private static let shownWarnings = 8

    private func warnings(_ warnings: [String]) -> Markup {
        guard !warnings.isEmpty else { return .empty }
        return element("h3") { "Warnings about the data" }
            + element("ul") { for warning in warnings.prefix(Self.shownWarnings) { element("li") { warning } } }
            + (warnings.count > Self.shownWarnings
                ? element("details", ["class": "more"]) {
                    element("summary") { "\(Number.count(warnings.count - Self.shownWarnings)) more" }
                    element("ul") {
                        for warning in warnings.dropFirst(Self.shownWarnings) { element("li") { warning } }
                    }
                } : .empty)
    }

    var quality: Section? {
        guard facts.leaks != nil || facts.suspectedFalseNegatives != nil else { return nil }
        var content = Markup.empty
        if let leaks = facts.leaks {
            content += element("h3") { "The same text in training and in \(facts.split)" }
            content += lead(leaks.summary)
            if !leaks.findings.isEmpty {
                content += pageTable(
                    "Texts that are the same or nearly so",
                    note: leaks.findings.count < leaks.found ? "The \(leaks.findings.count) most alike." : nil,
                    columns: [.number("In common"), "What", "In training", "In \(facts.split)"],
                    rows: leaks.findings.map { finding in
                        [
                            PageCell(Number.percent(finding.similarity), value: finding.similarity),
                            PageCell(finding.kind.rawValue),
                            PageCell(small(finding.trainingId) + foreignText(finding.trainingText, showing: 240)),
                            PageCell(small(finding.testId) + foreignText(finding.testText, showing: 240)),
                        ]
                    })
            }
        }
        if let suspects = facts.suspectedFalseNegatives {
            content += element("h3") { "Labels to check" }
            content += lead(suspects.summary)
            if !suspects.suspects.isEmpty {
                content += pageTable(
                    "Documents that may be relevant",
                    note: suspects.suspects.count < suspects.found ? "\(suspects.suspects.count) of them." : nil,
                    columns: ["Query", "Document", .number("Rank, black box"), .number("Rank, local")],
                    rows: suspects.suspects.map { suspect in
                        let title = suspect.document.title
                        return [
                            PageCell(small(suspect.queryId) + foreignText(suspect.query, showing: 160)),
                            PageCell(
                                small(suspect.documentId)
                                    + (title.isEmpty ? .empty : element("strong", ["dir": "auto"]) { title + " " })
                                    + foreignText(suspect.document.text, showing: 240)),
                            PageCell("\(suspect.blackBoxRank)"), PageCell("\(suspect.localRank)"),
                        ]
                    })
            }
        }
        return Section(id: "quality", title: "Leaks and labels", content: content)
    }
}
