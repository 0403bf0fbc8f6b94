import MafinPipeline
import MafinRetrieval

/// What changed from one report to another, system by system.
public struct ReportDifference: Sendable, Equatable, Codable {
    /// One query's change with one system.
    public struct QueryChange: Sendable, Equatable, Codable {
        /// The query.
        public var queryId: String
        /// The metric in the first report.
        public var first: Double
        /// The metric in the second report.
        public var second: Double

        /// Second minus first.
        public var change: Double { second - first }
    }

    /// A paired comparison of one system's values in both reports.
    public struct Paired: Sendable, Equatable, Codable {
        /// Second minus first, with interval and p; p is corrected over the systems of the reports.
        public var difference: MetricDifference
        /// Queries worse, equal and better in the second report.
        public var balance: Balance
        /// All queries of both reports whose value changed, the largest change first.
        public var changes: [QueryChange]
    }

    /// Means of one system in both reports over the queries about known documents, or over those about new ones.
    public struct Group: Sendable, Equatable, Codable {
        /// In the first report.
        public var first: GroupResult
        /// In the second report.
        public var second: GroupResult
    }

    /// One system that is in both reports. The artefact that a comparison ships is the system `artefact`, as in an evaluation.
    public struct System: Sendable, Equatable, Codable {
        /// ``SystemFacts/name``.
        public var name: String
        /// Means in the first report.
        public var first: [Metric: Double]
        /// Means in the second report.
        public var second: [Metric: Double]
        /// Over the queries about known documents; `nil` unless both reports have them.
        public var known: Group?
        /// Over the queries about new documents; `nil` unless both reports have them.
        public var new: Group?
        /// Query by query in the metric that decides; `nil` if a report has no values of single queries.
        public var paired: Paired?
    }

    /// Name of the first report.
    public var first: String
    /// Name of the second report.
    public var second: String
    /// The metric that is compared query by query.
    public var metric: Metric
    /// Queries that both reports hold values of.
    public var commonQueries: Int
    /// Queries that only the first report holds values of; they are not compared.
    public var onlyInFirst: [String]
    /// Queries that only the second report holds values of; they are not compared.
    public var onlyInSecond: [String]
    /// Systems of both reports, in the order of the second.
    public var systems: [System]
    /// Systems of the first report alone.
    public var systemsOnlyInFirst: [String]
    /// Systems of the second report alone.
    public var systemsOnlyInSecond: [String]
    /// Other differences of the reports that may explain a change, each in a sentence.
    public var notes: [String]

    /// Compares two reports.
    /// - Parameter metric: what is compared query by query; `nil` for the metric that decides in the second report.
    /// - Throws: ``ReportError/incomparable(first:second:reason:)`` if no system is in both reports, if no common system has the metric, or if both
    ///   have values of single queries but no query in common.
    public init(
        first: (name: String, facts: ComparisonFacts), second: (name: String, facts: ComparisonFacts),
        metric: Metric? = nil, bootstrap: PairedBootstrap = PairedBootstrap(),
        test: PairedRandomizationTest = PairedRandomizationTest()
    ) throws {
        let metric = metric ?? second.facts.metric
        let rows = (first.facts.comparableSystems, second.facts.comparableSystems)
        let names = (Set(rows.0.map(\.name)), Set(rows.1.map(\.name)))
        let common = rows.1.map(\.name).filter(names.0.contains)
        func refuse(_ reason: String) -> ReportError {
            .incomparable(first: first.name, second: second.name, reason: reason)
        }
        guard !common.isEmpty else {
            throw refuse(
                "no system is in both (\(names.0.sorted().joined(separator: ", ")) in one, "
                    + "\(names.1.sorted().joined(separator: ", ")) in the other)")
        }
        func system(_ name: String, _ rows: [SystemFacts]) -> SystemFacts? { rows.first { $0.name == name } }
        let means = common.map { name in
            (system(name, rows.0)?.metrics ?? [:], system(name, rows.1)?.metrics ?? [:])
        }
        guard means.contains(where: { $0.0[metric] != nil && $0.1[metric] != nil }) else {
            throw refuse("no system has \(metric) in both")
        }
        let ids = (first.facts.perQuery?.queryIds ?? [], second.facts.perQuery?.queryIds ?? [])
        let places = (Self.places(ids.0), Self.places(ids.1))
        let queries = ids.0.filter { places.1[$0] != nil }
        let areBoth = first.facts.perQuery != nil && second.facts.perQuery != nil
        if areBoth, queries.isEmpty { throw refuse("they hold values of single queries, but of none in common") }
        self.first = first.name
        self.second = second.name
        self.metric = metric
        commonQueries = queries.count
        onlyInFirst = areBoth ? ids.0.filter { places.1[$0] == nil } : []
        onlyInSecond = areBoth ? ids.1.filter { places.0[$0] == nil } : []
        systemsOnlyInFirst = rows.0.map(\.name).filter { !names.1.contains($0) }
        systemsOnlyInSecond = rows.1.map(\.name).filter { !names.0.contains($0) }
        notes = Self.notes(first.facts, second.facts)

        // One column for each system, so that all systems share the resamples.
        let columns = common.map { name -> (first: [Double], second: [Double])? in
            guard let mine = first.facts.perQuery?.values(of: name, in: metric),
                let theirs = second.facts.perQuery?.values(of: name, in: metric), !queries.isEmpty
            else { return nil }
            return (
                queries.compactMap { places.0[$0].map { mine[$0] } },
                queries.compactMap { places.1[$0].map { theirs[$0] } }
            )
        }
        let differences = columns.compactMap { $0.map { zip($0.second, $0.first).map { $0 - $1 } } }
        let intervals = bootstrap.intervals(of: differences)
        let pValues = test.pValues(of: differences)
        let adjusted = holmAdjusted(pValues)
        var next = 0
        systems = []
        for (index, name) in common.enumerated() {
            var difference = System(name: name, first: means[index].0, second: means[index].1, paired: nil)
            func group(_ group: (SystemFacts) -> GroupResult?) -> Group? {
                guard let mine = system(name, rows.0).flatMap(group), let theirs = system(name, rows.1).flatMap(group)
                else { return nil }
                return Group(first: mine, second: theirs)
            }
            (difference.known, difference.new) = (group { $0.known }, group { $0.new })
            if let values = columns[index] {
                let changes = queries.indices.map {
                    QueryChange(queryId: queries[$0], first: values.first[$0], second: values.second[$0])
                }
                difference.paired = Paired(
                    difference: MetricDifference(
                        mean: intervals[next].mean, low: intervals[next].low, high: intervals[next].high,
                        p: pValues[next], pHolm: adjusted[next]),
                    balance: Balance(differences: differences[next]),
                    changes: changes.filter { abs($0.change) > Balance.tolerance }
                        .sorted { (abs($1.change), $0.queryId) < (abs($0.change), $1.queryId) })
                next += 1
            }
            systems.append(difference)
        }
    }

