import Foundation
import MafinMethod

/// How sure a stand-in's ranking of a query is: the probability of its first document under the fitted weights,
/// `P = softmax(Σ_k w_k s_k)`, over the best ``depth`` documents. The weights maximise the likelihood of labels, so this is a
/// probability and not only an order (``MafinMethod/WeightFit``).
///
/// A query below a threshold is worth asking the black box.
public enum Sureness {
    /// Documents that the probability is taken over. Further ones would add next to nothing.
    public static let depth = 100

    /// - Parameters:
    ///   - scores: of the best documents by the mixture's weights for ranking, the best first.
    ///   - mixture: whose weights are fitted.
    /// - Returns: in 0…1; 1 for a single document, 0 for none.
    package static func probability(ofFirst scores: some Collection<Float>, _ mixture: Mixture) -> Double {
        guard let first = scores.first else { return 0 }
        let factor = Double(mixture.logitPerScore)
        return 1 / scores.prefix(depth).reduce(0) { $0 + exp(factor * (Double($1) - Double(first))) }
    }

    /// A threshold, and what it leads to on the development queries.
    public struct Point: Sendable, Codable, Hashable {
        /// Queries whose ``Sureness`` is below it are asked.
        public var threshold: Double
        /// Their share.
        public var asked: Double
        /// The mean of the deciding metric over all queries.
        public var metric: Double

        /// All three.
        public init(threshold: Double, asked: Double, metric: Double) {
            (self.threshold, self.asked, self.metric) = (threshold, asked, metric)
        }
    }

    /// The metric as a function of the share of queries that are asked, from none to all, at about `count` thresholds.
    /// - Parameters:
    ///   - sureness: of each query.
    ///   - offline: the metric of each query if it is not asked.
    ///   - asked: the same if it is.
    public static func curve(
        sureness: [Double], offline: [Double], asked: [Double], count: Int = 20
    ) -> [Point] {
        precondition(sureness.count == offline.count && offline.count == asked.count, "values of other queries")
        let order = sureness.indices.sorted { (sureness[$0], $0) < (sureness[$1], $1) }
        guard !order.isEmpty else { return [] }
        let total = Double(order.count)
        var sum = offline.reduce(0, +)
        var sums = [sum]
        for query in order {
            sum += asked[query] - offline[query]
            sums.append(sum)
        }
        return (0...count).map { step in
            let number = order.count * step / count
            let threshold = number < order.count ? sureness[order[number]] : 1.000_001
            return Point(threshold: threshold, asked: Double(number) / total, metric: sums[number] / total)
        }
    }
}
