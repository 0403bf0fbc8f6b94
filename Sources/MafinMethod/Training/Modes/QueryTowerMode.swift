import MafinNumerics

/// Only the query side is trained. Each query is compared with all documents of ``TrainingOptions/candidates``.
///
/// The released encoder makes the document vectors once, and they stay as they are. So a step encodes only queries,
/// every label of its queries counts, and the document index stays valid when the model is trained again. No candidates
/// are sampled unless the corpus exceeds ``TrainingOptions/wholeCorpusLimit``.
public struct QueryTowerMode: TrainingMode {
    /// Number of queries in a step.
    public var batch: BatchSize

    /// - Parameter batch: number of queries in a step. The default is as many tokens as 64 queries of mean length have.
    public init(batch: BatchSize = .meanRows(64)) {
        self.batch = batch
    }

    /// The name and the parameters.
    public var summary: TrainingModeSummary {
        TrainingModeSummary(name: "query", parameters: batch.parameters("batch"))
    }
    /// `false`: the document vectors stay as the released encoder made them.
    public var trainsDocuments: Bool { false }
    /// `true`: queries are compared with the documents of the bank.
    public var usesBank: Bool { true }

    /// The batches of one epoch: each training query once, in random order. The last batch may be smaller.
    public func steps(of index: TrainingIndex, using generator: inout RandomGenerator) -> [StepPlan] {
        let order = index.trainQueries.shuffled(using: &generator)
        return batch.batches(of: order) { index.queryLengths[$0] }.map { StepPlan(queries: Array($0)) }
    }
}
