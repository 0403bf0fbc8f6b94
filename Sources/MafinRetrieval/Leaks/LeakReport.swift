/// Texts to measure on that are, word for word or nearly, also among those that were learned from or chosen on.
///
/// Only equal query texts are refused (``KnownQueries``). What is nearly equal is for people to judge: a claim and its negation are alike and
/// are two questions.
public struct LeakReport: Sendable {
    /// A text on either side of the split, and how alike they are.
    public struct Pair<Text: Sendable>: Sendable {
        /// Learned from, or chosen on.
        public let learned: Text
        /// To measure on.
        public let measured: Text
        /// Jaccard coefficient of their shingles; 1 where they are equal.
        public let similarity: Double
        /// Whether they are equal but for case, punctuation and white space.
        public let isEqual: Bool
    }

    /// Pairs of queries, those that are equal first, then by similarity.
    public let queries: [Pair<Query>]
    /// Pairs of relevant documents with different identifiers: one relevant for learned queries, the other for measured ones only.
    public let documents: [Pair<Document>]
    /// Number of queries that were learned from or chosen on.
    public let learnedQueries: Int
    /// Number of queries to measure on.
    public let measuredQueries: Int

    /// What queries are compared by.
    public static let comparisonOfQueries = SimilarTexts()
    /// What documents are compared by.
    public static let comparisonOfDocuments = SimilarTexts(shingles: .words(3), threshold: 0.8)

    /// Compares both sides.
    /// - Parameters:
    ///   - learned: labels that are learned from and chosen on.
    ///   - measured: labels to measure on.
    public init(_ collection: RetrievalCollection, learned: [Qrels], measured: Qrels) {
        let learnedQueries = collection.queries.filter { query in learned.contains { $0[query.id] != nil } }
        let measuredQueries = collection.queries(judgedIn: measured)
        queries = Self.pairs(learnedQueries, measuredQueries, by: Self.comparisonOfQueries, text: \.text)
        func relevant(_ qrels: [Qrels]) -> Set<String> {
            Set(
                qrels.flatMap { labels in labels.queryIds.flatMap { labels.relevantDocuments(of: $0).map(\.document) } }
            )
        }
        let known = relevant(learned)
        let new = relevant([measured]).subtracting(known)
        documents = Self.pairs(
            collection.documents.filter { known.contains($0.id) }, collection.documents.filter { new.contains($0.id) },
            by: Self.comparisonOfDocuments, text: \.textForEncoding)
        self.learnedQueries = learnedQueries.count
        self.measuredQueries = measuredQueries.count
    }

    private static func pairs<Text>(
        _ learned: [Text], _ measured: [Text], by comparison: SimilarTexts, text: (Text) -> String
    ) -> [Pair<Text>] {
        comparison.pairs(learned.map(text), measured.map(text))
            .sorted {
                ($1.isEqual ? 1 : 0, $1.similarity, $0.second, $0.first)
                    < ($0.isEqual ? 1 : 0, $0.similarity, $1.second, $1.first)
            }
            .map {
                Pair(
                    learned: learned[$0.first], measured: measured[$0.second], similarity: $0.similarity,
                    isEqual: $0.isEqual)
            }
    }

    /// Ids of the queries to measure on that have a twin on the other side.
    public var affectedQueries: Set<String> { Set(queries.map(\.measured.id)) }
}
