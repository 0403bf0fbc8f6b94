import MafinRetrieval

/// What known and new documents are, and how many queries ask for each.
///
/// A query is about known documents if labels of train or dev named every document that is relevant for it. All other queries are about new
/// documents. A system that remembers documents, or moves them, gains on known ones and can lose on new ones.
public struct NewDocumentFacts: Sendable, Equatable, Codable {
    /// Number of measured queries about known documents.
    public var knownQueries: Int
    /// Number of measured queries about new documents.
    public var newQueries: Int
    /// The mean share of relevant documents that labels named, over the queries about new documents; `nil` if there are none.
    public var namedShare: Double?
    /// The share of queries about new documents, in 0…1, for which weights were fitted and systems chosen; `nil` if it is not known.
    public var expected: Double?
    /// Whether the user gave ``expected``. Otherwise it is the default.
    public var isGiven: Bool?
}

extension NewDocumentFacts {
    /// - Parameter given: the share that the user gave; `nil`: none.
    init(_ partition: QueryPartition, expected: Double, given: Double?) {
        let shares = partition.seenShares
        self.init(
            knownQueries: partition.seenDocuments.count, newQueries: partition.newDocuments.count,
            namedShare: shares.isEmpty ? nil : shares.reduce(0, +) / Double(shares.count), expected: expected,
            isGiven: given != nil)
    }

    /// The share of measured queries that are about new documents; `nil` without queries.
    var measured: Double? {
        let all = knownQueries + newQueries
        return all == 0 ? nil : Double(newQueries) / Double(all)
    }

    /// Which share was expected, how it was chosen, and what it is in the measured split; `nil` if none was.
    func expectation(split: String) -> String? {
        guard let expected else { return nil }
        return "Weights were fitted and systems chosen for \(Number.percent(expected)) of queries about new documents "
            + (isGiven == true ? "(--new-documents)" : "(the default; --new-documents changes it)") + "."
            + (measured.map { " In \(split) it is \(Number.percent($0))." } ?? "")
    }
}

/// A group of queries, and each system's figures on it.
struct QueryGroup {
    var title: String
    /// Which queries are in it.
    var summary: String
    var queries: Int
    var result: (SystemFacts) -> GroupResult?
}

extension ComparisonFacts {
    /// The groups of queries: those about known documents, those about new ones, and the further subsets.
    var groups: [QueryGroup] {
        var groups = documentGroups
        for subset in subsets ?? [] {
            add(subset.title, subset.summary, to: &groups) { system in
                system.subsets?.first { $0.subset == subset.name }.map {
                    GroupResult(queries: subset.queries, metrics: $0.metrics, difference: $0.difference)
                }
            }
        }
        return groups
    }

    private var documentGroups: [QueryGroup] {
        var groups: [QueryGroup] = []
        let share = newDocuments?.namedShare.map {
            "; on average, labels named \(Number.percent($0)) of a query’s relevant documents"
        }
        add("Known documents", "every relevant document was named by a label of train or dev", to: &groups) { $0.known }
        add("New documents", "some relevant document was named by none" + (share ?? ""), to: &groups) {
            $0.new
        }
        return groups
    }

    /// Adds a group if some system has figures on it.
    private func add(
        _ title: String, _ summary: String, to groups: inout [QueryGroup],
        _ result: @escaping (SystemFacts) -> GroupResult?
    ) {
        guard let queries = systems.lazy.compactMap({ result($0)?.queries }).first else { return }
        groups.append(QueryGroup(title: title, summary: summary, queries: queries, result: result))
    }

    /// Whether the groups say more than the table of all systems.
    var hasGroupFigures: Bool {
        groups.contains { $0.queries < queries }
            || systems.contains { $0.development.map { $0.known != $0.new } ?? false }
    }

    /// Whether figures on dev are known.
    var hasDevelopment: Bool { systems.contains { $0.development != nil } }

    /// What the groups are for, in sentences.
    var groupNotes: [String] {
        guard let newDocuments else { return [] }
        let notes: [String?] = [
            "A system that remembers documents, or moves them, gains on known documents and can lose on new ones.",
            newDocuments.expectation(split: split),
            systems.contains { $0.development?.new != nil }
                ? "On dev, the figure for new documents is that of the same queries if no label had named a part of their answers, at least half."
                : nil,
        ]
        return notes.compactMap(\.self)
    }

    /// The figures by known and new documents as text for a terminal; `nil` if they say no more than the table of all systems.
    public func groupText() -> String? {
        let shown = documentGroups
        guard hasGroupFigures, !shown.isEmpty else { return nil }
        var columns: [Table.Column] = [.init(metric.description)]
        for group in shown {
            columns += [.number(group.title.replacing(" documents", with: "").lowercased()), .number("gain")]
        }
        if hasDevelopment { columns += [.number("dev known"), .number("dev new")] }
        var table = Table(columns: columns)
        for system in systems {
            var cells = [system.name]
            for group in shown {
                let result = group.result(system)
                let gain = result?.difference?[metric].map { Number.signed($0.mean) }
                cells += [Number.mean(result?.metrics[metric]), gain ?? "–"]
            }
            if hasDevelopment { cells += [system.development?.known, system.development?.new].map { Number.mean($0) } }
            table.append(cells)
        }
        var lines = shown.map { "\($0.title) (\(Number.count($0.queries)) queries): \($0.summary)." }
        lines += groupNotes
        return (table.text() + "\n" + lines.joined(separator: "\n")).safeForTerminal
    }

    /// Reports of versions 1 and 2 had known and new documents among their subsets, and called a document known only if train named it.
    mutating func readGroupsOfVersion2() {
        func move(_ name: String, to group: WritableKeyPath<SystemFacts, GroupResult?>) -> Int {
            guard let subset = subsets?.first(where: { $0.name == name }) else { return 0 }
            subsets?.removeAll { $0.name == name }
            for index in systems.indices {
                guard let result = systems[index].subsets?.first(where: { $0.subset == name }) else { continue }
                systems[index][keyPath: group] = GroupResult(
                    queries: subset.queries, metrics: result.metrics, difference: result.difference)
                systems[index].subsets?.removeAll { $0.subset == name }
            }
            return subset.queries
        }
        let (known, new) = (move("seen-documents", to: \.known), move("new-documents", to: \.new))
        if known + new > 0 { newDocuments = NewDocumentFacts(knownQueries: known, newQueries: new) }
    }
}
