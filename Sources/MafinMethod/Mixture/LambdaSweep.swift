import MafinNumerics
import MafinRetrieval

/// A metric as a function of λ, measured on held-out queries from cached scores.
///
/// Choose λ on dev, never on test. With few dev queries the maximum-likelihood fit (``Calibration``) varies less.
public struct LambdaSweep: Sendable, Codable, Hashable {
    /// One λ and the value of the metric at it.
    public struct Point: Sendable, Codable, Hashable {
        /// Share of the local score, in 0…1.
        public var lambda: Float
        /// Mean of the metric over the queries that have a relevant document.
        public var value: Double
    }

    /// Name of the metric, as ``MafinRetrieval/Metric`` prints it.
    public let metric: String
    /// The points, in the order in which the λs were given. There is at least one.
    public let points: [Point]

    /// 0, 0.05, …, 1.
    public static let defaultLambdas: [Float] = (0...20).map { Float($0) / 20 }

    /// A sweep of any measure of a ranking for which larger is better.
    /// - Parameters:
    ///   - metric: the measure's name.
    ///   - lambdas: at least one.
    ///   - value: the measure at one λ.
    public init(metric: String, lambdas: [Float] = defaultLambdas, value: (Float) throws -> Double) rethrows {
        precondition(!lambdas.isEmpty, "a sweep over no λ")
        self.metric = metric
        points = try lambdas.map { Point(lambda: $0, value: try value($0)) }
    }

    /// The point of the largest value. Of equal values the smallest λ wins, so that λ is 0 if the local encoder does
    /// not help.
    public var best: Point {
        points.reduce(points[0]) { best, point in
            point.value > best.value || (point.value == best.value && point.lambda < best.lambda) ? point : best
        }
    }

    /// Measures the ranking of all documents at each λ. Equal scores are ordered as in trec_eval: by the bytes of the
    /// document id, descending.
    ///
    /// Only the ranks of the relevant documents are computed, in one pass over a row per λ. Memory: one block of
    /// scores, and one row of mixed scores per thread. Masks of the labels are ignored, so every document is ranked.
    /// - Parameters:
    ///   - blocks: the scores of the held-out queries by two sources, the black box first.
    ///   - labels: their relevant documents, one row per query. Rows without a relevant document are left out.
    ///   - documentIds: one a column.
    ///   - metric: any metric of a ranking.
    ///   - lambdas: at least one.
    /// - Throws: ``CombinationError/notFinite(source:row:column:id:)``, ``CalibrationError/noLabelledRow(rows:)``, and
    ///   whatever the closure that computes the blocks throws.
    /// - Complexity: O(λs · queries · documents), times the logarithm of the number of relevant documents for a metric without cutoff.
    public init(
        _ blocks: ScoreBlocks, labels: BlockLabels, documentIds: [String], metric: Metric,
        lambdas: [Float] = defaultLambdas
    ) throws {
        precondition(!lambdas.isEmpty, "a sweep over no λ")
        precondition(labels.rows == blocks.rows, "labels of \(labels.rows) rows for \(blocks.rows) rows of scores")
        guard labels.labelledRows > 0 else { throw CalibrationError.noLabelledRow(rows: labels.rows) }
        precondition(blocks.sources.count == 2, "λ weighs two sources, not \(blocks.sources.count)")
        let ranker = RelevantRanks(tieOrder: RelevantRanks.tieOrder(documentIds: documentIds), metric: metric)
        // For each labelled query the metric at each λ.
        var values: [[Double]] = []
        try blocks.forEachRow(labels.rowsWithLabels, checkingFinite: true) { row, scores in
            precondition(
                scores.count == documentIds.count, "\(documentIds.count) identifiers for \(scores.count) documents")
            let judged = labels.relevant[row].map(\.graded)
            return withUnsafeTemporaryAllocation(of: Float.self, capacity: scores.count) { mixed in
                lambdas.map { lambda in
                    MixtureWeights(lambda: lambda).mix(blackBox: scores[0], local: scores[1], into: mixed)
                    return ranker.value(of: UnsafeBufferPointer(mixed), judged: judged)
                }
            }
        } then: {
            values.append($0)
        }
        let count = Double(labels.labelledRows)
        self.metric = metric.description
        points = lambdas.enumerated().map { index, lambda in
            Point(lambda: lambda, value: values.reduce(0) { $0 + $1[index] } / count)
        }
    }
}
