import MafinNumerics

/// Documents and the queries that know them, each distinct text encoded once a step; with a bank, against the whole corpus.
///
/// The documents of a step are fresh (gradient flows to them), the rest of the bank is stale: cross-batch memory (Wang et al.,
/// "Cross-Batch Memory for Embedding Learning", 2020), so that the loss still sees every document. Without a bank the candidates are
/// the documents of the block alone: cheaper, but an easy question.
public struct BlockMode: TrainingMode {
    /// Documents of a step.
    public var documents: BatchSize
    /// A step has at most so many queries; of more, a random choice.
    public var maximumQueries: Int
    /// Whether the loss sees the whole corpus through the bank.
    public var usesBank: Bool

    /// - Parameters:
    ///   - documents: documents of a step.
    ///   - maximumQueries: queries of a step at most.
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

    /// All documents that a training query knows once, shuffled, and with each block the queries that know one of its documents.
    public func steps(of index: TrainingIndex, using generator: inout RandomGenerator) -> [StepPlan] {
        var known = (0..<index.documentCount).filter { !index.queriesKnowing[$0].isEmpty }
        known.shuffle(using: &generator)
        return documents.batches(of: known) { index.documentLengths[$0] }.map { block in
            var queries = Set(block.flatMap { index.queriesKnowing[$0] }).sorted()
            if queries.count > maximumQueries {
                queries.shuffle(using: &generator)
                queries = queries.prefix(maximumQueries).sorted()
            }
            return StepPlan(queries: queries, documents: Array(block))
        }
    }
}
