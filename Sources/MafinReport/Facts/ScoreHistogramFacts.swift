/// The distribution of the scores of one source or one system, by groups of query-document pairs.
public struct ScoreHistogramFacts: Sendable, Equatable, Codable {
    /// A group of pairs.
    public struct Group: Sendable, Equatable, Codable {
        /// Name of the group: `relevant`, `other`.
        public var name: String
        /// How many pairs lie between each edge and the next.
        public var counts: [Int]

        /// Pairs in all.
        public var total: Int { counts.reduce(0, +) }
    }

    /// Name of the source or system whose scores they are.
    public var title: String
    /// Borders of the bins, ascending: one more than there are bins. The last bin includes its upper border.
    public var edges: [Double]
    /// The groups, over the same bins.
    public var groups: [Group]

    /// A histogram from its parts.
    public init(title: String, edges: [Double], groups: [Group]) {
        precondition(
            edges.count > 1 && groups.allSatisfy { $0.counts.count == edges.count - 1 }, "bins and borders do not match"
        )
        self.title = title
        self.edges = edges
        self.groups = groups
    }

    /// Counts scores in about `bins` bins of round width that cover all finite ones.
    /// - Parameter groups: name and scores of each; scores that are not finite are left out.
    /// - Returns: `nil` if there is no finite score.
    public init?(title: String, groups: [(name: String, scores: [Double])], bins: Int = 40) {
        let finite = groups.map { (name: $0.name, scores: $0.scores.filter(\.isFinite)) }
        let all = finite.lazy.flatMap(\.scores)
        guard let low = all.min(), let high = all.max() else { return nil }
        let edges = Self.edges(from: low, to: high, bins: bins)
        self.init(
            title: title, edges: edges,
            groups: finite.map { Group(name: $0.name, counts: Self.counts(of: $0.scores, between: edges)) })
    }

    /// Borders at round values (multiples of 1, 2 or 5 times a power of ten) around low and high.
    static func edges(from low: Double, to high: Double, bins: Int) -> [Double] {
        precondition(bins > 0, "a histogram of \(bins) bins")
        let span = high > low ? high - low : max(abs(low) / 10, 0.1)
        let (multiple, exponent) = NiceTicks.step(span: span, count: bins)
        let width = NiceTicks.value(1, multiple: multiple, exponent: exponent)
        let first = (low / width).rounded(.down)
        let last = max(first + 1, (high / width).rounded(.up))
        return stride(from: first, through: last, by: 1).map {
            NiceTicks.value($0, multiple: multiple, exponent: exponent)
        }
    }

    private static func counts(of scores: [Double], between edges: [Double]) -> [Int] {
        var counts = [Int](repeating: 0, count: edges.count - 1)
        let low = edges[0]
        let width = (edges[edges.count - 1] - low) / Double(counts.count)
        for score in scores {
            var bin = min(max(Int((score - low) / width), 0), counts.count - 1)
            // By rounding, the division may give the bin beside that of a score that lies on a border.
            if bin + 1 < counts.count, score >= edges[bin + 1] { bin += 1 }
            if bin > 0, score < edges[bin] { bin -= 1 }
            counts[bin] += 1
        }
        return counts
    }
}
