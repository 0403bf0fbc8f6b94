import MafinPipeline

extension ReportPage {
    var provenance: Section? {
        guard let provenance = facts.provenance else { return nil }
        var content = Markup.empty
        if let command = provenance.command {
            content += element("h3") { "Command" }
            content += element("pre", ["tabindex": "0"]) { element("code") { command } }
        }
        for group in provenance.groups {
            content += factsTable(group.title, group.rows.map { ($0, $2 ? code($1) : .text($1)) })
        }
        if let inputs = provenance.inputs, !inputs.isEmpty {
            content += pageTable(
                "Inputs", columns: ["What", "File", .number("Entries"), "SHA-256"],
                rows: inputs.map {
                    [
                        PageCell($0.role), PageCell($0.name), PageCell(Number.count($0.count)),
                        PageCell(code($0.sha256)),
                    ]
                })
        }
        return content == .empty ? nil : Section(id: "provenance", title: "How to reproduce it", content: content)
    }

    private func code(_ text: String) -> Markup { element("code") { text } }

    var omissions: Section? {
        let omissions = facts.allOmissions
        guard !omissions.isEmpty else { return nil }
        return Section(
            id: "left-out", title: "Left out",
            content: factsTable("What is not in this report", omissions.map { ($0.what, .text($0.reason)) }))
    }
}

extension ComparisonFacts {
    /// Everything that is missing: the stated omissions and, in a comparison with a verdict, sections without facts.
    var allOmissions: [Omission] {
        let stated = omissions ?? []
        guard verdict != nil else { return stated }
        let sections: [(what: String, isAbsent: Bool, reason: String)] = [
            ("Query by query", perQuery == nil, "Values of single queries were not kept."),
            ("Wins and losses", examples == nil, "Rankings were not kept."),
            ("Training", trainingCurves == nil, "No encoder was trained."),
            ("Learning curve", learningCurve == nil, "Training with fewer labels was not run."),
            ("Leaks", leaks == nil, "Training and \(split) were not searched for common texts."),
        ]
        let names = Set(stated.map { $0.what.lowercased() })
        return stated
            + sections.filter { $0.isAbsent && !names.contains($0.what.lowercased()) }
            .map { Omission(what: $0.what, reason: $0.reason) }
    }
}
