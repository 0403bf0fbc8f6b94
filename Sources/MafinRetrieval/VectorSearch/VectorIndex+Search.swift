import CMafinKernels
import MafinNumerics
import Synchronization

/// How a search is divided. Rankings do not depend on it, and tests try many values.
struct SearchTiling {
    /// Largest number of queries that share one pass over the rows, so that they fit into the second-level cache.
    var queries = 128
    /// Number of rows that are scored at a time; `nil`: chosen by the number of queries.
    var rows: Int?
    /// Approximations are compared with floats for at most this many queries, whose limit is memory: a query in bytes would
    /// double the bounds' margins, so that more rows had to be read.
    var approximatedQueries = 4
    /// Whether approximations are compared with more queries in bytes; `nil`: if the processor multiplies bytes faster than
    /// floats. If not, more queries use no approximations.
    var multipliesBytes: Bool?
    /// Number of columns from which this pays. For fewer, looking at the rows above the floors takes what the products save.
    var leastByteColumns = 1_024
    /// Every so many rows, a run of rows is in the sample that gives the queries' floors.
    var sampleDistance = 256
    /// The share of rows with a bound above the floor up to which bytes pay. To look at such a row takes as long as to score
    /// some fifty rows in a block.
    var mostHits = 1.0 / 32
    /// Approximations are used if at most this share of the rows is kept. For a larger share, too many rows have to be read
    /// anyway.
    var approximatedShare = 1.0 / 32
    /// Largest number of bytes of the entries that all threads keep.
    var entryBytes = 256 << 20
    /// Rows at most that a thread takes before it asks whether to go on.
    var rowsPerPiece = 16_384

    func rowsPerBlock(queries: Int, rowBytes: Int) -> Int {
        if let rows { return rows }
        // With many queries, a block of rows and its scores must fit into the second-level cache together with the
        // queries. 96 is a multiple of the kernels' tiles and of two of their vectors.
        guard queries == 1 else { return 96 }
        // With one query, a block is long enough that the cost of the loop is small, and short enough that it stays in
        // the cache for the second part.
        return max(1, min(32, (256 << 10) / max(1, rowBytes) / 16)) * 16
    }
}

extension VectorIndex {
    /// The `count` best rows for each query by inner product, exactly: best first, equal scores by index, ascending.
    ///
    /// Row `i` of the result belongs to row `i` of `queries`. If there are fewer rows than `count`, all are ranked. For
    /// cosines, normalise rows and queries first. A score that overflows to NaN counts as −∞. Only the scores of one
    /// block are in memory at a time, and most are rejected by one vector comparison. Runs on all threads. With few
    /// queries the speed of memory is the limit; see ``init(parts:isApproximated:)``.
    /// - Complexity: O(queries × rows × columns); memory O(queries × count × threads), at most 256 MiB at a time.
    /// - Parameter check: called by every thread, at most some ten thousand rows apart. If it throws, the search ends.
    /// - Throws: ``RetrievalError/invalidElement(source:row:column:expected:found:)`` for a query with an infinite
    ///   element or NaN; whatever `check` throws.
    public func search(
        queries: Matrix, count: Int, check: @Sendable () throws -> Void = {}
    ) throws -> Rankings {
        try search(queries: queries, count: count, tiling: SearchTiling(), check: check)
    }

    /// The same, where each score is an inner product plus a given number, such as the weighted score of BM25. The sums
    /// are exact in the same sense.
    /// - Parameter sums: `(queries.rows, count)`, finite.
    package func search(
        queries: Matrix, adding sums: Matrix, count: Int, check: @Sendable () throws -> Void = {}
    ) throws -> Rankings {
        try search(queries: queries, adding: sums, count: count, tiling: SearchTiling(), check: check)
    }

