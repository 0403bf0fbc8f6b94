/// Facts about the collection.
public struct DataFacts: Sendable, Equatable, Codable {
    /// Smallest, middle, mean and largest of a quantity.
    public struct Distribution: Sendable, Equatable, Codable {
        /// The smallest.
        public var minimum: Double
        /// The middle one; the mean of two where their number is even.
        public var median: Double
        /// The mean.
        public var mean: Double
        /// The largest.
        public var maximum: Double

        /// The distribution of values; `nil` where there are none.
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

    /// Name of the collection; no path of the machine.
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
