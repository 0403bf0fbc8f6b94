import MafinNumerics

/// A step takes (query, positive document) pairs. The other documents of the batch are the negatives. This is the usual
/// way to train.
///
/// A document that is another positive of the row, or has the text of one, is masked, so two queries with the same
/// document can reach loss 0 in one batch. The mode encodes a document once for every query that it is relevant to. It
/// is offered for comparison.
public struct PairMode: TrainingMode {
    /// Number of pairs in a step.
    public var batch: BatchSize

    /// - Parameter batch: number of pairs in a step.
    public init(batch: BatchSize = .rows(32)) {
        self.batch = batch
    }

    /// The name and the parameters.
    public var summary: TrainingModeSummary { TrainingModeSummary(name: "pair", parameters: batch.parameters("batch")) }
    /// `true`: the document of each pair is trained.
    public var trainsDocuments: Bool { true }
    /// `false`: the candidates are the documents of the batch.
    public var usesBank: Bool { false }

    /// The batches of one epoch: each pair once, in random order. The last batch may be smaller.
    public func steps(of index: TrainingIndex, using generator: inout RandomGenerator) -> [StepPlan] {
        var pairs: [(query: Int, document: Int)] = []
        pairs.reserveCapacity(index.pairCount)
        for query in index.trainQueries {
            for judgement in index.labels[query] { pairs.append((query, judgement.column)) }
        }
        pairs.shuffle(using: &generator)
        let batches = batch.batches(of: pairs) { index.queryLengths[$0.query] + index.documentLengths[$0.document] }
        return batches.map { batch in
            let documents = batch.map(\.document)
            return StepPlan(queries: batch.map(\.query), targets: documents, documents: documents)
        }
    }
}
