import MafinNumerics

/// Documents and the queries that they are relevant to, each distinct text encoded once a step; with a bank, against the whole corpus.
///
/// The documents of a step are fresh (gradient flows to them), the rest of the bank is stale: cross-batch memory (Wang et al.,
/// "Cross-Batch Memory for Embedding Learning", 2020), so that the loss sees all documents. Without a bank the candidates are the
/// documents of the block alone: cheaper, but too easy to learn much from.
public struct BlockMode: TrainingMode {
    /// Documents of a step.
    public var documents: BatchSize
    /// The most queries of a step; if there are more, they are drawn at random.
    public var maximumQueries: Int
    /// Whether the loss sees the whole corpus through the bank.
    public var usesBank: Bool

    /// - Parameters:
    ///   - documents: documents of a step.
    ///   - maximumQueries: the most queries of a step.
    ///   - usesBank: whether the loss sees the whole corpus through the bank.
    public init(documents: BatchSize = .meanRows(32), maximumQueries: Int = 192, usesBank: Bool = true) {
        precondition(maximumQueries >= 1, "a block needs a query")
        self.documents = documents
        self.maximumQueries = maximumQueries
        self.usesBank = usesBank
    }

    /// The name, and what a step holds.
    public var summary: TrainingModeSummary {
        var parameters = documents.parameters("documents")
        parameters["maximumQueries"] = Double(maximumQueries)
        parameters["bank"] = usesBank ? 1 : 0
        return TrainingModeSummary(name: "block", parameters: parameters)
    }

    /// Yes: the documents of each block.
    public var trainsDocuments: Bool { true }

    /// All documents that are relevant to a training query once, shuffled, and with each block the queries that its documents are relevant to.
    public func steps(of index: TrainingIndex, using generator: inout RandomGenerator) -> [StepPlan] {
        var known = (0..<index.documentCount).filter { !index.queriesOfDocument[$0].isEmpty }
        known.shuffle(using: &generator)
        return documents.batches(of: known) { index.documentLengths[$0] }.map { block in
            var queries = Set(block.flatMap { index.queriesOfDocument[$0] }).sorted()
            if queries.count > maximumQueries {
                queries.shuffle(using: &generator)
                queries = queries.prefix(maximumQueries).sorted()
            }
            return StepPlan(queries: queries, documents: Array(block))
        }
    }
}
