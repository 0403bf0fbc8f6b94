import MafinNumerics

/// A row of a corpus with its score.
public struct ScoredIndex: Sendable, Hashable {
    /// Row number among the rows that were scored.
    public var index: Int
    /// The score; larger is better.
    public var score: Float

    /// An index with its score.
    public init(index: Int, score: Float) {
        self.index = index
        self.score = score
    }
}

/// The rankings of many queries, one after the other in one array. Each is best first, with equal scores by index,
/// ascending.
public struct Rankings: Sendable, Equatable {
    /// All rankings, one after the other.
    public private(set) var entries: [ScoredIndex]
    /// `count + 1` offsets: ranking `i` is `entries[offsets[i] ..< offsets[i + 1]]`.
    public private(set) var offsets: [Int]

    /// No rankings.
    public init() {
        entries = []
        offsets = [0]
    }

    /// Rankings that the caller has sorted.
    init(_ rankings: [[ScoredIndex]]) {
        self.init()
        for ranking in rankings { append(ranking) }
    }

    /// Number of rankings.
    public var count: Int { offsets.count - 1 }

    /// The ranking of row `row`.
    public subscript(row: Int) -> ArraySlice<ScoredIndex> { entries[offsets[row]..<offsets[row + 1]] }

    /// Adds the ranking of the next query, which the caller has sorted.
    public mutating func append(_ ranking: some Sequence<ScoredIndex>) {
        entries.append(contentsOf: ranking)
        offsets.append(entries.count)
    }
}

/// The `count` best of a row of scores, best first. If there are fewer scores, all are returned, sorted.
///
/// Equal scores are ordered by index, ascending. NaN counts as −∞.
/// - Complexity: O(n + m + count log count), where m is the number of scores that were among the best when they were
///   reached.
public func topK(_ scores: some Collection<Float>, count: Int) -> [ScoredIndex] {
    precondition(count >= 0, "\(count) entries asked for")
    var selector = TopKSelector(count: min(count, scores.count))
    if scores.withContiguousStorageIfAvailable({ selector.offer($0) }) == nil {
        Array(scores).withUnsafeBufferPointer { selector.offer($0) }
    }
    return selector.take()
}

/// The `count` best columns of every row of a score matrix, `(queries, documents)`; see ``topK(_:count:)``.
public func rank(scores: Matrix, count: Int) -> Rankings {
    Rankings(parallelMap(scores.rows) { topK(scores.row($0), count: count) })
}
