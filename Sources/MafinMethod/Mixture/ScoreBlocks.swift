import CMafinKernels
import MafinNumerics

/// The scores of several sources for some queries. Each query has its own list of candidates, the same for all sources.
public struct ScoreBlock: Sendable {
    /// For each source its scores, query after query.
    let scores: [[Float]]
    /// The candidates of query `q` are `starts[q]..<starts[q + 1]` of each source's scores.
    let starts: [Int]

    /// Lists of any length.
    /// - Parameters:
    ///   - candidates: number of candidates of each query.
    ///   - scores: for each source its scores, query after query.
    public init(candidates: [Int], scores: [[Float]]) {
        starts = candidates.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
        let total = starts[starts.count - 1]
        precondition(
            scores.allSatisfy { $0.count == total }, "\(scores.map(\.count)) scores of \(total) candidates")
        self.scores = scores
    }

    /// One matrix per source, `(queries, documents)` each: all documents are candidates. The scores are not copied.
    public init(_ matrices: [Matrix]) {
        precondition(
            matrices.allSatisfy { $0.rows == matrices[0].rows && $0.columns == matrices[0].columns },
            "the sources have score matrices of \(matrices.map { "\($0.rows) × \($0.columns)" })")
        self.init(
            candidates: [Int](repeating: matrices.first?.columns ?? 0, count: matrices.first?.rows ?? 0),
            scores: matrices.map(\.values))
    }

    /// Number of queries.
    public var rows: Int { starts.count - 1 }

    /// Calls `body` with the address of the first score of each of `sources`.
    fileprivate func withAddresses<Result>(
        of sources: ArraySlice<Int>, after found: [UnsafePointer<Float>?] = [],
        _ body: ([UnsafePointer<Float>?]) -> Result
    ) -> Result {
        guard let source = sources.first else { return body(found) }
        return scores[source].withUnsafeBufferPointer {
            withAddresses(of: sources.dropFirst(), after: found + [$0.baseAddress], body)
        }
    }
}

/// The scores of one query: a list of the same length from each source.
struct ScoreRow {
    let sources: [UnsafePointer<Float>?]
    /// Number of candidates.
    let count: Int

    subscript(source: Int) -> UnsafeBufferPointer<Float> { UnsafeBufferPointer(start: sources[source], count: count) }
}

/// The scores of several sources for many queries, in blocks of queries, so that large score matrices are never in
/// memory as a whole.
public struct ScoreBlocks {
    /// The names of the sources, in the order of their scores in each block.
    public let sources: [SourceName]
    /// Number of queries.
    public let rows: Int
    /// Number of queries in a block. The last block may have fewer.
    public let rowsPerBlock: Int
    private let scores: (Range<Int>) throws -> ScoreBlock

    /// Blocks that are computed again in each pass.
    /// - Parameters:
    ///   - sources: the names of the sources.
    ///   - rows: number of queries.
    ///   - rowsPerBlock: number of queries that are computed at a time.
    ///   - scores: the scores of a range of queries, from all sources.
    public init(
        sources: [SourceName], rows: Int, rowsPerBlock: Int, scores: @escaping (Range<Int>) throws -> ScoreBlock
    ) {
        precondition(rowsPerBlock > 0, "a block of \(rowsPerBlock) rows")
        self.sources = sources
        self.rows = rows
        self.rowsPerBlock = rowsPerBlock
        self.scores = scores
    }

    /// Scores that are in memory, as one block without a copy.
    public init(sources: [SourceName], _ block: ScoreBlock) {
        self.init(sources: sources, rows: block.rows, rowsPerBlock: max(1, block.rows)) { _ in block }
    }

    /// Blocks of black-box and local scores that are computed again in each pass.
    /// - Parameter scores: both sources' scores of a range of queries, `(range.count, documents)` each.
    public init(
        rows: Int, rowsPerBlock: Int, scores: @escaping (Range<Int>) throws -> (blackBox: Matrix, local: Matrix)
    ) {
        self.init(sources: [.blackBox, .local], rows: rows, rowsPerBlock: rowsPerBlock) { range in
            let block = try scores(range)
            return ScoreBlock([block.blackBox, block.local])
        }
    }

    /// Two cached score matrices, `(queries, documents)` each, as one block without a copy.
    public init(blackBox: Matrix, local: Matrix) {
        self.init(sources: [.blackBox, .local], ScoreBlock([blackBox, local]))
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

    /// Results that are held at a time before they are handed on.
    private static let resultsAtATime = 512

    /// Calls `body` for each of the given rows, in parallel, and `next` with the results, in the order of the rows.
    ///
    /// Blocks without any of the rows are not computed.
    /// - Parameters:
    ///   - wanted: ascending.
    ///   - selected: the sources that `body` sees, in this order; `nil`: all.
    ///   - checkingFinite: checks each block that is computed.
    /// - Throws: whatever the closure that computes the blocks throws, and
    ///   ``CombinationError/notFinite(source:row:column:id:)`` for the first score of a block that is not finite.
    func forEachRow<Result: Sendable>(
        _ wanted: [Int], sources selected: [Int]? = nil, checkingFinite: Bool = false,
        _ body: @Sendable (_ row: Int, _ scores: ScoreRow) -> Result, then next: (Result) -> Void
    ) throws {
        let selected = selected ?? Array(sources.indices)
        var first = 0
        while first < wanted.count {
            let start = wanted[first] / rowsPerBlock * rowsPerBlock
            let range = start..<min(start + rowsPerBlock, rows)
            var end = first
            while end < wanted.count, wanted[end] < range.upperBound { end += 1 }
            let block = try scores(range)
            precondition(
                block.rows == range.count && block.scores.count == sources.count,
                "a block of \(range.count) queries and \(sources.count) sources has \(block.rows) and \(block.scores.count)"
            )
            if checkingFinite { try requireFinite(block, range) }
            block.withAddresses(of: selected[...]) { addresses in
                let addresses = UnsafeTransfer(addresses)
                for slice in stride(from: first, to: end, by: Self.resultsAtATime) {
                    let results = parallelMap(min(Self.resultsAtATime, end - slice)) { index in
                        let row = wanted[slice + index]
                        let from = block.starts[row - start]
                        return body(
                            row,
                            ScoreRow(
                                sources: addresses.value.map { $0.map { $0 + from } },
                                count: block.starts[row - start + 1] - from))
                    }
                    for result in results { next(result) }
                }
            }
            first = end
        }
    }

    private func requireFinite(_ block: ScoreBlock, _ range: Range<Int>) throws {
        for (source, values) in zip(sources, block.scores) {
            // In double precision a sum of finite scores is finite. Only if it is not, the bad score is searched for.
            let sum = values.withUnsafeBufferPointer { values in
                values.baseAddress.map { mafin_sum(values.count, $0) } ?? 0
            }
            guard !sum.isFinite, let index = values.firstIndex(where: { !$0.isFinite }),
                let row = block.starts.lastIndex(where: { $0 <= index })
            else { continue }
            throw CombinationError.notFinite(
                source: source, row: range.lowerBound + row, column: index - block.starts[row], id: nil)
        }
    }
}
