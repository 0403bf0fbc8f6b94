/// The values of metrics for each judged query of a split.
public struct RunEvaluation: Sendable, Equatable, Codable {
    /// The measured queries, in the order of the qrels: those with at least one relevant document.
    public let queryIds: [String]
    /// For each metric one value per query, parallel to ``queryIds``.
    public let values: [Metric: [Double]]
    /// The mean over all of ``queryIds``.
    public let means: [Metric: Double]
    /// Number of judged queries that were left out because they have no relevant document.
    public let queriesWithoutRelevantDocument: Int
    /// Number of measured queries without a ranking in the run. They count as 0.
    public let queriesWithoutResult: Int

    /// Values that were measured in another way, such as by cross-fitting.
    /// - Parameter values: for each metric one value per query.
    package init(queryIds: [String], values: [Metric: [Double]]) {
        precondition(values.allSatisfy { $0.value.count == queryIds.count }, "values of another number of queries")
        self.init(
            queryIds: queryIds, values: values,
            means: values.mapValues { $0.isEmpty ? 0 : $0.reduce(0, +) / Double($0.count) },
            queriesWithoutRelevantDocument: 0, queriesWithoutResult: 0)
    }

    init(
        queryIds: [String], values: [Metric: [Double]], means: [Metric: Double], queriesWithoutRelevantDocument: Int,
        queriesWithoutResult: Int
    ) {
        (self.queryIds, self.values, self.means) = (queryIds, values, means)
        self.queriesWithoutRelevantDocument = queriesWithoutRelevantDocument
        self.queriesWithoutResult = queriesWithoutResult
    }

    /// The differences of a metric, query by query: this run minus `baseline`.
    /// - Precondition: both were measured on the same qrels, with this metric.
    public func differences(from baseline: RunEvaluation, in metric: Metric) -> [Double] {
        guard let mine = values[metric], let theirs = baseline.values[metric] else {
            preconditionFailure("\(metric) was not measured for both runs")
        }
        precondition(queryIds == baseline.queryIds, "the runs were measured on different queries")
        return zip(mine, theirs).map { $0 - $1 }
    }

    /// The values of the queries for which `isIncluded` returns `true`, and their means. The counts of queries left out
    /// do not change.
    public func filter(_ isIncluded: (_ queryId: String) -> Bool) -> RunEvaluation {
        let kept = queryIds.indices.filter { isIncluded(queryIds[$0]) }
        let values = values.mapValues { column in kept.map { column[$0] } }
        return RunEvaluation(
            queryIds: kept.map { queryIds[$0] }, values: values,
            means: values.mapValues { $0.isEmpty ? 0 : $0.reduce(0, +) / Double($0.count) },
            queriesWithoutRelevantDocument: queriesWithoutRelevantDocument, queriesWithoutResult: queriesWithoutResult)
    }
}

/// Measures a run.
///
/// The mean is over every judged query with a relevant document. A query that the run does not answer counts as 0
/// (trec_eval `-c`). Queries that only the run has are ignored.
/// - Complexity: linear in the rankings' length.
public func evaluate(_ run: Run, against qrels: Qrels, metrics: [Metric] = Metric.standard) -> RunEvaluation {
    var queryIds: [String] = []
    var columns = [[Double]](repeating: [], count: metrics.count)
    var unanswered = 0
    for query in qrels.queryIds where qrels.hasRelevantDocument(query) {
        queryIds.append(query)
        if run[query] == nil { unanswered += 1 }
        let ranking = JudgedRanking(run[query] ?? [], judgments: qrels[query] ?? [:])
        for (column, metric) in metrics.enumerated() { columns[column].append(metric.value(of: ranking)) }
    }
    var values: [Metric: [Double]] = [:]
    var means: [Metric: Double] = [:]
    for (column, metric) in metrics.enumerated() {
        values[metric] = columns[column]
        means[metric] = queryIds.isEmpty ? 0 : columns[column].reduce(0, +) / Double(queryIds.count)
    }
    return RunEvaluation(
        queryIds: queryIds, values: values, means: means,
        queriesWithoutRelevantDocument: qrels.queryIds.count - queryIds.count, queriesWithoutResult: unanswered)
}
