/// Keeps the best `count` of the scores that it is offered, by score, descending; equal scores by index, ascending.
///
/// It collects candidates until there are twice `count`, then discards the worse half. A score that is rejected costs
/// one comparison, and one that is accepted O(1) on average. NaN counts as −∞, and −0 as 0. No index may be offered
/// twice.
struct TopKSelector {
    private let capacity: Int
    /// Score and index as one number; better entries have larger keys.
    private var keys: [UInt64] = []
    /// The smallest key that was kept when the worse half was last discarded; 0 before that.
    private var limit: UInt64 = 0

    /// - Parameter count: number of entries to keep, at most the number of scores. Memory is reserved for this many.
    init(count: Int) {
        capacity = count
        keys.reserveCapacity(count)
    }

    /// If scores are offered by ascending index, scores at or below this one are rejected. NaN if every score is
    /// accepted, because comparisons with NaN are false.
    var threshold: Float { limit == 0 ? .nan : Self.entry(limit).score }

    mutating func offer(_ score: Float, at index: Int) {
        offer(key: Self.key(score, index))
    }

    /// Offers `scores[i]` as index `i`.
    mutating func offer(_ scores: UnsafeBufferPointer<Float>) {
        guard capacity > 0 else { return }
        let raw = UnsafeRawBufferPointer(scores)
        var index = 0
        // Once there is a limit, eight scores are tested at a time, because nearly all of a long row is below it.
        while index < scores.count {
            let threshold = SIMD8<Float>(repeating: threshold)
            while limit > 0, index + 8 <= scores.count,
                !any(raw.loadUnaligned(fromByteOffset: index * 4, as: SIMD8<Float>.self) .> threshold)
            {
                index += 8
            }
            for _ in 0..<min(8, scores.count - index) {
                offer(scores[index], at: index)
                index += 1
            }
        }
    }

    /// Offers the entries that another selector has kept.
    mutating func offer(contentsOf other: TopKSelector) {
        for key in other.keys { offer(key: key) }
    }

    /// The kept entries, best first. The selector is empty afterwards.
    mutating func take() -> [ScoredIndex] {
        if keys.count > capacity { keepBest() }
        keys.sort(by: >)
        defer {
            keys.removeAll(keepingCapacity: true)
            limit = 0
        }
        return keys.map(Self.entry)
    }

    private mutating func offer(key: UInt64) {
        guard key > limit, capacity > 0 else { return }
        keys.append(key)
        if keys.count == 2 * capacity { keepBest() }
    }

    private mutating func keepBest() {
        let capacity = capacity
        limit = keys.withUnsafeMutableBufferPointer { Self.select($0, best: capacity) }
        keys.removeLast(keys.count - capacity)
    }

    /// Moves the `count` largest keys to the front, in any order, and returns the smallest of them (quickselect, Hoare
    /// 1961).
    private static func select(_ keys: UnsafeMutableBufferPointer<UInt64>, best count: Int) -> UInt64 {
        var (start, end) = (0, keys.count)
        // The smallest wanted key is in start ..< end. Keys before that range are larger, keys after it are smaller.
        for _ in 0..<64 where end - start > 1 {
            let (first, middle, last) = (keys[start], keys[(start + end) / 2], keys[end - 1])
            let pivot = max(min(first, middle), min(max(first, middle), last))
            // Without a branch, because the comparison is unpredictable.
            var larger = start
            for place in start..<end {
                let key = keys[place]
                keys[place] = keys[larger]
                keys[larger] = key
                larger += key > pivot ? 1 : 0
            }
            if larger >= count {
                end = larger
            } else {
                // The pivot is the largest of the remaining keys.
                var place = larger
                while keys[place] != pivot { place += 1 }
                keys.swapAt(place, larger)
                if larger + 1 == count { return pivot }
                start = larger + 1
            }
        }
        // One key is left, or 64 pivots were bad.
        if end - start > 1 { keys[start..<end].sort(by: >) }
        return keys[count - 1]
    }

    /// A number with the order of the scores: the bits of the float, inverted if it is negative.
    private static func key(_ score: Float, _ index: Int) -> UInt64 {
        let bits = (score.isNaN ? -.infinity : score + 0).bitPattern
        let ordered = bits ^ (bits >> 31 == 0 ? 0x8000_0000 : 0xFFFF_FFFF)
        return UInt64(ordered) << 32 | UInt64(~UInt32(index))
    }

    private static func entry(_ key: UInt64) -> ScoredIndex {
        let ordered = UInt32(key >> 32)
        let bits = ordered ^ (ordered >> 31 == 0 ? 0xFFFF_FFFF : 0x8000_0000)
        return ScoredIndex(index: Int(~UInt32(truncatingIfNeeded: key)), score: Float(bitPattern: bits))
    }
}
