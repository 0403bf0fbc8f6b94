import MafinNumerics

/// A step takes a block of documents and the queries that they are relevant to, and encodes each distinct text once.
/// With a bank, the queries are compared with all ``TrainingOptions/candidates``.
///
/// Gradient flows to the documents of the step. All other vectors of the bank come from earlier steps (cross-batch
/// memory: Wang et al. 2020, "Cross-Batch Memory for Embedding Learning"). Without a bank, only the documents of the
/// block are candidates. That is cheaper, but these candidates are too easy to learn much from.
public struct BlockMode: TrainingMode {
    /// Number of documents in a step.
    public var documents: BatchSize
    /// Largest number of queries in a step. If a block has more, this many are drawn at random.
    public var maximumQueries: Int
    /// Whether queries are compared with the documents of the bank, not only with those of the block.
    public var usesBank: Bool

    /// - Parameters:
    ///   - documents: number of documents in a step.
    ///   - maximumQueries: largest number of queries in a step.
    ///   - usesBank: whether queries are compared with the documents of the bank.
    public init(documents: BatchSize = .meanRows(32), maximumQueries: Int = 192, usesBank: Bool = true) {
        precondition(maximumQueries >= 1, "a block needs a query")
        self.documents = documents
        self.maximumQueries = maximumQueries
        self.usesBank = usesBank
    }

    /// The name and the parameters.
    public var summary: TrainingModeSummary {
        var parameters = documents.parameters("documents")
        parameters["maximumQueries"] = Double(maximumQueries)
        parameters["bank"] = usesBank ? 1 : 0
        return TrainingModeSummary(name: "block", parameters: parameters)
    }

    /// `true`: the documents of each block are trained.
    public var trainsDocuments: Bool { true }

    /// The blocks of one epoch: each document that is relevant to a training query once, in random order. Each block
    /// has the queries that its documents are relevant to.
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
