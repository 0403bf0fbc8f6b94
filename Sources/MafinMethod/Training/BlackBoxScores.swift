import MafinNumerics

/// The black box's scores of a list of queries and all documents, computed from stored vectors.
///
/// If the score matrix fits the byte budget, it is computed once and kept. Otherwise blocks of it are computed when
/// they are needed.
public struct BlackBoxScores: Sendable {
    private let queryVectors: Matrix
    private let documentVectors: Matrix
    private let rowOfQuery: [Int: Int]
    private let cached: Matrix?

    /// The scores of `queries` against all rows of `documentVectors`.
    /// - Parameters:
    ///   - queries: rows of `queryVectors` whose scores will be needed.
    ///   - queryVectors: unit rows, all queries.
    ///   - documentVectors: unit rows, all documents.
    ///   - byteBudget: size, in bytes, up to which the score matrix is kept in memory.
    /// - Complexity: O(queries · documents · width) if the matrix is kept; otherwise O(queries · width).
    public init(queries: [Int], queryVectors: Matrix, documentVectors: Matrix, byteBudget: Int) {
        precondition(queryVectors.columns == documentVectors.columns)
        let selected = queryVectors.selecting(rows: queries)
        self.queryVectors = selected
        self.documentVectors = documentVectors
        rowOfQuery = Dictionary(uniqueKeysWithValues: queries.enumerated().map { ($1, $0) })
        let bytes = queries.count * documentVectors.rows * MemoryLayout<Float>.stride
        cached = bytes <= byteBudget ? Matrix.multiply(selected, transposed: documentVectors) : nil
    }

    /// Whether the whole score matrix is in memory.
    public var isCached: Bool { cached != nil }

    /// Scores of the given queries, `(queries, columns)`.
    /// - Parameters:
    ///   - queries: some of the queries that the source was made for.
    ///   - columns: the documents; `nil`: all of them, in order.
    public func block(queries: [Int], columns: [Int]? = nil) -> Matrix {
        let rows = queries.map { query in
            guard let row = rowOfQuery[query] else { preconditionFailure("query \(query) is not in this score source") }
            return row
        }
        guard let cached else {
            let vectors = queryVectors.selecting(rows: rows)
            guard let columns else { return Matrix.multiply(vectors, transposed: documentVectors) }
            return Matrix.multiply(vectors, transposed: documentVectors.selecting(rows: columns))
        }
        guard let columns else { return cached.selecting(rows: rows) }
        var block = Matrix(rows: rows.count, columns: columns.count)
        cached.values.withUnsafeBufferPointer { source in
            block.values.withUnsafeMutableBufferPointer { target in
                for (position, row) in rows.enumerated() {
                    for (column, document) in columns.enumerated() {
                        target[position * columns.count + column] = source[row * cached.columns + document]
                    }
                }
            }
        }
        return block
    }
}
