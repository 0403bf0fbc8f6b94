import CMafinKernels
import MafinNumerics
import Synchronization

/// What a search computes for every row.
enum FirstPass {
    /// Scores.
    case scores
    /// Bounds of scores, from rows in bytes and queries in floats. With few queries the speed of memory is the limit, and
    /// bytes are a quarter of the memory.
    case bounds
    /// Bounds of scores, from rows and queries in bytes. With many queries arithmetic is the limit, and processors multiply
    /// bytes faster than floats.
    case byteBounds
}

/// The rows that give each query of ``FirstPass/byteBounds`` its floor: short runs at equal distances, because neighbours are
/// often alike, such as the parts of one text.
struct FloorSample {
    /// Rows of a run.
    static let run = 16
    /// Rows at most.
    private static let most = 65_536

    let runs: [Range<Int>]
    /// A floor is the lowest score of the rows with so many of the best bounds: as many as are expected if `count` of all rows
    /// are spread evenly, and three standard deviations.
    let used: Int
    /// Bytes pay if at most so many bounds are above the floor.
    let kept: Int

    init(_ count: Int, of rows: Int, _ tiling: SearchTiling) {
        let distance = max(tiling.sampleDistance, Self.run * ((rows + Self.most - 1) / Self.most))
        runs = stride(from: 0, to: rows, by: distance).map { $0..<min($0 + Self.run, rows) }
        let size = runs.reduce(0) { $0 + $1.count }
        let expected = Double(count) * Double(size) / Double(max(1, rows))
        used = Int((expected + 3 * expected.squareRoot() + 1).rounded(.up))
        kept = Int(Double(size) * tiling.mostHits)
    }

    /// Whether floors can show that bytes pay.
    var isUseful: Bool { used < kept }
}

extension BlockScorer {
    /// Largest number of columns of a part for ``FirstPass/byteBounds``, so that its sums fit into 32 bits.
    static let mostByteColumns = 131_000

    /// The number of queries in whole vectors, as kernels need it.
    static func padded(_ queries: Int) -> Int { (queries + 15) / 16 * 16 }

    /// Offers to each query's selector all scores above its floor that may be among its best.
    ///
    /// A row passes three gates, each dearer and more exact than the one before: its bound from both in bytes, its bound
    /// from the query's floats, and its score.
    /// - Parameters: those of ``collect(_:adding:of:block:isBounded:nextPiece:)``, and
    ///   - floors: scores up to these are not offered.
    func collectByBytes(
        _ selectors: UnsafeMutableBufferPointer<TopKSelector>, above floors: [Float], adding sums: ArraySlice<Float>,
        of columns: Int, block: Int, nextPiece: () -> Range<Int>?
    ) {
        // A selector's threshold is NaN at first.
        func threshold(_ query: Int) -> Float {
            let own = selectors[query].threshold
            return own > floors[query] ? own : floors[query]
        }
        withByteBounds(block: block, adding: sums, of: columns) { bounds in
            for query in 0..<queryCount { bounds.thresholds[query] = threshold(query) }
            while let piece = nextPiece() {
                for start in stride(from: piece.lowerBound, to: piece.upperBound, by: block) {
                    bounds.forEachHit(start..<min(start + block, piece.upperBound)) { query, row, sum in
                        guard !(bound(row: row, query: query) + sum <= bounds.thresholds[query]) else { return }
                        let score = self.score(row: row, query: query) + sum
                        guard score > bounds.thresholds[query] else { return }
                        selectors[query].offer(score, at: row)
                        bounds.thresholds[query] = threshold(query)
                    }
                }
            }
        }
    }

