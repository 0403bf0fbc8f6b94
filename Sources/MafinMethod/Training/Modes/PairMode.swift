import MafinNumerics

/// (query, positive document) pairs with the other documents of the batch as negatives: the usual way to train.
///
/// A document that is another positive of the row, or has the text of one, is masked: two queries of one document in a batch can
/// reach loss 0. It encodes a document again for every query that it is relevant to, and is here to compare with.
public struct PairMode: TrainingMode {
    /// Pairs of a step.
    public var batch: BatchSize

    /// - Parameter batch: pairs of a step; 32 unless given.
    public init(batch: BatchSize = .rows(32)) {
        self.batch = batch
    }

    /// The name, and what a step holds.
    public var summary: TrainingModeSummary { TrainingModeSummary(name: "pair", parameters: batch.parameters("batch")) }
    /// Yes: the document of each pair.
    public var trainsDocuments: Bool { true }
    /// No: the candidates are the documents of the batch.
    public var usesBank: Bool { false }

    /// All pairs once, shuffled anew every epoch; the last batch may be smaller.
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
