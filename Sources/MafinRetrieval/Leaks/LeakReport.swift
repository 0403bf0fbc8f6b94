import MafinImages

/// Texts and images of the measured split that are equal or similar to those that were learned from or chosen on.
///
/// Only equal query texts are refused (``KnownQueries``). People have to judge similar texts: a claim and its negation
/// are similar, but they are two different questions.
public struct LeakReport: Sendable {
    /// A text or an image of each side of the split, and their similarity.
    public struct Pair<Text: Sendable>: Sendable {
        /// The text that was learned from or chosen on.
        public let learned: Text
        /// The text of the measured split.
        public let measured: Text
        /// Jaccard coefficient of their shingles; of images the share of equal bits of their perceptual hashes. 1 if they are equal.
        public let similarity: Double
        /// Whether they differ at most in case, punctuation and white space, and their images are the same file.
        public let isEqual: Bool
    }

    /// Pairs of queries. Equal pairs come first, then the others by similarity, descending.
    public let queries: [Pair<Query>]
    /// Pairs of documents with different identifiers. One is relevant for a learned query, the other only for measured
    /// queries.
    public let documents: [Pair<Document>]
    /// Number of queries that were learned from or chosen on.
    public let learnedQueries: Int
    /// Number of queries of the measured split.
    public let measuredQueries: Int

    /// How queries are compared.
    public static let comparisonOfQueries = SimilarTexts()
    /// How documents are compared.
    public static let comparisonOfDocuments = SimilarTexts(shingles: .words(3), threshold: 0.8)

    /// Compares both sides. Images are decoded, on all threads.
    /// - Parameters:
    ///   - learned: labels that are learned from or chosen on.
    ///   - measured: labels of the measured split.
    /// - Throws: `ImageError` for an image that cannot be decoded.
    public init(_ collection: RetrievalCollection, learned: [Qrels], measured: Qrels) throws {
        let learnedQueries = collection.queries.filter { query in learned.contains { $0[query.id] != nil } }
        let measuredQueries = collection.queries(judgedIn: measured)
        queries = try Self.pairs(learnedQueries, measuredQueries, by: Self.comparisonOfQueries) { ($0.text, $0.image) }
        func relevant(_ qrels: [Qrels]) -> Set<String> {
            Set(
                qrels.flatMap { labels in labels.queryIds.flatMap { labels.relevantDocuments(of: $0).map(\.document) } }
            )
        }
        let known = relevant(learned)
        let new = relevant([measured]).subtracting(known)
        documents = try Self.pairs(
            collection.documents.filter { known.contains($0.id) }, collection.documents.filter { new.contains($0.id) },
            by: Self.comparisonOfDocuments
        ) { ($0.textForEncoding, $0.image) }
        self.learnedQueries = learnedQueries.count
        self.measuredQueries = measuredQueries.count
    }

    private static func pairs<Item>(
        _ learned: [Item], _ measured: [Item], by comparison: SimilarTexts,
        content: (Item) -> (text: String, image: ItemImage?)
    ) throws -> [Pair<Item>] {
        let (learnedContent, measuredContent) = (learned.map(content), measured.map(content))
        let images = try SimilarImages().pairs(learnedContent.map(\.image), measuredContent.map(\.image))
        // Items with images are alike if their images are. Texts beside images may be a class or a caption, which many share.
        let texts = comparison.pairs(learnedContent.map(\.text), measuredContent.map(\.text))
            .filter { learnedContent[$0.first].image == nil && measuredContent[$0.second].image == nil }
        return (texts + images)
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

    /// Ids of the measured queries that have an equal or similar text on the other side.
    public var affectedQueries: Set<String> { Set(queries.map(\.measured.id)) }
}
