import CMafinKernels
import MafinNumerics

/// Computes scores of blocks of an index's rows for queries whose layout is prepared once.
///
/// It holds addresses that are valid only inside ``VectorIndex/withScorer(_:rows:for:_:)``.
struct BlockScorer {
    struct Part {
        var rows: UnsafeRawPointer
        var element: VectorRows.Element
        var stride: Int
        var columns: Int
        /// The queries in the layout of `mafin_prepare_queries`, at a distance of `queryStride` floats.
        var queries: UnsafePointer<Float>
        var queryStride: Int
        var approximation: RowApproximation?
        /// The queries as `mafin_quantize_queries` writes them; `nil`: they are not needed.
        var queryBytes: UnsafeRawPointer?
        /// Upper bounds of the queries' norms, and of the norms of what their bytes leave out.
        var (norms, errors): ([Float], [Float])
    }

    let queryCount: Int
    let parts: [Part]

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

    /// Whether there are bounds: there are approximations, and the norm of each query is 0 or in a range in which the bounds
    /// cover rounding errors.
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
    /// - Parameter pass: what it will be asked for.
    func withScorer<Result>(
        _ queries: Matrix, rows: Range<Int>, for pass: FirstPass = .scores, _ body: (BlockScorer) throws -> Result
    ) rethrows -> Result {
        precondition(queries.columns == columns, "queries of \(queries.columns) columns, rows of \(columns)")
        // The queries of each part begin at a cache line.
        func lines(_ bytes: Int) -> Int { (bytes + 63) / 64 * 64 }
        let sizes = parts.map { lines(4 * mafin_prepared_size(rows.count, $0.columns)) }
        let byteSizes = parts.map { pass == .byteBounds ? lines(mafin_int8_packed_size(rows.count, $0.columns)) : 0 }
        let size = sizes.reduce(0, +) + byteSizes.reduce(0, +)
        return try withUnsafeTemporaryAllocation(byteCount: size + 64, alignment: 64) { memory in
            guard let memory = memory.baseAddress else { preconditionFailure("temporary memory has an address") }
            func collect(_ made: [BlockScorer.Part], column: Int, offset: Int) throws -> Result {
                let place = made.count
                guard place < parts.count else {
                    return try body(BlockScorer(queryCount: rows.count, parts: made))
                }
                let part = parts[place]
                let prepared = (memory + offset).assumingMemoryBound(to: Float.self)
                var queryBytes: UnsafeMutableRawPointer?
                var (norms, errors): ([Float], [Float]) = ([], [])
                if pass != .scores {
                    // Kernels read and write whole vectors of queries.
                    norms = rows.map { queries.norm(row: $0, column: column, part.columns) }
                    norms += [Float](repeating: 0, count: BlockScorer.padded(rows.count) - rows.count)
                    errors = [Float](repeating: 0, count: norms.count)
                }
                queries.values.withUnsafeBufferPointer { values in
                    guard let base = values.baseAddress, !rows.isEmpty else { return }
                    let first = base + rows.lowerBound * queries.columns + column
                    mafin_prepare_queries(rows.count, part.columns, first, queries.columns, prepared)
                    guard pass == .byteBounds else { return }
                    let bytes = memory + offset + sizes[place]
                    mafin_quantize_queries(rows.count, part.columns, first, queries.columns, bytes, &errors)
                    queryBytes = bytes
                }
                return try part.withUnsafeRows { address in
                    let next = BlockScorer.Part(
                        rows: address, element: part.element, stride: part.stride, columns: part.columns,
                        queries: prepared, queryStride: mafin_prepared_stride(part.columns),
                        approximation: pass == .scores ? nil : approximations[place],
                        queryBytes: queryBytes.map { UnsafeRawPointer($0) }, norms: norms, errors: errors)
                    return try collect(
                        made + [next], column: column + part.columns,
                        offset: offset + sizes[place] + byteSizes[place])
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
