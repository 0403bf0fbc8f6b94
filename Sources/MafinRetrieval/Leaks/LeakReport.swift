/// Queries to measure on that are also among those that were learned from or chosen on, word for word or nearly.
///
/// A system that has learned their answers is rewarded for memory: its figure says nothing of new questions.
public struct LeakReport: Sendable, Codable, Hashable {
    /// A query on either side of the split, and how alike they are.
    public struct Pair: Sendable, Codable, Hashable {
        /// Learned from, or chosen on.
        public let learned: Query
        /// To measure on.
        public let measured: Query
        /// Jaccard coefficient of their shingles; 1 where they are equal.
        public let similarity: Double
        /// Whether they are equal but for case, punctuation and white space.
        public let isEqual: Bool
    }

    /// All pairs, those that are equal first, then by similarity.
    public let pairs: [Pair]
    /// Number of queries that were learned from or chosen on.
    public let learnedQueries: Int
    /// Number of queries to measure on.
    public let measuredQueries: Int
    /// The least similarity that is reported.
    public let threshold: Double
    /// What they were compared by, in words.
    public let comparedBy: String

    /// Compares all queries of one side with all of the other.
    /// - Parameter comparison: what counts as nearly the same.
    public init(learned: [Query], measured: [Query], comparison: SimilarTexts = SimilarTexts()) {
        pairs = comparison.pairs(learned.map(\.text), measured.map(\.text))
            .map {
                Pair(
                    learned: learned[$0.first], measured: measured[$0.second], similarity: $0.similarity,
                    isEqual: $0.isEqual)
            }
            .enumerated()
            .sorted { a, b in
                if a.element.isEqual != b.element.isEqual { return a.element.isEqual }
                if a.element.similarity != b.element.similarity { return a.element.similarity > b.element.similarity }
                return a.offset < b.offset
            }
            .map(\.element)
        learnedQueries = learned.count
        measuredQueries = measured.count
        threshold = comparison.threshold
        comparedBy = comparison.shingles.description
    }

    /// Ids of the queries to measure on that have a twin on the other side.
    public var affectedQueries: Set<String> { Set(pairs.map(\.measured.id)) }

    /// Does nothing where there is no leak.
    /// - Throws: ``RetrievalError/leakedQueries(affected:measured:learned:example:comparedBy:threshold:)`` otherwise.
    public func requireNone() throws {
        guard let worst = pairs.first else { return }
        throw RetrievalError.leakedQueries(
            affected: affectedQueries.count, measured: measuredQueries, learned: worst.learned.id,
            example: worst.measured.id, comparedBy: comparedBy, threshold: threshold)
    }
}
