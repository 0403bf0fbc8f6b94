import Foundation
import MafinRetrieval

/// Facts about the collection.
public struct DataFacts: Sendable, Equatable, Codable {
    /// Minimum, median, mean and maximum of a quantity.
    public struct Distribution: Sendable, Equatable, Codable {
        /// The smallest.
        public var minimum: Double
        /// The middle value, or the mean of the two middle values.
        public var median: Double
        /// The mean.
        public var mean: Double
        /// The largest.
        public var maximum: Double

        /// The distribution of values; `nil` if there are none.
        public init?(_ values: [Double]) {
            let sorted = values.sorted()
            guard let first = sorted.first, let last = sorted.last else { return nil }
            let middle = sorted.count / 2
            minimum = first
            maximum = last
            mean = sorted.reduce(0, +) / Double(sorted.count)
            median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
        }
    }

    /// The labels of one split.
    public struct Split: Sendable, Equatable, Codable {
        /// `train`, `dev`, `test`, …
        public var name: String
        /// Queries with at least one relevant document.
        public var queries: Int
        /// Judged pairs.
        public var labels: Int
        /// Relevant documents of a query.
        public var relevantDocuments: Distribution?
        /// Judged pairs of each grade.
        public var grades: [String: Int]
    }

    /// Name of the collection, without a path.
    public var name: String
    /// Documents in the corpus.
    public var documents: Int
    /// Queries of all splits.
    public var queries: Int
    /// Words of a document.
    public var documentWords: Distribution?
    /// Words of a query.
    public var queryWords: Distribution?
    /// The splits, in order.
    public var splits: [Split]
    /// Warnings about the data, each in a sentence.
    public var warnings: [String]?
}

extension DataFacts {
    /// The facts of a collection.
    /// - Parameter name: its name; `nil` for the last part of its path.
    public init(_ collection: RetrievalCollection, name: String? = nil, splits: [(name: String, qrels: Qrels)]) {
        self.init(
            name: name ?? collection.source?.lastPathComponent ?? "in memory", documents: collection.documents.count,
            queries: collection.queries.count,
            documentWords: Distribution(collection.documents.map { Double(wordCount($0.textForEncoding)) }),
            queryWords: Distribution(collection.queries.map { Double(wordCount($0.text)) }),
            splits: splits.map { Split(name: $0.name, $0.qrels) },
            warnings: collection.warnings.isEmpty
                ? nil
                : collection.warnings.map { warning in
                    // The file's name alone, because a report must not show the machine's folders.
                    let file = URL(fileURLWithPath: warning.path).lastPathComponent
                    return "\(file):\(warning.line): \(warning.kind.rawValue) (id \"\(warning.identifier)\")"
                })
    }
}

extension DataFacts.Split {
    /// The facts of a split's labels.
    public init(name: String, _ qrels: Qrels) {
        let labels = qrels.queryIds.map { qrels[$0] ?? [:] }
        let relevant = labels.map { Double($0.values.count { $0 > 0 }) }.filter { $0 > 0 }
        self.init(
            name: name, queries: relevant.count, labels: qrels.pairCount,
            relevantDocuments: DataFacts.Distribution(relevant),
            grades: labels.flatMap(\.values).reduce(into: [:]) { $0[String($1), default: 0] += 1 })
    }
}

private func wordCount(_ text: String) -> Int {
    text.unicodeScalars.split(whereSeparator: \.properties.isWhitespace).count
}