    /// The system that a page of the difference shows unless the user names one: that of the second report's verdict, otherwise the artefact,
    /// otherwise the last one.
    public func shown(verdict: VerdictFacts?) -> String? {
        let names = systems.map(\.name)
        return [verdict?.system, ArtefactEvaluation.artefactName].compactMap(\.self).first(where: names.contains)
            ?? names.last
    }

    private static func places(_ queryIds: [String]) -> [String: Int] {
        Dictionary(queryIds.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    }

    private static func notes(_ first: ComparisonFacts, _ second: ComparisonFacts) -> [String] {
        func hashes(_ facts: ComparisonFacts) -> [String: String] {
            Dictionary(
                (facts.provenance?.inputs ?? []).map { ($0.role, $0.sha256) }, uniquingKeysWith: { first, _ in first })
        }
        let (mine, theirs) = (hashes(first), hashes(second))
        let changed = mine.keys.filter { theirs[$0] != nil && theirs[$0] != mine[$0] }.sorted()
        let notes = [
            (first.split != second.split, "The splits differ: \(first.split) and \(second.split)."),
            (first.queries != second.queries, "The means are over \(first.queries) and \(second.queries) queries."),
            (first.baseline != second.baseline, "The baselines differ: \(first.baseline) and \(second.baseline)."),
            (
                first.schemaVersion != second.schemaVersion && min(first.schemaVersion, second.schemaVersion) < 3
                    && first.newDocuments != nil && second.newDocuments != nil,
                "The older report calls a document known only if train named it, the newer one also if dev did."
            ),
            (!changed.isEmpty, "The inputs differ: \(changed.joined(separator: ", "))."),
            (
                (first.systems + second.systems).contains { $0.seeds != nil },
                "Values of single queries are means over seeds; the variance between seeds is not included."
            ),
        ]
        return notes.filter(\.0).map(\.1)
    }
}

extension ComparisonFacts {
    /// The name of the sum that an artefact holds for queries that are not asked. An evaluation calls it `mafin-offline`, which in a comparison
    /// is one sum among others.
    static let offlineArtefact = "\(ArtefactEvaluation.artefactName)-offline"

    /// The systems, and the artefact under the names that it has in an evaluation.
    var comparableSystems: [SystemFacts] {
        let name = ArtefactEvaluation.artefactName
        func artefact(_ name: String, _ chosen: ChosenFacts) -> SystemFacts {
            var artefact = SystemFacts(name: name, metrics: chosen.all.metrics)
            (artefact.known, artefact.new) = (chosen.known, chosen.new)
            return artefact
        }
        guard system(named: name) == nil else {
            return systems.map { system in
                var system = system
                if system.name == ArtefactEvaluation.offlineName { system.name = Self.offlineArtefact }
                return system
            }
        }
        return systems + (chosen.map { [artefact(name, $0)] } ?? [])
            + (offline?.shipped.map { [artefact(Self.offlineArtefact, $0)] } ?? [])
    }
}
