/// The graph of an index, and how many of the best documents searches find with it. It is a part of `index.json`.
package struct ApproximationRecord: Sendable, Codable, Equatable {
    /// Name of the graph's file.
    package static let file = "graph.hnsw"

    /// Links of a document on the upper levels, and twice as many on the lowest.
    package var links: Int
    /// Documents that were looked at before a document was linked.
    package var buildBreadth: Int
    /// The weight of each part of the index in the nearness of two documents. They add up to 1.
    package var weights: [Float]
    /// Number of documents whose vectors were the queries of the measurement.
    package var sample: Int
    /// What was found with each of the weights that the artefact can rank by. Searches with other weights are exact.
    package var measured: [Recall]

    /// Shares of the exact best that were found.
    package struct Recall: Sendable, Codable, Equatable {
        /// The weight of each part of the index. They add up to 1.
        package var weights: [Float]
        /// Candidates of a search with them. One that wants more than half as many documents takes twice as many as it wants.
        package var breadth: Int
        /// Share of the best 10, and of the best 100. A document with the score of the last of them counts, too.
        package var at10: Double
        package var at100: Double
    }

    /// Two shares of weights that differ by less than this are the same.
    private static let tolerance: Float = 1e-4

    /// What was measured with these weights, up to a factor; `nil` if nothing was.
    package func recall(with weights: [Float]) -> Recall? {
        guard let shares = Self.shares(weights) else { return nil }
        return measured.first { recall in
            recall.weights.count == shares.count
                && zip(recall.weights, shares).allSatisfy { abs($0 - $1) < Self.tolerance }
        }
    }

    /// The weights divided by their sum; `nil` if that is 0.
    static func shares(_ weights: [Float]) -> [Float]? {
        let sum = weights.reduce(0, +)
        guard sum > 0, sum.isFinite else { return nil }
        return weights.map { $0 / sum }
    }

    /// The first thing that makes no sense; `nil` if there is none.
    func fault(parts: Int) -> String? {
        let lists = [weights] + measured.map(\.weights)
        if lists.contains(where: { $0.count != parts || !$0.allSatisfy { $0 >= 0 && $0 <= 1 } }) {
            return "expected \(parts) weights from 0 to 1 of its graph"
        }
        if let found = measured.first(where: { !(1...1_000_000).contains($0.breadth) }) {
            return "expected a breadth of 1 to 1000000, found \(found.breadth)"
        }
        if measured.contains(where: { !(0...1).contains($0.at10) || !(0...1).contains($0.at100) }) {
            return "expected shares of the best documents from 0 to 1"
        }
        return nil
    }

    /// A sentence for logs: what a search finds.
    package var text: String {
        guard let main = measured.first else { return "a graph (HNSW) of which nothing is known" }
        return
            "with \(main.breadth) candidates from a graph (HNSW), searches for the nearest of \(sample) documents find \(Self.percent(main.at10)) of the best 10 and \(Self.percent(main.at100)) of the best 100"
    }

    package static func percent(_ share: Double) -> String {
        let tenths = Int((share * 1_000).rounded(.down))
        return "\(tenths / 10).\(tenths % 10) %"
    }
}
