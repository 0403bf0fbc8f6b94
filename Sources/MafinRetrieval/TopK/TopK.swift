/// Keeps the best `count` of the scores it is offered: score descending, equal scores by index ascending.
///
/// A heap with the worst kept entry at its root; one comparison for a score that does not get in, O(log count) for one
/// that does. NaN counts as −∞.
struct TopKSelector {
    private let capacity: Int
    private var heap: [ScoredIndex] = []

    init(count: Int) {
        capacity = count
        heap.reserveCapacity(count)
    }

    /// Scores below this one do not get in.
    var threshold: Float { heap.count < capacity ? -.infinity : (heap.first?.score ?? .infinity) }

    /// For scores that are offered by index, ascending: those at or below this one do not get in. NaN, to which no score
    /// compares, where every score does.
    var strictThreshold: Float { heap.count < capacity ? .nan : threshold }

    /// Whether `a` stands behind `b` in the ranking.
    private static func isWorse(_ a: ScoredIndex, _ b: ScoredIndex) -> Bool {
        a.score < b.score || (a.score == b.score && a.index > b.index)
    }

    mutating func offer(_ score: Float, at index: Int) {
        let entry = ScoredIndex(index: index, score: score.isNaN ? -.infinity : score)
        if heap.count < capacity {
            heap.append(entry)
            siftUp(from: heap.count - 1)
        } else if capacity > 0, Self.isWorse(heap[0], entry) {
            heap[0] = entry
            siftDown()
        }
    }

    /// Offers `scores[i]` as index `base + i`.
    mutating func offer(_ scores: UnsafeBufferPointer<Float>, base: Int = 0) {
        guard capacity > 0 else { return }
        let raw = UnsafeRawBufferPointer(scores)
        var index = 0
        // Eight at a time once the heap is full: nearly all of a long row is below the threshold.
        while index < scores.count {
            let limit = SIMD8<Float>(repeating: threshold)
            while heap.count == capacity, index + 8 <= scores.count,
                !any(raw.loadUnaligned(fromByteOffset: index * 4, as: SIMD8<Float>.self) .>= limit)
            {
                index += 8
            }
            for _ in 0..<min(8, scores.count - index) {
                offer(scores[index], at: base + index)
                index += 1
            }
        }
    }

    /// Offers what another selector has kept.
    mutating func offer(contentsOf other: TopKSelector) {
        for entry in other.heap { offer(entry.score, at: entry.index) }
    }

    /// The kept entries, best first; the selector is empty afterwards.
    mutating func take() -> [ScoredIndex] {
        let sorted = heap.sorted { Self.isWorse($1, $0) }
        heap.removeAll(keepingCapacity: true)
        return sorted
    }

    private mutating func siftUp(from start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard Self.isWorse(heap[child], heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    private mutating func siftDown() {
        var parent = 0
        while true {
            var worst = parent
            let left = 2 * parent + 1
            if left < heap.count, Self.isWorse(heap[left], heap[worst]) { worst = left }
            if left + 1 < heap.count, Self.isWorse(heap[left + 1], heap[worst]) { worst = left + 1 }
            guard worst != parent else { return }
            heap.swapAt(parent, worst)
            parent = worst
        }
    }
}

/// The `count` best of a row of scores, best first; all of them, ordered, where there are fewer.
///
/// Equal scores are ordered by index, ascending; NaN counts as −∞.
/// - Complexity: O(n + m log count), where m is the number of scores that were among the best when they were met.
public func topK(_ scores: some Collection<Float>, count: Int) -> [ScoredIndex] {
    precondition(count >= 0, "\(count) entries asked for")
    var selector = TopKSelector(count: min(count, scores.count))
    if scores.withContiguousStorageIfAvailable({ selector.offer($0) }) == nil {
        Array(scores).withUnsafeBufferPointer { selector.offer($0) }
    }
    return selector.take()
}
