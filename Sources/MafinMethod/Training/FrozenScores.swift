import MafinNumerics

/// Scores that training does not change: of a list of queries against all documents, or against some of them.
///
/// If the scores fit the byte budget, they are computed once and kept. Otherwise blocks of them are computed when they
/// are needed.
public struct FrozenScores: Sendable {
    private let rowOfQuery: [Int: Int]
    private let columnCount: Int
    private let cached: Matrix?
    /// The scores of some of the queries, `(queries, columns)`; `nil` stands for all columns.
    private let compute: @Sendable (_ queries: [Int], _ columns: [Int]?) -> Matrix

    /// The inner products of `queries` and all rows of `documentVectors`, as a black box with unit rows scores them.
    /// - Parameters:
    ///   - queries: rows of `queryVectors` whose scores will be needed.
    ///   - queryVectors: all queries, `(all queries, width)`.
    ///   - documentVectors: all documents, `(documents, width)`.
    ///   - byteBudget: size, in bytes, up to which the scores are kept in memory.
    /// - Complexity: O(queries · documents · width) if the scores are kept; otherwise O(1).
    public init(queries: [Int], queryVectors: Matrix, documentVectors: Matrix, byteBudget: Int) {
        precondition(queryVectors.columns == documentVectors.columns)
        self.init(queries: queries, columnCount: documentVectors.rows, byteBudget: byteBudget) { queries, columns in
            Matrix.multiply(
                queryVectors.selecting(rows: queries),
                transposed: columns.map { documentVectors.selecting(rows: $0) } ?? documentVectors)
        }
    }

    /// The scores of a base.
    /// - Parameters:
    ///   - queries: queries of the base whose scores will be needed.
    ///   - documents: the documents that are the columns, in this order; `nil`: all.
    ///   - documentCount: number of all documents.
    ///   - byteBudget: size, in bytes, up to which the scores are kept in memory.
    init(queries: [Int], documents: [Int]?, documentCount: Int, base: TrainingBase, byteBudget: Int) {
        let count = documents?.count ?? documentCount
        self.init(queries: queries, columnCount: count, byteBudget: byteBudget) { queries, columns in
            let scores = base.scores(queries)
            precondition(
                scores.rows == queries.count && scores.columns == documentCount,
                "the base “\(base.name)” gave \(scores.rows) × \(scores.columns) scores of \(queries.count) queries and "
                    + "\(documentCount) documents")
            let chosen = documents.map { all in columns?.map { all[$0] } ?? all } ?? columns
            return chosen.map { scores.selecting(rows: Array(0..<scores.rows), columns: $0) } ?? scores
        }
    }

    private init(
        queries: [Int], columnCount: Int, byteBudget: Int, compute: @escaping @Sendable ([Int], [Int]?) -> Matrix
    ) {
        rowOfQuery = Dictionary(uniqueKeysWithValues: queries.enumerated().map { ($1, $0) })
        self.columnCount = columnCount
        self.compute = compute
        let bytes = queries.count * columnCount * MemoryLayout<Float>.stride
        cached = bytes <= byteBudget ? compute(queries, nil) : nil
    }

    /// Whether all scores are in memory.
    public var isCached: Bool { cached != nil }

    /// Scores of the given queries, `(queries, columns)`.
    /// - Parameters:
    ///   - queries: some of the queries that the scores were made for.
    ///   - columns: some of the columns; `nil`: all of them, in order.
    public func block(queries: [Int], columns: [Int]? = nil) -> Matrix {
        let rows = queries.map { query in
            guard let row = rowOfQuery[query] else { preconditionFailure("no scores were made for query \(query)") }
            return row
        }
        guard let cached else { return compute(queries, columns) }
        return columns.map { cached.selecting(rows: rows, columns: $0) } ?? cached.selecting(rows: rows)
    }
}

/// The frozen scores beside which an encoder is trained, instead of the black box's: any sum of sources that training
/// does not change.
///
/// The encoder learns what the base lacks, since the gradient is `b · (P − Q)` with P from `a · s_base + b · s_θ`. So
/// the base must be as good on the training queries as it is on others. A source that remembers training queries has to
/// be cross-fitted there: each query's scores come from a source that did not see the query.
///
/// λ and τ weigh base and encoder as they weigh black box and encoder. Divide a sum of sources by the sum of its
/// weights, so that its scores are of the size of cosines, which ``TrainingOptions/minimumLambda`` and
/// ``TrainingOptions/miningMargin`` are made for.
public struct TrainingBase: Sendable {
    /// Its name, for the manifest and for messages.
    public let name: String
    /// What determines its scores, such as a hash. A run can only be resumed beside a base of the same identity.
    let identity: String
    let scores: @Sendable ([Int]) -> Matrix

    /// A base whose scores are computed when they are needed.
    /// - Parameters:
    ///   - identity: what determines the scores, such as a hash of everything that they are computed from.
    ///   - scores: gives the scores of queries (rows of ``TrainingData/queries``), `(queries, documents)`. It is asked
    ///     for training and development queries only, and must always give a query the same scores.
    public init(name: String, identity: String, scores: @escaping @Sendable ([Int]) -> Matrix) {
        self.name = name
        self.identity = identity
        self.scores = scores
    }

    /// A base whose scores are in memory. Its identity is their hash.
    /// - Parameters:
    ///   - queries: rows of ``TrainingData/queries``; all training and development queries must be among them.
    ///   - scores: their scores, `(queries, documents)`.
    public init(name: String, queries: [Int], scores: Matrix) {
        precondition(queries.count == scores.rows, "\(queries.count) queries, \(scores.rows) rows of scores")
        let rowOfQuery = Dictionary(uniqueKeysWithValues: queries.enumerated().map { ($1, $0) })
        var hash = ContentHash()
        (queries + [scores.columns]).withUnsafeBytes { hash.update($0) }
        scores.values.withUnsafeBytes { hash.update($0) }
        self.init(name: name, identity: ContentHash.hexadecimal(hash.finalize())) { wanted in
            scores.selecting(
                rows: wanted.map { query in
                    guard let row = rowOfQuery[query] else {
                        preconditionFailure("the base “\(name)” has no scores of query \(query)")
                    }
                    return row
                })
        }
    }
}

extension Matrix {
    /// The given columns of the given rows, in the given order.
    fileprivate func selecting(rows: [Int], columns selection: [Int]) -> Matrix {
        var selected = Matrix(rows: rows.count, columns: selection.count)
        values.withUnsafeBufferPointer { source in
            selected.values.withUnsafeMutableBufferPointer { target in
                for (position, row) in rows.enumerated() {
                    for (place, column) in selection.enumerated() {
                        target[position * selection.count + place] = source[row * columns + column]
                    }
                }
            }
        }
        return selected
    }
}
