import MafinNumerics

/// The data of a training run: inputs, graded labels, and the black box's vectors, all by index.
///
/// A query is a row of ``queries``, a document a row of ``documents``; the column of a label is a document.
public struct TrainingData<Inputs: EncoderInputs>: Sendable {
    /// The local encoder's inputs of all queries: training, development and others.
    public let queries: Inputs
    /// The local encoder's inputs of all documents of the corpus.
    public let documents: Inputs
    /// The black box's query vectors, unit rows, `(queries, width)`.
    public let blackBoxQueries: Matrix
    /// The black box's document vectors, unit rows, `(documents, width)`.
    public let blackBoxDocuments: Matrix
    /// The labels, and which queries are for training and for development.
    public private(set) var index: TrainingIndex

    /// Checks that all parts fit together.
    ///
    /// - Parameters:
    ///   - queries: inputs of all queries.
    ///   - documents: inputs of all documents.
    ///   - labels: for each query its judged documents; `column` is the document. Grades of 0 and below are no positives.
    ///   - trainQueries: queries to learn from. Those without a positive label, and those with the text of a development query,
    ///     are left out; see ``TrainingIndex/excluded``.
    ///   - devQueries: queries to choose on; never learned from. May be empty only where the trainer gets a closure of its own.
    ///   - blackBoxQueries: the black box's vectors of `queries`; rows are made unit length here (``UnitRows``).
    ///   - blackBoxDocuments: the black box's vectors of `documents`; likewise.
    ///   - queryIdentities: equal numbers for equal texts (``TextIdentity/classes(of:)``); `nil`: all texts differ.
    ///   - documentIdentities: the same of the documents.
    ///   - documentIds: one a document, for trec_eval's order of equal scores; `nil`: equal scores rank by index.
    /// - Throws: ``TrainingError`` naming the part, query or document that does not fit; ``CombinationError`` naming a black-box row that is
    ///   all zeros or not finite.
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

    /// The same data with some of the training queries alone.
    /// - Throws: ``TrainingError`` where no query is left.
    public func limited(toTrainQueries rows: [Int]) throws -> TrainingData {
        var limited = self
        limited.index = try index.limited(toTrainQueries: rows)
        return limited
    }
}
