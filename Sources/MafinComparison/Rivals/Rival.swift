import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// A method that improves a ranking with labels, without training an encoder. It is compared with trained encoders on
/// the same labels.
///
/// It learns from the training queries and makes every choice on the development queries. It sees no other labels. The
/// same data and seed give the same system.
public protocol Rival: Sendable {
    /// Its name in tables and JSON.
    var name: String { get }

    /// Learns from the training queries and chooses on dev.
    /// - Parameter seed: the seed of everything random.
    /// - Throws: `CancellationError` when cancelled; ``TrainingError`` and ``CombinationError`` for data that it cannot learn from.
    func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival
}

extension Rival {
    /// The same without cancellation.
    public func fit(to data: RivalData, seed: UInt64 = 1) throws -> FittedRival {
        try fit(to: data, seed: seed, isCancelled: { false })
    }
}

/// A rival after it has learned.
public struct FittedRival: Sendable {
    /// Its name in tables and JSON.
    public let name: String
    /// The system that ranks.
    public let system: any RankingSystem
    /// The metric on the development queries. Choices were made on them, so the figure is slightly too high.
    public let development: Double
    /// What was chosen on dev, by name.
    public let choices: [String: ManifestValue]

    /// A rival from its parts.
    public init(name: String, system: any RankingSystem, development: Double, choices: [String: ManifestValue] = [:]) {
        self.name = name
        self.system = system
        self.development = development
        self.choices = choices
    }
}

/// A system that has nothing to learn or choose, such as reciprocal rank fusion, as a rival.
public struct UntunedRival: Rival {
    /// Its name in tables and JSON.
    public let name: String
    /// The system that ranks.
    public let system: any RankingSystem

    /// A system with a name.
    public init(_ system: any RankingSystem, name: String) {
        self.system = system
        self.name = name
    }

    /// See ``Rival/fit(to:seed:isCancelled:)``. Only measures the system on dev.
    public func fit(to data: RivalData, seed: UInt64, isCancelled: () -> Bool) throws -> FittedRival {
        FittedRival(name: name, system: system, development: try data.development(of: system))
    }
}

/// The data that rivals learn from and choose on: labels by row, and a metric. It holds no texts and no vectors.
public struct RivalData: Sendable {
    /// The labels, and the split into training and development queries.
    public let index: TrainingIndex
    /// The metric by which choices on the development queries are made.
    public let metric: Metric

    /// - Parameter index: the index of the encoder's training, or one made only from labels.
    /// - Throws: ``TrainingError/noQueries(list:reason:)`` if there are no development queries.
    public init(index: TrainingIndex, metric: Metric = .nDCG(cutoff: 10)) throws {
        guard !index.devQueries.isEmpty else {
            throw TrainingError.noQueries(
                list: "development queries", reason: "without them a rival cannot choose its settings")
        }
        self.index = index
        self.metric = metric
    }

    /// Data from labels by row. All texts are assumed to differ.
    /// - Parameter labels: for each query its judged documents. Grades of 0 and below are not relevant. Labels of
    ///   queries that are neither for training nor for development are not used.
    /// - Throws: ``TrainingError`` with the query or document that does not fit.
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

    /// The mean of the metric over the development queries.
    /// - Throws: whatever the system throws.
    public func development(of system: any RankingSystem) throws -> Double {
        try developments(of: system, variants: 1) { _, scores, measure in measure(0, scores) }[0]
    }

    /// The means of a metric over the development queries, one for each variant of a system.
    /// - Parameters:
    ///   - metric: the metric to compute; `nil`: ``metric``.
    ///   - body: receives a block of queries with the system's scores, and passes the scores of each variant to
    ///     `measure`.
    func developments(
        of system: any RankingSystem, variants count: Int, metric: Metric? = nil,
        _ body: (_ queries: [Int], _ scores: Matrix, _ measure: (_ variant: Int, Matrix) -> Void) throws -> Void
    ) throws -> [Double] {
        let ranker = RelevantRanks(tieOrder: index.tieOrder, metric: metric ?? self.metric)
        var sums = [Double](repeating: 0, count: count)
        try system.forEachBlock(of: index.devQueries) { range, scores in
            let queries = Array(index.devQueries[range])
            let judged = index.judged(queries)
            try body(queries, scores) { sums[$0] += ranker.values(of: $1, judged: judged).reduce(0, +) }
        }
        return sums.map { $0 / Double(index.devQueries.count) }
    }
}
