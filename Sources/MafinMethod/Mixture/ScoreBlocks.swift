import CMafinKernels
import MafinNumerics

/// Both sources' scores of many queries against all documents, in blocks of queries, so that a large score matrix is
/// never in memory as a whole.
public struct ScoreBlocks {
    /// Number of queries.
    public let rows: Int
    /// Number of queries in a block. The last block may have fewer.
    public let rowsPerBlock: Int
    private let scores: (Range<Int>) throws -> (blackBox: Matrix, local: Matrix)

    /// Blocks that are computed again in each pass.
    /// - Parameter scores: both sources' scores of a range of queries, `(range.count, documents)` each.
    public init(
        rows: Int, rowsPerBlock: Int, scores: @escaping (Range<Int>) throws -> (blackBox: Matrix, local: Matrix)
    ) {
        precondition(rowsPerBlock > 0, "a block of \(rowsPerBlock) rows")
        self.rows = rows
        self.rowsPerBlock = rowsPerBlock
        self.scores = scores
    }

    /// Two cached score matrices, `(queries, documents)` each, as one block without a copy.
    public init(blackBox: Matrix, local: Matrix) {
        self.init(rows: blackBox.rows, rowsPerBlock: max(1, blackBox.rows)) { _ in (blackBox, local) }
    }

    /// Inner products of vectors, computed again in each pass: for corpora whose score matrix does not fit into memory.
    /// - Parameters:
    ///   - blackBox: unit rows of both sides.
    ///   - local: unit rows of both sides, for the same queries and documents.
    ///   - rowsPerBlock: queries of one block, which holds `2 · rowsPerBlock · documents` scores.
    public init(
        blackBox: (queries: Matrix, documents: Matrix), local: (queries: Matrix, documents: Matrix),
        rowsPerBlock: Int = 64
    ) {
        precondition(
            blackBox.queries.rows == local.queries.rows && blackBox.documents.rows == local.documents.rows,
            "the sources have different queries or documents")
        self.init(rows: local.queries.rows, rowsPerBlock: rowsPerBlock) { range in
            (
                Matrix.multiply(blackBox.queries.selecting(rows: range), transposed: blackBox.documents),
                Matrix.multiply(local.queries.selecting(rows: range), transposed: local.documents)
            )
        }
    }

    /// Calls `body` with each block in turn: its queries, the black box's scores and the local ones.
    /// - Throws: whatever the closure that computes the blocks throws, or `body` throws.
    func forEach(_ body: (_ rows: Range<Int>, _ blackBox: Matrix, _ local: Matrix) throws -> Void) throws {
        for start in stride(from: 0, to: rows, by: rowsPerBlock) {
            let range = start..<min(start + rowsPerBlock, rows)
            let (blackBox, local) = try scores(range)
            precondition(
                blackBox.rows == range.count && local.rows == range.count && blackBox.columns == local.columns,
                "a block of \(range.count) rows has \(blackBox.rows) × \(blackBox.columns) and \(local.rows) × \(local.columns)"
            )
            try body(range, blackBox, local)
        }
    }

    /// Calls `body` for each labelled row of a block, in parallel. The results are in row order.
    /// - Parameter body: receives the black box's scores, the local scores, the row's relevant columns and its masked
    ///   columns.
    static func mapLabelledRows<Result: Sendable>(
        _ range: Range<Int>, _ blackBox: Matrix, _ local: Matrix, _ labels: BlockLabels,
        _ body: @Sendable (UnsafeBufferPointer<Float>, UnsafeBufferPointer<Float>, [Judgement], [Int]) -> Result
    ) -> [Result] {
        let rows = range.filter { !labels.relevant[$0].isEmpty }
        return parallelMap(rows.count) { index in
            let row = rows[index]
            return blackBox.row(row - range.lowerBound).withUnsafeBufferPointer { blackBox in
                local.row(row - range.lowerBound).withUnsafeBufferPointer { local in
                    body(blackBox, local, labels.relevant[row], labels.masked[row])
                }
            }
        }
    }

    /// Checks the scores of a block.
    /// - Throws: ``CombinationError/notFinite(source:row:column:id:)`` for the first score that is not finite.
    static func requireFinite(_ rows: Range<Int>, _ blackBox: Matrix, _ local: Matrix) throws {
        for (source, matrix) in [(VectorSource.blackBox, blackBox), (.local, local)] {
            // In double precision a sum of finite scores is finite. Only if it is not, the bad score is searched for.
            let sum = matrix.values.withUnsafeBufferPointer { values in
                values.baseAddress.map { mafin_sum(values.count, $0) } ?? 0
            }
            guard !sum.isFinite, let index = matrix.values.firstIndex(where: { !$0.isFinite }) else { continue }
            throw CombinationError.notFinite(
                source: source, row: rows.lowerBound + index / matrix.columns, column: index % matrix.columns, id: nil)
        }
    }
}
