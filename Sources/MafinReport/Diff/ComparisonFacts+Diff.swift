import MafinRetrieval

extension ComparisonFacts {
    /// Two runs as a comparison, to be shown as a page: the first is the baseline.
    /// - Parameters:
    ///   - metric: the metric that decides which run is better on a query. The page has the standard metrics too.
    ///   - collection: texts of queries and documents; `nil`: identifiers are shown.
    /// - Throws: `RetrievalError/noJudgedQueries(path:)` if no query has a relevant document.
    public init(
        first: (name: String, run: Run), second: (name: String, run: Run), qrels: Qrels, split: String, metric: Metric,
        collection: RetrievalCollection? = nil
    ) throws {
        // Both may have the same name, such as mafin.run in two folders.
        let second = first.name == second.name ? (name: "\(second.name) (second)", run: second.run) : second
        let metrics = [metric] + Metric.standard.filter { $0 != metric }
        let evaluations = [first, second].map {
            (name: $0.name, evaluation: evaluate($0.run, against: qrels, metrics: metrics))
        }
        self.init(
            title: "\(first.name) → \(second.name)",
            try EvaluationReport(split: split, evaluations: evaluations, baseline: first.name, metrics: metrics),
            metric: metric)
        statistics = StatisticsFacts(comparisons: 1)
        perQuery = PerQueryFacts(
            evaluations, metrics: [metric], texts: collection.map { texts in { texts.queryText($0) ?? $0 } })
        examples = ExampleFacts(
            system: second, baseline: first, qrels: qrels, metric: metric, query: { collection?.queryText($0) },
            document: { collection?.document($0) })
    }

    /// One system of two reports as a comparison, to be shown as a page: the first report is the baseline.
    /// - Parameter difference: the reports' difference; its metric is shown, over the queries of both.
    /// - Returns: `nil` if a report has no values of single queries for this system.
    public init?(
        _ difference: ReportDifference, system name: String, first: ComparisonFacts, second: ComparisonFacts
    ) {
        let metric = difference.metric
        guard let paired = difference.systems.first(where: { $0.name == name })?.paired,
            let before = first.perQuery?.values(of: name, in: metric), let beforeIds = first.perQuery?.queryIds,
            let after = second.perQuery?.values(of: name, in: metric), let afterIds = second.perQuery?.queryIds
        else { return nil }
        let rows = Dictionary(zip(afterIds, afterIds.indices), uniquingKeysWith: { first, _ in first })
        let pairs = beforeIds.indices.compactMap { index in
            rows[beforeIds[index]].map { (id: beforeIds[index], before: before[index], after: after[$0], row: $0) }
        }
        guard !pairs.isEmpty else { return nil }
        func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
        let names = (
            first: difference.first,
            second: difference.second == difference.first ? "\(difference.second) (second)" : difference.second
        )
        self.init(
            title: "\(name): \(names.first) → \(names.second)", split: second.split, baseline: names.first,
            metric: metric, queries: pairs.count,
            systems: [
                SystemFacts(name: names.first, metrics: [metric: mean(pairs.map(\.before))]),
                SystemFacts(
                    name: names.second, metrics: [metric: mean(pairs.map(\.after))],
                    difference: [metric: paired.difference]),
            ])
        statistics = StatisticsFacts(comparisons: difference.systems.count { $0.paired != nil })
        perQuery = PerQueryFacts(
            queryIds: pairs.map(\.id), texts: second.perQuery?.texts.map { texts in pairs.map { texts[$0.row] } },
            systems: [
                .init(name: names.first, values: [metric: pairs.map(\.before)]),
                .init(name: names.second, values: [metric: pairs.map(\.after)]),
            ])
    }
}
