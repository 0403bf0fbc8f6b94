import CMafinKernels
import Foundation
import MafinNumerics
import MafinTestSupport
import Testing

/// The inner products of exact search on every instruction set of this machine, around the edges of tiles (6 or 2 rows, 4
/// or 2 queries), vectors (16, 8 or 4 floats) and pieces (384 deep, 8 of them at a time).
@Suite struct InnerProductKernelTests {
    struct Case: CustomTestStringConvertible {
        var set: InstructionSet
        var half: Bool
        var element: mafin_element { half ? MAFIN_FLOAT16 : MAFIN_FLOAT32 }
        var testDescription: String {
            "\(set), \(half ? "float16" : "float32")"
        }
    }

    static let cases = InstructionSet.all.flatMap { set in [false, true].map { Case(set: set, half: $0) } }
    static let widths = [
        1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 383, 384, 385, 399, 400, 768, 770, 1_153, 3_072, 3_083,
    ]

    static func values(_ count: Int, seed: UInt64) -> [Float] {
        var random = RandomGenerator(seed: seed)
        return (0..<count).map { _ in 2 * random.uniform() - 1 }
    }

    /// Scores as `mafin_inner_products` gives them, `(queries, rows)`.
    private func scores(
        _ which: Case, rows: Range<Int>, width: Int, _ vectors: UnsafeRawPointer, stride: Int, queries: [Float]
    ) -> [Float] {
        let count = queries.count / max(1, width)
        var prepared = [Float](repeating: .nan, count: mafin_prepared_size(count, width))
        mafin_prepare_queries(count, width, queries, width, &prepared)
        var scores = [Float](repeating: .nan, count: count * rows.count)
        mafin_inner_products(
            rows.count, width, vectors + rows.lowerBound * stride * (which.half ? 2 : 4), which.element,
            stride, count, prepared, &scores, rows.count)
        return scores
    }

    @Test(arguments: cases) func equalNaiveProductsInWhateverTile(_ which: Case) {
        which.set.run {
            for (number, width) in Self.widths.enumerated() {
                let rowCount = [1, 2, 5, 6, 7, 12, 13, 16, 17, 33][number % 10]
                let queryCount = [2, 3, 4, 5, 9][number % 5]
                let stride = width + number % 3
                var rows = Self.values(rowCount * stride, seed: 1)
                let halves = Float16Bits.bits(rows)
                if which.half { rows = halves.withUnsafeBytes(Float16Bits.floats) }
                let queries = Self.values(queryCount * width, seed: 2)
                func scores(_ range: Range<Int>, _ queries: [Float]) -> [Float] {
                    which.half
                        ? halves.withUnsafeBytes {
                            self.scores(
                                which, rows: range, width: width, $0.baseAddress!, stride: stride, queries: queries)
                        }
                        : rows.withUnsafeBytes {
                            self.scores(
                                which, rows: range, width: width, $0.baseAddress!, stride: stride, queries: queries)
                        }
                }
                let all = scores(0..<rowCount, queries)
                let expected = NaiveKernels.product(
                    transposeA: false, transposeB: true, m: queryCount, n: rowCount, k: width, alpha: 1, queries,
                    strideA: width, rows, strideB: stride, beta: 0, all, strideC: rowCount)
                #expect(largestDifference(all, expected) <= 1e-7 * Double(width) + 1e-6, "\(width)")
                // One query at a time, and one row at a time: the same bits.
                for query in 0..<queryCount {
                    let alone = Array(queries[query * width..<(query + 1) * width])
                    let line = scores(0..<rowCount, alone)
                    #expect(differingElements(line, all[query * rowCount..<(query + 1) * rowCount]) == 0, "\(width)")
                }
                for row in 0..<rowCount {
                    let column = (0..<queryCount).map { all[$0 * rowCount + row] }
                    #expect(differingElements(scores(row..<row + 1, queries), column) == 0, "\(width)")
                }
            }
        }
    }

