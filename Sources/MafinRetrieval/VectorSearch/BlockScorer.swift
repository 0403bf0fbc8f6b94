import CMafinKernels
import MafinNumerics

/// Scores of blocks of an index's rows against queries that are laid out once.
///
/// Holds addresses, which are good only inside ``VectorIndex/withScorer(_:rows:kernel:_:)``.
struct BlockScorer {
    fileprivate struct Part {
        var rows: UnsafeRawPointer
        var isHalf: Bool
        var stride: Int
        var columns: Int
        var queries: UnsafePointer<Float>
    }

    let kernel: Int32
    let queryCount: Int
    fileprivate let parts: [Part]

    /// Floats of scratch that scoring `rows` rows takes beside the scores.
    func scratchSize(rows: Int) -> Int { parts.count > 1 ? queryCount * rows : 0 }

    /// scores[q · rows.count + i] = score of row `rows.lowerBound + i` for query q.
    func score(
        _ rows: Range<Int>, into scores: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
    ) {
        for (place, _) in parts.enumerated() {
            score(rows, part: place, into: place == 0 ? scores : scratch)
            // Parts are summed apart and then added, so that each is what it would be without the others.
            if place > 0 { mafin_axpy(queryCount * rows.count, 1, scratch, scores) }
        }
    }

    /// One part's share of the scores.
    func score(_ rows: Range<Int>, part place: Int, into scores: UnsafeMutablePointer<Float>) {
        let part = parts[place]
        let from = part.rows + rows.lowerBound * part.stride * (part.isHalf ? 2 : 4)
        mafin_inner_products(
            kernel, rows.count, part.columns, from, part.isHalf, part.stride, queryCount, part.queries, scores,
            rows.count)
    }
}

extension VectorIndex {
    /// Calls `body` with a scorer for some rows of `queries`.
    /// - Parameter kernel: place among the instruction sets of this machine, 0 the widest.
    func withScorer<Result>(
        _ queries: Matrix, rows: Range<Int>, kernel: Int32 = 0, _ body: (BlockScorer) throws -> Result
    ) rethrows -> Result {
        precondition(queries.columns == columns, "queries of \(queries.columns) columns, rows of \(columns)")
        // Each part's queries begin at a cache line.
        let sizes = parts.map { (mafin_prepared_size(kernel, rows.count, $0.columns) + 15) / 16 * 16 }
        let bytes = max(1, sizes.reduce(0, +)) * MemoryLayout<Float>.stride
        return try withUnsafeTemporaryAllocation(byteCount: bytes, alignment: 64) { memory in
            let prepared = memory.bindMemory(to: Float.self)
            func collect(_ made: [BlockScorer.Part], column: Int, offset: Int) throws -> Result {
                guard made.count < parts.count else {
                    return try body(BlockScorer(kernel: kernel, queryCount: rows.count, parts: made))
                }
                let part = parts[made.count]
                // At least one float lies there, whatever the shape.
                guard let room = prepared.baseAddress.map({ $0 + min(offset, prepared.count - 1) }) else {
                    preconditionFailure("temporary memory has an address")
                }
                queries.values.withUnsafeBufferPointer { values in
                    guard let base = values.baseAddress, !rows.isEmpty else { return }
                    mafin_prepare_queries(
                        kernel, rows.count, part.columns, base + rows.lowerBound * queries.columns + column,
                        queries.columns, room)
                }
                return try part.withUnsafeRows { address in
                    let next = BlockScorer.Part(
                        rows: address, isHalf: part.element == .float16, stride: part.stride, columns: part.columns,
                        queries: room)
                    return try collect(
                        made + [next], column: column + part.columns, offset: offset + sizes[made.count])
                }
            }
            return try collect([], column: 0, offset: 0)
        }
    }
}
