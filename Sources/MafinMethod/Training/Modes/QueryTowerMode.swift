import MafinNumerics

/// Only the query side is trained, listwise, against all documents of ``TrainingOptions/candidates``.
///
/// The documents' vectors are a bank made once by the released encoder and frozen, so a step costs query tokens only, every label
/// counts in each step, there is no sampling bias, and the index does not change when the model is trained again.
public struct QueryTowerMode: TrainingMode {
    /// Queries of a step.
    public var batch: BatchSize

    /// - Parameter batch: queries of a step; as many tokens as 64 queries of mean length unless given.
    public init(batch: BatchSize = .meanRows(64)) {
        self.batch = batch
    }

    /// The name, and what a step holds.
    public var summary: TrainingModeSummary {
        TrainingModeSummary(name: "query", parameters: batch.parameters("batch"))
    }
    /// No: the bank stays as the released encoder made it.
    public var trainsDocuments: Bool { false }
    /// Yes.
    public var usesBank: Bool { true }

    /// All training queries once, shuffled; the last batch may be smaller.
    public func steps(of index: TrainingIndex, using generator: inout RandomGenerator) -> [StepPlan] {
        let order = index.trainQueries.shuffled(using: &generator)
        return batch.batches(of: order) { index.queryLengths[$0] }.map { StepPlan(queries: Array($0)) }
    }
}
