import MafinNumerics
import MafinRetrieval

/// Anything that scores all documents for queries, both given by row number: vectors, BM25, fusions of other systems.
///
/// A rival is built on ranking systems and is one when it is fitted, so rivals can be stacked.
public protocol RankingSystem: Sendable {
    /// Number of documents, the columns of its scores.
    var documentCount: Int { get }

    /// Scores, larger is better, `(queries.count, documentCount)`.
    /// - Parameter queries: rows of the collection's table of queries, the same table for all systems that are compared.
    /// - Throws: what computes the scores throws.
    func scores(queries: [Int]) throws -> Matrix

    /// The `count` best documents of each query; equal scores by document, ascending.
    func rankings(queries: [Int], count: Int) throws -> Rankings
}

extension RankingSystem {
    /// Bytes of scores that are held at a time.
    package static var scoreBytes: Int { 64 << 20 }

    /// Calls `body` with block after block of the queries and their scores, so that memory stays bounded.
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
    /// One row a query of the table.
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

    /// By exact search, which gives every pair the same bits whatever is ranked beside it.
    public func rankings(queries rows: [Int], count: Int) throws -> Rankings {
        try VectorIndex(VectorRows(documents)).search(queries: queries.selecting(rows: rows), count: count)
    }

    /// The same with rows of unit length.
    /// - Throws: ``CombinationError`` for a row that is all zeros or not finite.
    package func normalized() throws -> VectorSystem {
        VectorSystem(
            queries: try UnitRows.make(queries, source: .blackBox),
            documents: try UnitRows.make(documents, source: .blackBox))
    }
}

/// Scores from anywhere, such as BM25's for the texts of the queries.
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
