import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinRetrieval

/// A black box's vectors for a collection: those of all documents, and those of the queries that are needed.
public struct BlackBoxVectors: Sendable {
    /// The black box.
    public let identity: BlackBoxIdentity
    /// The queries that the black box was asked for, in the order of the rows of ``queryVectors``.
    public let queries: [Query]
    /// Unit rows, `(queries, dimension)`.
    public let queryVectors: Matrix
    /// Unit rows, `(documents, dimension)`, in the order of the collection.
    public let documentVectors: Matrix

    /// Dimension of the vectors.
    public var dimension: Int { documentVectors.rows > 0 ? documentVectors.columns : queryVectors.columns }

    /// Asks for the vectors of all documents of a collection and of some of its queries.
    /// - Parameter documents: none if nothing reads their vectors.
    /// - Throws: whatever the black box throws; `CombinationError` for a vector that is all zeros or not finite.
    public init(
        asking blackBox: any BlackBox, documents: [Document], queries: [Query]
    ) async throws {
        self.queries = queries
        let documentItems = documents.map { EmbeddingItem($0) }
        documentVectors =
            documents.isEmpty
            ? Matrix(rows: 0, columns: 0)
            : try UnitRows.make(
                try await blackBox.embed(documentItems, as: .document), source: .blackBox, ids: documents.map(\.id))
        let queryItems = queries.map { EmbeddingItem($0) }
        queryVectors = try UnitRows.make(
            try await blackBox.embed(queryItems, as: .query), source: .blackBox, ids: queries.map(\.id))
        identity = blackBox.identity
    }

    /// Vectors that are at hand.
    /// - Precondition: unit rows, one for each query and each document.
    package init(identity: BlackBoxIdentity, queries: [Query], queryVectors: Matrix, documentVectors: Matrix) {
        precondition(queries.count == queryVectors.rows, "\(queryVectors.rows) vectors of \(queries.count) queries")
        (self.identity, self.queries) = (identity, queries)
        (self.queryVectors, self.documentVectors) = (queryVectors, documentVectors)
    }

    /// Measures the black box alone on the labelled queries of the collection to which these vectors belong.
    /// - Precondition: ``queries`` contains all of those queries.
    /// - Throws: whatever the search throws.
    public func evaluation(
        on qrels: Qrels, of collection: RetrievalCollection, metrics: [Metric] = Metric.standard
    ) throws -> RunEvaluation {
        let system = VectorSystem(queries: queryVectors, documents: documentVectors)
        return evaluate(try system.run(of: queries, on: qrels, of: collection), against: qrels, metrics: metrics)
    }

    /// - Precondition: ``queries`` contains all of them.
    func queryVectors(of wanted: [Query]) -> Matrix { queryVectors.selecting(rows: queries.rows(of: wanted)) }
}

extension [Query] {
    /// The positions of `wanted` in this list.
    /// - Precondition: the list contains all of them.
    func rows(of wanted: [Query]) -> [Int] {
        let rows = Dictionary(enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
        return wanted.map { query in
            guard let row = rows[query.id] else { preconditionFailure("query \(query.id) was not asked") }
            return row
        }
    }
}

extension RankingSystem {
    /// The ranking of the queries that `qrels` judges.
    /// - Parameter table: the query of each row of the system.
    func run(of table: [Query], on qrels: Qrels, of collection: RetrievalCollection) throws -> Run {
        let judged = collection.queries(judgedIn: qrels)
        return Run(
            try rankings(queries: table.rows(of: judged), count: ArtefactEvaluation.depth), queryIds: judged.map(\.id),
            documentIds: collection.documentIds)
    }
}

extension Qrels {
    /// The labels of a query. The column of a label is a row of the collection's documents.
    package func judgements(of query: String, in collection: RetrievalCollection) -> [Judgement] {
        (self[query] ?? [:]).compactMap { document, grade in
            collection.documentIndex[document].map { Judgement(column: $0, grade: Float(grade)) }
        }
    }
}
