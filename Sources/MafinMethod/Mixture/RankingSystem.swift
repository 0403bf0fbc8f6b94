import MafinNumerics
import MafinRetrieval

/// Anything that scores all documents for queries: vectors, BM25, fusions of other systems. Queries and documents are
/// given by row number.
///
/// A fitted rival is a ranking system and is built on other ranking systems, so rivals can be stacked.
public protocol RankingSystem: Sendable {
    /// Number of documents, which is the number of columns of ``scores(queries:)``.
    var documentCount: Int { get }

    /// Scores, `(queries.count, documentCount)`; larger is better.
    /// - Parameter queries: rows of the collection's table of queries. All systems that are compared share one table.
    /// - Throws: whatever the computation of the scores throws.
    func scores(queries: [Int]) throws -> Matrix

    /// The `count` best documents of each query. Equal scores are ordered by row number, ascending.
    func rankings(queries: [Int], count: Int) throws -> Rankings
}

extension RankingSystem {
    /// Bytes of scores that are held in memory at a time.
    package static var scoreBytes: Int { 64 << 20 }

    /// Calls `body` with the queries and their scores, block by block, so that memory stays bounded.
    package func forEachBlock(of queries: [Int], _ body: (Range<Int>, Matrix) throws -> Void) throws {
        let rows = max(1, Self.scoreBytes / (MemoryLayout<Float>.stride * max(1, documentCount)))
        for start in stride(from: 0, to: queries.count, by: rows) {
            let range = start..<min(start + rows, queries.count)
            try body(range, scores(queries: Array(queries[range])))
        }
    }

    /// From ``scores(queries:)``.
    public func rankings(queries: [Int], count: Int) throws -> Rankings {
        var rankings = Rankings()
        try forEachBlock(of: queries) { _, scores in
            let ranked = rank(scores: scores, count: count)
            for row in 0..<ranked.count { rankings.append(ranked[row]) }
        }
        return rankings
    }
}

/// Inner products of vectors: cosines, where rows have unit length.
public struct VectorSystem: RankingSystem {
    /// One row per query of the table.
    public let queries: Matrix
    /// One row a document.
    public let documents: Matrix

    /// - Precondition: both have the same number of columns.
    public init(queries: Matrix, documents: Matrix) {
        precondition(
            queries.columns == documents.columns,
            "query vectors of \(queries.columns) columns against document vectors of \(documents.columns)")
        self.queries = queries
        self.documents = documents
    }

    /// Number of documents.
    public var documentCount: Int { documents.rows }

    /// See ``RankingSystem/scores(queries:)``.
    public func scores(queries rows: [Int]) -> Matrix {
        Matrix.multiply(queries.selecting(rows: rows), transposed: documents)
    }

    /// Ranks by exact search, in which the score of a pair does not depend on the other queries and documents, to the
    /// last bit.
    public func rankings(queries rows: [Int], count: Int) throws -> Rankings {
        try VectorIndex(VectorRows(documents)).search(queries: queries.selecting(rows: rows), count: count)
    }

    /// The same system with rows of unit length.
    /// - Throws: ``CombinationError`` for a row that is all zeros or not finite.
    package func normalized() throws -> VectorSystem {
        VectorSystem(
            queries: try UnitRows.make(queries, source: .blackBox),
            documents: try UnitRows.make(documents, source: .blackBox))
    }
}

/// A system whose scores a closure computes, such as BM25.
public struct ScoreFunction: RankingSystem {
    /// Number of documents.
    public let documentCount: Int
    private let function: @Sendable ([Int]) throws -> Matrix

    /// - Parameter scores: the scores of the given queries, `(queries.count, documentCount)`.
    public init(documentCount: Int, scores: @escaping @Sendable ([Int]) throws -> Matrix) {
        self.documentCount = documentCount
        function = scores
    }

    /// See ``RankingSystem/scores(queries:)``.
    public func scores(queries: [Int]) throws -> Matrix {
        let scores = try function(queries)
        precondition(
            scores.rows == queries.count && scores.columns == documentCount,
            "\(scores.rows) × \(scores.columns) scores of \(queries.count) queries and \(documentCount) documents")
        return scores
    }
}
