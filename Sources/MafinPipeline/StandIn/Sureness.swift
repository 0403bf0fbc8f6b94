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
        probability(ofFirst: scores, logitPerScore: mixture.logitPerScore)
    }

    /// The same for scores by any weights, if a fitted logit is `logitPerScore` times a score.
    package static func probability(ofFirst scores: some Collection<Float>, logitPerScore: Float) -> Double {
        guard let first = scores.first else { return 0 }
        let factor = Double(logitPerScore)
        return 1 / scores.prefix(depth).reduce(0) { $0 + exp(factor * (Double($1) - Double(first))) }
    }

    /// The threshold of ``curve(sureness:offline:asked:count:)`` at which all queries are asked. It is above 1, because a
    /// ranking of a single document is sure.
    static let askingAll = 1.000_001

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
    /// Queries that are equally sure are asked together, so no two points have the same threshold.
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
        // The places at which the sureness rises. All queries before one of them are below the threshold there. A threshold of 1
        // means all queries, so those that are quite sure are asked only at the last point.
        let places = order.indices.filter {
            $0 == 0 || sureness[order[$0 - 1]] < sureness[order[$0]] && sureness[order[$0]] < 1
        }
        var last = -1
        let chosen = (0..<count).compactMap { step -> Int? in
            guard let place = places.last(where: { $0 <= order.count * step / count }), place > last else { return nil }
            last = place
            return place
        }
        return chosen.map {
            // Where all are quite sure, only 0 asks none.
            let threshold = sureness[order[$0]]
            return Point(threshold: threshold < 1 ? threshold : 0, asked: Double($0) / total, metric: sums[$0] / total)
        } + [Point(threshold: askingAll, asked: 1, metric: sums[order.count] / total)]
    }
}