    func search(
        queries: Matrix, adding sums: Matrix? = nil, count: Int, tiling: SearchTiling,
        check: @Sendable () throws -> Void = {}
    ) throws -> Rankings {
        precondition(queries.columns == columns, "queries of \(queries.columns) columns, rows of \(columns)")
        precondition(count >= 0, "\(count) entries asked for")
        precondition(
            sums.map { $0.rows == queries.rows && $0.columns == self.count } ?? true,
            "sums of another shape than \(queries.rows) × \(self.count)")
        if let fault = queries.values.firstIndex(where: { !$0.isFinite }) {
            throw RetrievalError.invalidElement(
                source: "the queries", row: fault / columns, column: fault % columns, expected: "a finite number",
                found: "\(queries.values[fault])")
        }
        let kept = min(count, self.count)
        guard kept > 0, queries.rows > 0 else { return Rankings([[ScoredIndex]](repeating: [], count: queries.rows)) }
        let bytesPerQuery = 2 * kept * MemoryLayout<UInt64>.stride * Parallelism.threads
        let most = max(1, min(tiling.queries, tiling.entryBytes / bytesPerQuery))
        // Blocks of about equal size.
        let blocks = (queries.rows + most - 1) / most
        return Rankings(
            try (0..<blocks).flatMap { block in
                let rows = block * queries.rows / blocks..<(block + 1) * queries.rows / blocks
                return try best(kept, queries: queries, adding: sums, rows, tiling, check)
            })
    }

    private func best(
        _ count: Int, queries: Matrix, adding sums: Matrix?, _ range: Range<Int>, _ tiling: SearchTiling,
        _ check: @Sendable () throws -> Void
    ) throws -> [[ScoredIndex]] {
        let pass = firstPass(count, queries: range.count, tiling)
        let rowBytes = parts.reduce(0) { $0 + $1.columns * (pass == .scores ? $1.element.size : 1) }
        let block = tiling.rowsPerBlock(queries: range.count, rowBytes: rowBytes)
        // Several pieces per thread balance the load if other programs use the cores.
        let share = min(self.count / (16 * Parallelism.threads), tiling.rowsPerPiece)
        let piece = max(1, share / block) * block
        let pieces = (self.count + piece - 1) / piece
        let workers = min(Parallelism.threads, pieces)
        let next = Atomic<Int>(0)
        let failure = Mutex<(any Error)?>(nil)
        // The selector of worker w for query q is at w · queries + q.
        var selectors = (0..<workers * range.count).map { _ in TopKSelector(count: count) }
        let added = sums.map { $0.values[range.lowerBound * self.count..<range.upperBound * self.count] } ?? []
        let found = try withScorer(queries, rows: range, for: pass) { scorer in
            let isBounded = pass == .bounds && scorer.hasBounds
            let floors =
                pass == .byteBounds && scorer.hasBounds
                ? try scorer.floors(FloorSample(count, of: self.count, tiling), adding: added, of: self.count, check)
                : nil
            return try selectors.withUnsafeMutableBufferPointer { selectors in
                let shared = UnsafeTransfer((scorer: scorer, selectors: selectors))
                parallelFor(workers) { worker in
                    let (scorer, selectors) = shared.value
                    let own = worker * range.count..<(worker + 1) * range.count
                    let ownSelectors = UnsafeMutableBufferPointer(rebasing: selectors[own])
                    func nextPiece() -> Range<Int>? {
                        do {
                            try check()
                        } catch {
                            failure.withLock { $0 = error }
                            return nil
                        }
                        let taken = next.wrappingAdd(1, ordering: .relaxed).oldValue
                        return taken < pieces ? taken * piece..<min((taken + 1) * piece, self.count) : nil
                    }
                    if let floors {
                        scorer.collectByBytes(
                            ownSelectors, above: floors, adding: added, of: self.count, block: block,
                            nextPiece: nextPiece)
                    } else {
                        scorer.collect(
                            ownSelectors, adding: added, of: self.count, block: block, isBounded: isBounded,
                            nextPiece: nextPiece)
                    }
                }
                if let error = failure.withLock({ $0 }) { throw error }
                return parallelMap(range.count) { query in
                    let selectors = shared.value.selectors
                    for worker in 1..<max(1, workers) {
                        selectors[query].offer(contentsOf: selectors[worker * range.count + query])
                    }
                    return selectors[query].take()
                }
            }
        }
        // Queries whose floor was too high, or that got none.
        let rest = pass == .byteBounds ? found.indices.filter { found[$0].count < count } : []
        guard !rest.isEmpty else { return found }
        let rows = rest.map { range.lowerBound + $0 }
        var byFloats = tiling
        byFloats.multipliesBytes = false
        var result = found
        let others = try best(
            count, queries: queries.selecting(rows: rows), adding: sums?.selecting(rows: rows), 0..<rows.count,
            byFloats, check)
        for (query, ranking) in zip(rest, others) { result[query] = ranking }
        return result
    }
}

