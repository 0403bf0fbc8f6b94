import MafinNumerics

/// The data of a training run: inputs, graded labels and the black box's vectors, all addressed by row number.
///
/// A query is a row of ``queries``, and a document is a row of ``documents``. The column of a label is a document.
public struct TrainingData<Inputs: EncoderInputs>: Sendable {
    /// The local encoder's inputs of all queries: for training, for development and others.
    public let queries: Inputs
    /// The local encoder's inputs of all documents of the corpus.
    public let documents: Inputs
    /// The black box's query vectors, unit rows, `(queries, width)`.
    public let blackBoxQueries: Matrix
    /// The black box's document vectors, unit rows, `(documents, width)`.
    public let blackBoxDocuments: Matrix
    /// The labels, and the split of the queries into training and development.
    public private(set) var index: TrainingIndex

    /// Checks the parts against each other, and scales the black box's rows to unit length.
    ///
    /// - Parameters:
    ///   - queries: inputs of all queries.
    ///   - documents: inputs of all documents.
    ///   - labels: for each query its judged documents; `column` is the document. Only grades above 0 are positives.
    ///   - trainQueries: queries to learn from. Queries without a positive label, and queries with the text of a
    ///     development query, are left out; see ``TrainingIndex/excluded``.
    ///   - devQueries: queries on which states are chosen; never learned from. May be empty only if the trainer is
    ///     given an `evaluation`.
    ///   - blackBoxQueries: the black box's vectors of `queries`, of any length above 0 (``UnitRows``).
    ///   - blackBoxDocuments: the black box's vectors of `documents`; likewise.
    ///   - queryIdentities: equal numbers for equal texts (``TextIdentity/classes(of:)``); `nil`: all texts differ.
    ///   - documentIdentities: the same for documents.
    ///   - documentIds: one per document, for trec_eval's order of equal scores; `nil`: equal scores rank by row
    ///     number, ascending.
    /// - Throws: ``TrainingError`` with the part, query or document that does not fit; ``CombinationError`` with a
    ///   black-box row that is all zeros or not finite.
    public init(
        queries: Inputs, documents: Inputs, labels: [[Judgement]], trainQueries: [Int], devQueries: [Int],
        blackBoxQueries: Matrix, blackBoxDocuments: Matrix, queryIdentities: [Int]? = nil,
        documentIdentities: [Int]? = nil, documentIds: [String]? = nil
    ) throws {
        let check = TrainingError.requireSize
        try check("black-box query vectors", blackBoxQueries.rows, queries.count)
        try check("black-box document vectors", blackBoxDocuments.rows, documents.count)
        try check("black-box query dimension", blackBoxQueries.columns, blackBoxDocuments.columns)
        self.queries = queries
        self.documents = documents
        self.blackBoxQueries = try UnitRows.make(blackBoxQueries, source: .blackBox)
        self.blackBoxDocuments = try UnitRows.make(blackBoxDocuments, source: .blackBox)
        index = try TrainingIndex(
            labels: labels, trainQueries: trainQueries, devQueries: devQueries,
            queryLengths: (0..<queries.count).map { queries.length(of: $0) },
            documentLengths: (0..<documents.count).map { documents.length(of: $0) },
            queryIdentities: queryIdentities, documentIdentities: documentIdentities, documentIds: documentIds)
    }

    /// The frozen scores of some queries.
    /// - Parameters:
    ///   - documents: the documents that are the columns; `nil`: all.
    ///   - base: where the scores come from; `nil`: the black box's vectors.
    func frozenScores(
        of queries: [Int], documents: [Int]? = nil, base: TrainingBase?, byteBudget: Int
    ) -> FrozenScores {
        guard let base else {
            return FrozenScores(
                queries: queries, queryVectors: blackBoxQueries,
                documentVectors: documents.map { blackBoxDocuments.selecting(rows: $0) } ?? blackBoxDocuments,
                byteBudget: byteBudget)
        }
        return FrozenScores(
            queries: queries, documents: documents, documentCount: index.documentCount, base: base,
            byteBudget: byteBudget)
    }

    /// The same data with only some of the training queries.
    /// - Throws: ``TrainingError`` if no query is left.
    public func limited(toTrainQueries rows: [Int]) throws -> TrainingData {
        var limited = self
        limited.index = try index.limited(toTrainQueries: rows)
        return limited
    }
}