    /// A score for each query that probably more rows exceed than are wanted; infinite if bounds exclude too few rows for the
    /// query.
    ///
    /// A search that has not yet seen many rows rejects few. With a floor it rejects most from the start. It must do without
    /// for queries of which it finds fewer rows than are wanted.
    /// - Parameter check: as in ``VectorIndex/search(queries:count:check:)``.
    /// - Returns: `nil` if bounds exclude too few rows for most queries.
    func floors(
        _ sample: FloorSample, adding sums: ArraySlice<Float>, of rows: Int, _ check: @Sendable () throws -> Void
    ) throws -> [Float]? {
        let workers = min(Parallelism.threads, sample.runs.count)
        let failure = Mutex<(any Error)?>(nil)
        var selectors = (0..<workers * queryCount).map { _ in TopKSelector(count: sample.kept) }
        let floors = selectors.withUnsafeMutableBufferPointer { selectors in
            let shared = UnsafeTransfer((scorer: self, selectors: selectors))
            parallelFor(workers) { worker in
                let (scorer, selectors) = shared.value
                scorer.withByteBounds(block: FloorSample.run, adding: sums, of: rows) { bounds in
                    for query in 0..<scorer.queryCount { bounds.thresholds[query] = -.infinity }
                    let first = worker * sample.runs.count / workers
                    for place in first..<(worker + 1) * sample.runs.count / workers {
                        if (place - first) % 256 == 0 {
                            do {
                                try check()
                            } catch {
                                failure.withLock { $0 = error }
                                return
                            }
                        }
                        let run = sample.runs[place]
                        bounds.forEachHit(run) { query, row, _ in
                            let place = worker * scorer.queryCount + query
                            selectors[place].offer(bounds.bound(row - run.lowerBound, query), at: row)
                            bounds.thresholds[query] = selectors[place].threshold
                        }
                    }
                }
            }
            guard failure.withLock({ $0 }) == nil else { return [Float]() }
            return parallelMap(queryCount) { query in
                let (scorer, selectors) = shared.value
                for worker in 1..<max(1, workers) {
                    selectors[query].offer(contentsOf: selectors[worker * scorer.queryCount + query])
                }
                let best = selectors[query].take()
                let scores = best.prefix(sample.used).map { entry in
                    let sum = sums.isEmpty ? 0 : sums[sums.startIndex + query * rows + entry.index]
                    return scorer.score(row: entry.index, query: query) + sum
                }
                guard let floor = scores.min(), let last = best.last?.score, last <= floor else { return .infinity }
                // Scores equal to the floor are wanted too.
                return floor.nextDown
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
        return 2 * floors.count(where: { $0 == .infinity }) > queryCount ? nil : floors
    }

    /// bounds[i · stride + q] ≥ score of row `rows.lowerBound + i` for query q, or NaN.
    fileprivate func byteBounds(_ rows: Range<Int>, into bounds: UnsafeMutablePointer<Float>, stride: Int) {
        for (place, part) in parts.enumerated() {
            guard let approximation = part.approximation, let queryBytes = part.queryBytes else {
                preconditionFailure("bounds without approximations")
            }
            mafin_byte_bounds(
                rows.count, part.columns, approximation.codes + rows.lowerBound * part.columns,
                approximation.scales + rows.lowerBound, approximation.margins + rows.lowerBound, queryCount, queryBytes,
                part.norms, part.errors, place > 0, bounds, stride)
        }
    }

    /// A bound of the score of one row for one query, as from ``bound(_:into:scratch:)``, or NaN.
    private func bound(row: Int, query: Int) -> Float {
        var sum: Float = 0
        for (place, part) in parts.enumerated() {
            guard let approximation = part.approximation else { preconditionFailure("bounds without approximations") }
            var product: Float = 0
            mafin_inner_products(
                1, part.columns, approximation.codes + row * part.columns, MAFIN_INT8, part.columns, 1,
                part.queries + query * part.queryStride, &product, 1)
            let bound = approximation.scales[row] * product + part.norms[query] * approximation.margins[row]
            sum = place == 0 ? bound : sum + bound
        }
        return sum
    }
}

/// The bounds of one block of rows at a time, in the memory of one thread.
struct ByteBounds {
    fileprivate let scorer: BlockScorer
    fileprivate let bounds: UnsafeMutablePointer<Float>
    fileprivate let stride: Int
    fileprivate let hits: UnsafeMutablePointer<mafin_hit>
    /// Numbers that are added, `columns` for each query; `nil`: none.
    fileprivate let sums: UnsafePointer<Float>?
    fileprivate let columns: Int
    /// Of each query; rows with a bound up to it are skipped.
    let thresholds: UnsafeMutablePointer<Float>

    /// The bound of the last block's row `place` for a query.
    func bound(_ place: Int, _ query: Int) -> Float { bounds[place * stride + query] }

    /// Calls `body` with each query and row whose bound is above the query's threshold at that time, and what is added to its
    /// score.
    func forEachHit(_ rows: Range<Int>, _ body: (_ query: Int, _ row: Int, _ sum: Float) -> Void) {
        scorer.byteBounds(rows, into: bounds, stride: stride)
        if let sums {
            for query in 0..<scorer.queryCount {
                let sums = sums + query * columns + rows.lowerBound
                for place in 0..<rows.count { bounds[place * stride + query] += sums[place] }
            }
        }
        let count = mafin_bounds_above(rows.count, scorer.queryCount, bounds, stride, thresholds, hits)
        for hit in 0..<count {
            let (query, place) = (Int(hits[hit].query), Int(hits[hit].row))
            // The threshold may have risen since the comparison.
            if bounds[place * stride + query] <= thresholds[query] { continue }
            let row = rows.lowerBound + place
            body(query, row, sums.map { $0[query * columns + row] } ?? 0)
        }
    }
}

extension BlockScorer {
    /// Calls `body` with memory for blocks of at most `block` rows.
    fileprivate func withByteBounds(
        block: Int, adding sums: ArraySlice<Float>, of columns: Int, _ body: (ByteBounds) -> Void
    ) {
        let stride = Self.padded(queryCount)
        sums.withUnsafeBufferPointer { buffer in
            withUnsafeTemporaryAllocation(byteCount: (block + 1) * stride * 4, alignment: 64) { memory in
                withUnsafeTemporaryAllocation(of: mafin_hit.self, capacity: block * queryCount) { hits in
                    guard let bounds = memory.bindMemory(to: Float.self).baseAddress, let hits = hits.baseAddress else {
                        return
                    }
                    let thresholds = bounds + block * stride
                    for query in 0..<stride { thresholds[query] = .infinity }
                    body(
                        ByteBounds(
                            scorer: self, bounds: bounds, stride: stride, hits: hits,
                            // An empty buffer may have an address.
                            sums: buffer.isEmpty ? nil : buffer.baseAddress, columns: columns, thresholds: thresholds))
                }
            }
        }
    }
}