extension VectorIndex {
    /// What a search for the `count` best rows of so many queries computes for every row.
    private func firstPass(_ count: Int, queries: Int, _ tiling: SearchTiling) -> FirstPass {
        guard !approximations.isEmpty, Double(count) <= tiling.approximatedShare * Double(self.count) else {
            return .scores
        }
        if queries <= tiling.approximatedQueries { return .bounds }
        let areBytesFast = tiling.multipliesBytes ?? mafin_has_byte_products()
        let isWide = columns >= tiling.leastByteColumns
        return areBytesFast && isWide && parts.allSatisfy { $0.columns <= BlockScorer.mostByteColumns }
            && FloorSample(count, of: self.count, tiling).isUseful ? .byteBounds : .scores
    }
}

extension BlockScorer {
    /// Offers to each query's selector all scores that may be among its best.
    /// - Parameters:
    ///   - sums: numbers that are added to the scores, `columns` for each query; empty: none.
    ///   - block: number of rows that are scored at a time.
    ///   - isBounded: whether bounds are computed first, and scores only for rows whose bounds are high enough.
    ///   - nextPiece: gives the next rows, which come after all rows that it gave before; `nil` at the end.
    fileprivate func collect(
        _ selectors: UnsafeMutableBufferPointer<TopKSelector>, adding sums: ArraySlice<Float>, of columns: Int,
        block: Int, isBounded: Bool, nextPiece: () -> Range<Int>?
    ) {
        let room = queryCount * block
        let floats = room + scratchSize(rows: block) + queryCount
        sums.withUnsafeBufferPointer { buffer in
            // An empty buffer may have an address.
            let sums = buffer.isEmpty ? nil : buffer.baseAddress
            withUnsafeTemporaryAllocation(byteCount: floats * 4, alignment: 64) { memory in
                withUnsafeTemporaryAllocation(of: mafin_hit.self, capacity: room) { hits in
                    guard let scores = memory.bindMemory(to: Float.self).baseAddress, let hits = hits.baseAddress else {
                        return
                    }
                    let scratch = scores + room
                    let thresholds = scores + floats - queryCount
                    for query in 0..<queryCount { thresholds[query] = selectors[query].threshold }
                    while let piece = nextPiece() {
                        for start in stride(from: piece.lowerBound, to: piece.upperBound, by: block) {
                            let rows = start..<min(start + block, piece.upperBound)
                            if isBounded {
                                bound(rows, into: scores, scratch: scratch)
                            } else {
                                score(rows, into: scores, scratch: scratch)
                            }
                            if let sums {
                                for query in 0..<queryCount {
                                    let (scores, sums) = (scores + query * rows.count, sums + query * columns + start)
                                    for place in 0..<rows.count { scores[place] += sums[place] }
                                }
                            }
                            let count = mafin_scores_above(
                                queryCount, rows.count, scores, rows.count, thresholds, hits)
                            for place in 0..<count {
                                let query = Int(hits[place].query)
                                let row = Int(hits[place].row)
                                var score = scores[query * rows.count + row]
                                if isBounded {
                                    // The threshold may have risen since the comparison.
                                    if score <= thresholds[query] { continue }
                                    score = self.score(row: start + row, query: query)
                                    if let sums { score += sums[query * columns + start + row] }
                                }
                                selectors[query].offer(score, at: start + row)
                                thresholds[query] = selectors[query].threshold
                            }
                        }
                    }
                }
            }
        }
    }
}
