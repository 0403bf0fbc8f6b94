import MafinMethod
import MafinNumerics
import MafinRetrieval

/// What rivals learn from and choose on: labels by row, and a metric. Free of texts and vectors.
public struct RivalData: Sendable {
    /// Labels, and which queries they may be used for.
    public let index: TrainingIndex
    /// What is chosen by, on the development queries.
    public let metric: Metric

    /// - Parameters:
    ///   - index: the same as the encoder's training has, or one made from labels alone.
    ///   - metric: larger is better.
    /// - Throws: ``TrainingError/noQueries(list:reason:)`` without development queries.
    public init(index: TrainingIndex, metric: Metric = .nDCG(cutoff: 10)) throws {
        guard !index.devQueries.isEmpty else {
            throw TrainingError.noQueries(
                list: "development queries", reason: "without them a rival cannot choose its settings")
        }
        self.index = index
        self.metric = metric
    }

    /// Labels by row, texts all different.
    /// - Parameters:
    ///   - labels: for each query its judged documents; grades of 0 and below are no positives. Those of test queries are not looked at.
    ///   - trainQueries: to learn from.
    ///   - devQueries: to choose on.
    /// - Throws: ``TrainingError`` naming the query or document that does not fit.
    public init(
        labels: [[Judgement]], documentCount: Int, trainQueries: [Int], devQueries: [Int],
        metric: Metric = .nDCG(cutoff: 10)
    ) throws {
        try self.init(
            index: TrainingIndex(
                labels: labels, trainQueries: trainQueries, devQueries: devQueries,
                queryLengths: [Int](repeating: 1, count: labels.count),
                documentLengths: [Int](repeating: 1, count: documentCount)), metric: metric)
    }

    /// The same, to learn from some of the training queries alone.
    /// - Throws: ``TrainingError`` where no query is left.
    public func limited(toTrainQueries rows: [Int]) throws -> RivalData {
        try RivalData(index: index.limited(toTrainQueries: rows), metric: metric)
    }

    /// The metric of a system for each development query, in the order of ``TrainingIndex/devQueries``.
    /// - Throws: what the system throws.
    public func developmentValues(
        of system: any RankingSystem, metric: Metric? = nil
    ) throws -> [Double] {
        let ranker = RelevantRanks(tieOrder: index.tieOrder, metric: metric ?? self.metric)
        var values: [Double] = []
        try system.forEachBlock(of: index.devQueries) { range, scores in
            values += ranker.values(of: scores, judged: index.judged(index.devQueries[range]))
        }
        return values
    }

    /// The mean of the metric over the development queries.
    /// - Throws: what the system throws.
    public func development(of system: any RankingSystem, metric: Metric? = nil) throws -> Double {
        let values = try developmentValues(of: system, metric: metric)
        return values.reduce(0, +) / Double(values.count)
    }
}