    /// Rows that end at the end of readable memory: prefetches may go beyond it, reads may not.
    @Test(arguments: cases) func readNothingBehindTheLastRow(_ which: Case) throws {
        try which.set.run {
            let page = Int(getpagesize())
            for width in Self.widths {
                let bytes = 3 * width * (which.half ? 2 : 4)
                let room = (bytes + page - 1) / page * page
                let start = try #require(
                    mmap(nil, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0))
                defer { munmap(start, room + page) }
                try #require(mprotect(start + room, page, PROT_NONE) == 0)
                for queries in [1, 5] {
                    let found = scores(
                        which, rows: 0..<3, width: width, UnsafeRawPointer(start) + room - bytes, stride: width,
                        queries: Self.values(queries * width, seed: 3))
                    #expect(found.allSatisfy { $0 == 0 })
                }
            }
        }
    }

    /// No score is above its bound, and bounds are close, for rows of every size and shape.
    @Test(arguments: cases) func approximationsBoundEveryScore(_ which: Case) {
        which.set.run {
            var random = RandomGenerator(seed: 4)
            for width in [1, 5, 16, 50, 384, 1_025, 3_100] {
                let rowCount = 67
                var rows = (0..<rowCount * width).map { _ in random.normal() }
                // Rows from too small to too large for bounds, rows with one very large element, constants and zeros.
                for row in 0..<40 {
                    let size = which.half ? Float(pow(2, Double(row) / 3 - 10)) : Float(pow(2, Double(row) * 5 - 100))
                    for column in 0..<width { rows[row * width + column] *= size }
                }
                for row in 40..<50 { rows[row * width + row % width] = 100 * Float(row - 40) }
                for row in 50..<52 {
                    for column in 0..<width { rows[row * width + column] = row == 50 ? 0 : 0.7 }
                }
                let halves = Float16Bits.bits(rows)
                let queryCount = 5
                let queries = (0..<queryCount * width).map { _ in random.normal() }
                let norms = (0..<queryCount).map { query in
                    Float(
                        queries[query * width..<(query + 1) * width].reduce(0.0) { $0 + Double($1) * Double($1) }
                            .squareRoot()
                    )
                    .nextUp
                }
                let lengths = (0..<rowCount).map { row in
                    rows[row * width..<(row + 1) * width].reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
                }
                let steps = (0..<rowCount).map { row in
                    Double(rows[row * width..<(row + 1) * width].reduce(0) { max($0, abs($1)) }) / 127
                        * Double(width).squareRoot()
                }
                func check(_ vectors: UnsafeRawPointer) {
                    let found = scores(
                        which, rows: 0..<rowCount, width: width, vectors, stride: width, queries: queries)
                    var codes = [Int8](repeating: 0, count: rows.count)
                    var scales = [Float](repeating: 0, count: rowCount)
                    var margins = scales
                    mafin_approximate(rowCount, width, vectors, which.element, width, &codes, &scales, &margins)
                    for count in [1, queryCount] {
                        var prepared = [Float](repeating: 0, count: mafin_prepared_size(count, width))
                        mafin_prepare_queries(count, width, queries, width, &prepared)
                        var bounds = [Float](repeating: 0, count: count * rowCount)
                        mafin_inner_products(
                            rowCount, width, codes, MAFIN_INT8, width, count, prepared, &bounds, rowCount)
                        var twice = bounds
                        let products = bounds
                        mafin_upper_bounds(count, rowCount, products, rowCount, norms, scales, margins, false, &bounds)
                        twice = bounds
                        mafin_upper_bounds(count, rowCount, products, rowCount, norms, scales, margins, true, &twice)
                        // Only failures are recorded, because there are thousands of checks.
                        for place in bounds.indices {
                            let row = place % rowCount
                            let isInRange = which.half || (12...28).contains(row) || row >= 40
                            let gap = Double(bounds[place] - found[place])
                            // Twice, for the largest error of the score and for the margin. Both are half a step in
                            // every element.
                            let room = Double(norms[place / rowCount]) * (1.1 * steps[row] + 1e-5 * lengths[row])
                            let difference = Double(abs(twice[place] - 2 * bounds[place]))
                            // Only rows out of range may have an infinite margin.
                            let isGood =
                                bounds[place].isFinite
                                ? (0...room).contains(gap)
                                    && difference <= 1e-6 * lengths[row] * Double(norms[place / rowCount])
                                : !isInRange
                            if !isGood {
                                Issue.record(
                                    "width \(width), row \(row): \(found[place]), bound \(bounds[place]), room \(room)")
                            }
                        }
                    }
                }
                if which.half {
                    halves.withUnsafeBytes { check($0.baseAddress!) }
                } else {
                    rows.withUnsafeBytes { check($0.baseAddress!) }
                }
            }
        }
    }

    /// No score is above its bound from bytes on both sides, and bounds are close, around the edges of tiles (up to 32 rows, 16
    /// queries) and of blocks (96 rows).
    @Test(arguments: cases) func bytesBoundEveryScore(_ which: Case) {
        which.set.run {
            for (number, width) in [1, 3, 16, 63, 64, 65, 384, 1_025].enumerated() {
                let rowCount = [1, 5, 97, 33, 130, 6, 96, 67][number]
                let queryCount = [1, 5, 16, 17, 33, 2, 48, 100][number]
                let stride = (queryCount + 15) / 16 * 16
                var rows = Self.values(rowCount * width, seed: 11)
                for row in 0..<rowCount where row % 9 == 8 {
                    for column in 0..<width { rows[row * width + column] *= row % 2 == 0 ? 0 : 1e-3 }
                }
                let halves = Float16Bits.bits(rows)
                var queries = Self.values(queryCount * width, seed: 12)
                if queryCount > 4 {
                    for column in 0..<width { queries[4 * width + column] = 0 }
                }
                func norm(_ values: [Float], _ place: Int) -> Double {
                    values[place * width..<(place + 1) * width].reduce(0.0) { $0 + Double($1) * Double($1) }
                        .squareRoot()
                }
                func check(_ vectors: UnsafeRawPointer) {
                    let found = scores(
                        which, rows: 0..<rowCount, width: width, vectors, stride: width, queries: queries)
                    var codes = [Int8](repeating: 0, count: rows.count)
                    var (scales, margins) = (
                        [Float](repeating: 0, count: rowCount), [Float](repeating: 0, count: rowCount)
                    )
                    mafin_approximate(rowCount, width, vectors, which.element, width, &codes, &scales, &margins)
                    var norms = [Float](repeating: 0, count: stride)
                    for query in 0..<queryCount { norms[query] = Float(norm(queries, query)).nextUp }
                    var errors = [Float](repeating: 0, count: stride)
                    withUnsafeTemporaryAllocation(
                        byteCount: mafin_int8_packed_size(queryCount, width), alignment: 64
                    ) { packed in
                        mafin_quantize_queries(queryCount, width, queries, width, packed.baseAddress!, &errors)
                        for isAdded in [false, true] {
                            var bounds = [Float](repeating: 1, count: rowCount * stride)
                            mafin_byte_bounds(
                                rowCount, width, codes, scales, margins, queryCount, packed.baseAddress!, norms, errors,
                                isAdded, &bounds, stride)
                            for row in 0..<rowCount {
                                for query in 0..<queryCount {
                                    let gap = Double(
                                        bounds[row * stride + query] - (isAdded ? 1 : 0) - found[query * rowCount + row]
                                    )
                                    // Half a step of the row and of the query in every element, each twice.
                                    let room = norm(rows, row) * norm(queries, query) * 0.06
                                    if !(gap >= (isAdded ? -1e-6 : 0) && gap <= room + 1e-6) {
                                        Issue.record("width \(width), row \(row), query \(query): \(gap), room \(room)")
                                    }
                                }
                            }
                        }
                    }
                    // An error is the norm of what the integers leave out: at most half a step in every element.
                    for query in 0..<queryCount {
                        let largest = queries[query * width..<(query + 1) * width].reduce(0) { max($0, abs($1)) }
                        let most = Double(largest) / 64 / 2 * Double(width).squareRoot()
                        #expect((0...most * 1.0001 + 1e-9).contains(Double(errors[query])))
                    }
                }
                if which.half {
                    halves.withUnsafeBytes { check($0.baseAddress!) }
                } else {
                    rows.withUnsafeBytes { check($0.baseAddress!) }
                }
            }
        }
    }

    /// Rows that point where a query's integers leave most out, for which the inequality of the bound is nearly an equation; and
    /// the largest sums that fit.
    @Test(arguments: cases.filter { !$0.half }) func bytesBoundTheWorstRows(_ which: Case) {
        which.set.run {
            for width in [1, 64, 100, 131_000] {
                var query = Self.values(width, seed: 13)
                if width == 131_000 { query = query.map { $0 < 0 ? -1 : 1 } }
                var errors = [Float](repeating: 0, count: 16)
                withUnsafeTemporaryAllocation(byteCount: mafin_int8_packed_size(1, width), alignment: 64) { packed in
                    mafin_quantize_queries(1, width, query, width, packed.baseAddress!, &errors)
                    let scale = query.reduce(0) { max($0, abs($1)) } / 64
                    let rest = query.map { $0 - ($0 / scale).rounded() * scale }
                    let largest = max(rest.reduce(0) { max($0, abs($1)) }, .leastNormalMagnitude)
                    let codes = [
                        rest.map { Int8((127 * $0 / largest).rounded()) }, query.map { $0 < 0 ? -127 : 127 },
                        query.map { $0 < 0 ? 127 : -127 },
                    ]
                    var bounds = [Float](repeating: 0, count: 3 * 16)
                    let zeros = [Float](repeating: 0, count: 16)
                    mafin_byte_bounds(
                        3, width, codes.flatMap { $0 }, [1, 1, 1], zeros, 1, packed.baseAddress!, zeros, errors, false,
                        &bounds, 16)
                    for (row, codes) in codes.enumerated() {
                        let score = zip(codes, query).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
                        let length = codes.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
                        let gap = Double(bounds[row * 16]) - score
                        let most = length * Double(errors[0])
                        // Rounding is covered by the margins, which are 0 here.
                        let rounding = 1e-6 * abs(score) + 1e-9
                        #expect(gap >= -rounding, "width \(width), row \(row)")
                        #expect(gap <= (row == 0 ? 0.02 : 2) * most + rounding, "width \(width), row \(row)")
                    }
                }
            }
        }
    }

    @Test(arguments: cases.filter { !$0.half }) func findsBoundsAboveThresholds(_ which: Case) {
        which.set.run {
            for queries in [1, 5, 15, 16, 17, 40] {
                let stride = (queries + 15) / 16 * 16
                var random = RandomGenerator(seed: UInt64(queries))
                var bounds = (0..<7 * stride).map { _ in Float(random.index(below: 7)) }
                bounds[3 * stride] = .nan
                // What is behind the queries is never read.
                for row in 0..<7 { for query in queries..<stride { bounds[row * stride + query] = .nan } }
                var thresholds = (0..<stride).map { Float($0 % 4 + 3) }
                thresholds[queries - 1] = queries % 2 == 0 ? .nan : -.infinity
                for query in queries..<stride { thresholds[query] = .infinity }
                var hits = [mafin_hit](repeating: mafin_hit(), count: 7 * queries)
                let count = mafin_bounds_above(7, queries, bounds, stride, thresholds, &hits)
                let expected = (0..<7).flatMap { row in
                    (0..<queries).filter { !(bounds[row * stride + $0] <= thresholds[$0]) }.map { [$0, row] }
                }
                #expect(hits[..<count].map { [Int($0.query), Int($0.row)] } == expected)
            }
        }
    }

    @Test(arguments: cases.filter { !$0.half }) func findsScoresAboveThresholds(_ which: Case) {
        which.set.run {
            for rows in [1, 3, 8, 31, 32, 33, 96, 100] {
                var random = RandomGenerator(seed: UInt64(rows))
                var scores = (0..<4 * rows).map { _ in Float(random.index(below: 7)) }
                scores[2 * rows] = .nan
                // All scores pass the last threshold.
                let thresholds: [Float] = [5, 6, 4, .nan]
                var hits = [mafin_hit](repeating: mafin_hit(), count: scores.count)
                let count = mafin_scores_above(4, rows, scores, rows, thresholds, &hits)
                let expected = (0..<4).flatMap { query in
                    (0..<rows).filter { !(scores[query * rows + $0] <= thresholds[query]) }.map { [query, $0] }
                }
                #expect(hits[..<count].map { [Int($0.query), Int($0.row)] } == expected)
            }
        }
    }
}
