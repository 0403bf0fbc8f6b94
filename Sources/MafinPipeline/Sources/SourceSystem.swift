import MafinMethod
import MafinNumerics
import MafinRetrieval

/// The weighted sum of sources over a table of queries and the documents of a collection.
///
/// Its rankings are those that `evaluate`, `search` and the service make with the same sources and weights, to the last
/// tie.
public struct SourceSystem: RankingSystem {
    /// The weights, with the names of the sources.
    public let weights: SourceWeights
    /// The sources.
    public var sources: [any ScoreSource] { index.sources }
    /// Number of documents.
    public var documentCount: Int { index.documentCount }
    package let index: SourceIndex
    package let queries: SourceIndex.Queries

    /// A sum.
    /// - Parameters:
    ///   - queries: all queries of the table, with everything that the sources read.
    ///   - documents: the documents, with everything that the sources read.
    /// - Throws: `CombinationError` for vectors that cannot be used.
    public init(
        _ sources: [any ScoreSource], weights: SourceWeights, queries: SourceQueries, documents: SourceDocuments
    ) throws {
        let index = try SourceIndex(sources, documents: documents)
        self.init(index, weights: weights, queries: try index.queries(queries))
    }

    /// The same over documents and queries that were prepared before.
    package init(_ index: SourceIndex, weights: SourceWeights, queries: SourceIndex.Queries) {
        (self.index, self.weights, self.queries) = (index, weights, queries)
    }

    /// One source alone.
    public init(_ source: any ScoreSource, queries: SourceQueries, documents: SourceDocuments) throws {
        try self.init([source], weights: SourceWeights([(source.name, 1)]), queries: queries, documents: documents)
    }

    /// See ``RankingSystem/scores(queries:)``.
    public func scores(queries rows: [Int]) -> Matrix {
        index.scores(of: queries.selecting(rows: rows), weights: weights)
    }

    /// See ``RankingSystem/rankings(queries:count:)``.
    public func rankings(queries rows: [Int], count: Int) throws -> Rankings {
        try index.rankings(of: queries.selecting(rows: rows), weights: weights, count: count)
    }
}
