import MafinNumerics
import MafinRetrieval

/// A metric as a function of λ, measured on held-out queries from cached scores.
///
/// λ is chosen on dev, never on test. With few dev queries the fit by likelihood (``Calibration``) is steadier.
public struct LambdaSweep: Sendable, Codable, Hashable {
    /// One λ and what the metric says there.
    public struct Point: Sendable, Codable, Hashable {
        /// Share of the local score, in 0…1.
        public var lambda: Float
        /// Mean of the metric over the queries that have a relevant document.
        public var value: Double
    }

    /// Name of the metric, as ``MafinRetrieval/Metric`` prints it.
    public let metric: String
    /// The points in the order of the given λ; at least one.
    public let points: [Point]

    /// 0, 0.05, …, 1.
    public static let defaultLambdas: [Float] = (0...20).map { Float($0) / 20 }

    /// A sweep of any measure of a ranking, larger being better.
    /// - Parameters:
    ///   - metric: the measure's name.
    ///   - lambdas: at least one.
    ///   - value: the measure at one λ.
    public init(metric: String, lambdas: [Float] = defaultLambdas, value: (Float) throws -> Double) rethrows {
        precondition(!lambdas.isEmpty, "a sweep over no λ")
        self.metric = metric
        points = try lambdas.map { Point(lambda: $0, value: try value($0)) }
    }

    /// The point of the largest value; of equal ones that of the smallest λ, so that 0 wins where the local encoder brings nothing.
    public var best: Point {
        points.reduce(points[0]) { best, point in
            point.value > best.value || (point.value == best.value && point.lambda < best.lambda) ? point : best
        }
    }

    /// Sweeps λ over all documents' scores, with the order of trec_eval: equal scores by document id, descending bytewise.
    ///
    /// Only the ranks of relevant documents are found, in one pass over a row for each λ. Beside a block of scores, each thread holds one
    /// row of mixed scores. Masks of the labels are ignored: every document is ranked.
    /// - Parameters:
    ///   - blocks: both sources' scores of the held-out queries.
    ///   - labels: their relevant documents, one row a query; rows without one are left out.
    ///   - documentIds: one a column.
    ///   - metric: any metric of a ranking.
    ///   - lambdas: at least one.
    /// - Throws: ``CombinationError/notFinite(source:row:column:id:)``, ``CalibrationError/noLabelledRow(rows:)``, and what the source of the
    ///   blocks throws.
    /// - Complexity: O(λs · queries · documents), times the logarithm of the number of relevant documents for a metric without cutoff.
    public init(
        _ blocks: ScoreBlocks, labels: BlockLabels, documentIds: [String], metric: Metric,
        lambdas: [Float] = defaultLambdas
    ) throws {
        precondition(!lambdas.isEmpty, "a sweep over no λ")
        precondition(labels.rows == blocks.rows, "labels of \(labels.rows) rows for \(blocks.rows) rows of scores")
        guard labels.labelledRows > 0 else { throw CalibrationError.noLabelledRow(rows: labels.rows) }
        let ranker = RelevantRanks(tieOrder: RelevantRanks.tieOrder(documentIds: documentIds), metric: metric)
        // For each labelled query the metric at each λ.
        var values: [[Double]] = []
        try blocks.forEach { range, blackBox, local in
            precondition(
                local.columns == documentIds.count, "\(documentIds.count) identifiers for \(local.columns) documents")
            try ScoreBlocks.requireFinite(range, blackBox, local)
            values += ScoreBlocks.mapLabelledRows(range, blackBox, local, labels) { blackBox, local, relevant, _ in
                let judged = relevant.map(\.graded)
                return withUnsafeTemporaryAllocation(of: Float.self, capacity: local.count) { mixed in
                    lambdas.map { lambda in
                        MixtureWeights(lambda: lambda).mix(blackBox: blackBox, local: local, into: mixed)
                        return ranker.value(of: UnsafeBufferPointer(mixed), judged: judged)
                    }
                }
            }
        }
        let count = Double(labels.labelledRows)
        self.metric = metric.description
        points = lambdas.enumerated().map { index, lambda in
            Point(lambda: lambda, value: values.reduce(0) { $0 + $1[index] } / count)
        }
    }
}
