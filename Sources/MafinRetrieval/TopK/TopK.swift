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
