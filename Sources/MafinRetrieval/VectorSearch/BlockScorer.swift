import CMafinKernels
import MafinNumerics

/// Computes scores of blocks of an index's rows for queries whose layout is prepared once.
///
/// It holds addresses that are valid only inside ``VectorIndex/withScorer(_:rows:_:)``.
struct BlockScorer {
    fileprivate struct Part {
        var rows: UnsafeRawPointer
        var element: VectorRows.Element
        var stride: Int
        var columns: Int
        /// The queries in the layout of `mafin_prepare_queries`, at a distance of `queryStride` floats.
        var queries: UnsafePointer<Float>
        var queryStride: Int
        var approximation: RowApproximation?
        /// Upper bounds of the queries' norms.
        var norms: [Float]
    }

    let queryCount: Int
    fileprivate let parts: [Part]

    /// Number of floats of scratch memory for scoring or bounding `rows` rows, in addition to the result.
    func scratchSize(rows: Int) -> Int { parts.count > 1 || parts[0].approximation != nil ? queryCount * rows : 0 }

    /// scores[q · rows.count + i] = score of row `rows.lowerBound + i` for query q.
    func score(
        _ rows: Range<Int>, into scores: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
    ) {
        for place in parts.indices {
            score(rows, part: place, into: place == 0 ? scores : scratch)
            // Each part is summed separately and then added, so that its score does not depend on the other parts.
            if place > 0 { mafin_axpy(queryCount * rows.count, 1, scratch, scores) }
        }
    }

    /// The scores of one part.
    func score(_ rows: Range<Int>, part place: Int, into scores: UnsafeMutablePointer<Float>) {
        let part = parts[place]
        let from = part.rows + rows.lowerBound * part.stride * part.element.size
        mafin_inner_products(
            rows.count, part.columns, from, part.element.kernelElement, part.stride, queryCount, part.queries,
            scores, rows.count)
    }

    /// The score of one row for one query, bit for bit as from ``score(_:into:scratch:)``.
    func score(row: Int, query: Int) -> Float {
        var sum: Float = 0
        for (place, part) in parts.enumerated() {
            var score: Float = 0
            mafin_inner_products(
                1, part.columns, part.rows + row * part.stride * part.element.size,
                part.element.kernelElement, part.stride, 1, part.queries + query * part.queryStride, &score, 1)
            sum = place == 0 ? score : sum + score
        }
        return sum
    }

    /// Whether ``bound(_:into:scratch:)`` may be called: there are approximations, and the norm of each query is 0 or
    /// in a range in which the bounds cover rounding errors.
    var hasBounds: Bool {
        parts.allSatisfy { part in
            part.approximation != nil && part.norms.allSatisfy { $0 == 0 || (1e-15...1e15).contains($0) }
        }
    }

    /// bounds[q · rows.count + i] ≥ score of row `rows.lowerBound + i` for query q, or NaN.
    func bound(
        _ rows: Range<Int>, into bounds: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
    ) {
        for (place, part) in parts.enumerated() {
            guard let approximation = part.approximation else { preconditionFailure("bounds without approximations") }
            let products = place == 0 ? bounds : scratch
            mafin_inner_products(
                rows.count, part.columns, approximation.codes + rows.lowerBound * part.columns, MAFIN_INT8,
                part.columns, queryCount, part.queries, products, rows.count)
            mafin_upper_bounds(
                queryCount, rows.count, products, rows.count, part.norms, approximation.scales + rows.lowerBound,
                approximation.margins + rows.lowerBound, place > 0, bounds)
        }
    }
}

extension VectorIndex {
    /// Calls `body` with a scorer for some rows of `queries`.
    func withScorer<Result>(
        _ queries: Matrix, rows: Range<Int>, _ body: (BlockScorer) throws -> Result
    ) rethrows -> Result {
        precondition(queries.columns == columns, "queries of \(queries.columns) columns, rows of \(columns)")
        // The queries of each part begin at a cache line.
        let sizes = parts.map { (mafin_prepared_size(rows.count, $0.columns) + 15) / 16 * 16 }
        let bytes = max(1, sizes.reduce(0, +)) * MemoryLayout<Float>.stride
        return try withUnsafeTemporaryAllocation(byteCount: bytes, alignment: 64) { memory in
            let prepared = memory.bindMemory(to: Float.self)
            func collect(_ made: [BlockScorer.Part], column: Int, offset: Int) throws -> Result {
                let place = made.count
                guard place < parts.count else {
                    return try body(BlockScorer(queryCount: rows.count, parts: made))
                }
                let part = parts[place]
                // There is at least one float, even for an empty shape.
                guard let room = prepared.baseAddress.map({ $0 + min(offset, prepared.count - 1) }) else {
                    preconditionFailure("temporary memory has an address")
                }
                queries.values.withUnsafeBufferPointer { values in
                    guard let base = values.baseAddress, !rows.isEmpty else { return }
                    mafin_prepare_queries(
                        rows.count, part.columns, base + rows.lowerBound * queries.columns + column,
                        queries.columns, room)
                }
                let norms =
                    approximations.isEmpty ? [] : rows.map { queries.norm(row: $0, column: column, part.columns) }
                return try part.withUnsafeRows { address in
                    let next = BlockScorer.Part(
                        rows: address, element: part.element, stride: part.stride, columns: part.columns,
                        queries: room, queryStride: mafin_prepared_stride(part.columns),
                        approximation: approximations.isEmpty ? nil : approximations[place], norms: norms)
                    return try collect(made + [next], column: column + part.columns, offset: offset + sizes[place])
                }
            }
            return try collect([], column: 0, offset: 0)
        }
    }
}

extension Matrix {
    /// A tight upper bound of the norm of `count` elements of a row; 0 only if all elements are 0.
    fileprivate func norm(row: Int, column: Int, _ count: Int) -> Float {
        let start = row * columns + column
        let sum = values[start..<start + count].reduce(0.0) { $0 + Double($1) * Double($1) }
        return sum == 0 ? 0 : Float(sum.squareRoot()).nextUp
    }
}
