import MafinNumerics

/// Two similar texts, by their rows in two lists.
public struct SimilarPair: Sendable, Hashable, Codable {
    /// Row in the first list.
    public let first: Int
    /// Row in the second list.
    public let second: Int
    /// Jaccard coefficient of their shingles, `|A ∩ B| / |A ∪ B|`. It is 1 for equal texts.
    public let similarity: Double
    /// Whether both texts are equal after normalisation (``TextShingles/normalized(_:)``).
    public let isEqual: Bool
}

/// Finds all pairs of texts whose shingles have a Jaccard coefficient of at least a threshold.
///
/// The result is exact, not estimated from sketches. Only texts that share one of their rarest shingles can reach the
/// threshold. An inverted index of these shingles finds all candidates, and the coefficient of each candidate is then
/// computed (prefix filtering: Chaudhuri, Ganti and Kaushik 2006; Bayardo, Ma and Srikant 2007).
public struct SimilarTexts: Sendable {
    /// The shingles by which texts are compared.
    public var shingles: TextShingles
    /// The least Jaccard coefficient of a pair; above 0 and at most 1.
    public var threshold: Double

    /// The default is five-character shingles and a threshold of 0.8. A question in other words is then not similar;
    /// its plural, or the question with an added article, is.
    public init(shingles: TextShingles = .characters(5), threshold: Double = 0.8) {
        precondition(threshold > 0 && threshold <= 1, "a threshold of \(threshold)")
        self.shingles = shingles
        self.threshold = threshold
    }

    /// All similar pairs of a text of `first` and a text of `second`, by row of `second`, then of `first`. Texts
    /// without a word are similar to no text.
    /// - Complexity: proportional to the number of pairs that share a rare shingle, on all threads.
    public func pairs(_ first: [String], _ second: [String]) -> [SimilarPair] {
        let normalized = (first.map(TextShingles.normalized), second.map(TextShingles.normalized))
        let sets = ranked(normalized.0, normalized.1)
        var postings = [[Int32]](repeating: [], count: sets.distinct)
        for (row, set) in sets.first.enumerated() {
            for shingle in set.prefix(prefixLength(set.count)) { postings[Int(shingle)].append(Int32(row)) }
        }
        let index = postings
        var found = [[SimilarPair]](repeating: [], count: second.count)
        found.withUnsafeMutableBufferPointer { found in
            let output = UnsafeTransfer(found)
            parallelRanges(second.count, grain: 16) { range in
                var lastSeen = [Int32](repeating: -1, count: first.count)
                for row in range {
                    let set = sets.second[row]
                    for shingle in set.prefix(prefixLength(set.count)) {
                        for candidate in index[Int(shingle)] where lastSeen[Int(candidate)] != Int32(row) {
                            lastSeen[Int(candidate)] = Int32(row)
                            let other = sets.first[Int(candidate)]
                            guard let similarity = similarity(other, set) else { continue }
                            output.value[row].append(
                                SimilarPair(
                                    first: Int(candidate), second: row, similarity: similarity,
                                    isEqual: normalized.0[Int(candidate)] == normalized.1[row]))
                        }
                    }
                    output.value[row].sort { $0.first < $1.first }
                }
            }
        }
        return found.flatMap { $0 }
    }

    /// The number of rarest shingles of a set of `count`, of which any set that reaches the threshold must share at
    /// least one.
    private func prefixLength(_ count: Int) -> Int {
        count == 0 ? 0 : count - Int((threshold * Double(count) - 1e-9).rounded(.up)) + 1
    }

    /// The coefficient; `nil` if it is below the threshold.
    private func similarity(_ a: [Int32], _ b: [Int32]) -> Double? {
        let least = threshold * Double(max(a.count, b.count)) - 1e-9
        guard Double(min(a.count, b.count)) >= least else { return nil }
        var (i, j, common) = (0, 0, 0)
        while i < a.count, j < b.count {
            if a[i] == b[j] {
                common += 1
                i += 1
                j += 1
            } else if a[i] < b[j] {
                i += 1
            } else {
                j += 1
            }
        }
        let similarity = Double(common) / Double(a.count + b.count - common)
        return similarity >= threshold - 1e-9 ? similarity : nil
    }

    /// Both lists as sets of shingle numbers, ascending. Rarer shingles have smaller numbers.
    private func ranked(
        _ first: [String], _ second: [String]
    ) -> (first: [[Int32]], second: [[Int32]], distinct: Int) {
        let hashes = (first.map(shingles.hashes), second.map(shingles.hashes))
        var frequency: [UInt64: Int32] = [:]
        for set in hashes.0 + hashes.1 {
            for hash in set { frequency[hash, default: 0] += 1 }
        }
        var number: [UInt64: Int32] = Dictionary(minimumCapacity: frequency.count)
        let order = frequency.sorted { ($0.value, $0.key) < ($1.value, $1.key) }
        for (place, entry) in order.enumerated() { number[entry.key] = Int32(place) }
        func sets(_ hashes: [[UInt64]]) -> [[Int32]] {
            hashes.map { set in set.compactMap { number[$0] }.sorted() }
        }
        return (sets(hashes.0), sets(hashes.1), frequency.count)
    }
}
