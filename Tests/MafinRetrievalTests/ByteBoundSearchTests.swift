import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinRetrieval

/// Searches whose first pass computes bounds from rows and queries in bytes.
@Suite struct ByteBoundSearchTests {
    /// Rows and queries for bytes. Queries 0 to 19 have 30 rows that are like them, in all of the rows. Queries 20 to 31 have 15,
    /// all in the sample, so that their floors are too high for 20 results. Query 32 is 0, query 33 is very small.
    private func rowsAndQueriesForBytes() -> (rows: Matrix, queries: Matrix) {
        var rows = randomMatrix(3_001, 200, seed: 21)
        var queries = randomMatrix(34, 200, seed: 22)
        for row in 0..<3_001 {
            let run = row / 256
            let query: Int? =
                row % 256 < FloorSample.run ? (row % 256 > 0 ? 20 + run : nil) : row % 5 == 0 ? row / 5 % 20 : nil
            guard let query else { continue }
            for column in 0..<200 { rows[row, column] = queries[query, column] + 0.5 * rows[row, column] }
        }
        for column in 0..<200 {
            queries[32, column] = 0
            queries[33, column] *= 1e-14
            // No bound: 0 times infinity is no number.
            rows[1_000, column] *= 1e25
            rows[1_001, column] *= 1e-30
            // Equal rows.
            rows[2_010, column] = rows[2_005, column]
        }
        return (rows, queries)
    }

    private let bytesForAll = SearchTiling(
        approximatedQueries: 0, multipliesBytes: true, leastByteColumns: 1, mostHits: 0.25)

    /// The same with queries in bytes: floors that fit and floors that are too high, several queries in a vector and several
    /// vectors of queries, rows and queries without bounds, and added numbers.
    @Test(arguments: VectorRows.Element.allCases) func queriesInBytesFindTheSame(element: VectorRows.Element) throws {
        var (rows, queries) = rowsAndQueriesForBytes()
        if element == .float16 {
            for column in 0..<200 { rows[1_000, column] = 6e4 }
        }
        var sums = randomMatrix(34, 3_001, seed: 24)
        for index in sums.values.indices where index % 3 != 0 { sums.values[index] = 0 }
        let parts = [rows.selecting(columns: 0..<130), rows.selecting(columns: 130..<200)]
        let plain = VectorIndex(parts: try parts.map { try VectorRows($0, as: element) })
        let index = VectorIndex(parts: plain.parts, isApproximated: true)
        for set in InstructionSet.all {
            // Other instruction sets than the widest run on one thread.
            let isWidest = set.description == InstructionSet.all.last?.description
            func search(_ index: VectorIndex, _ sums: Matrix?, _ threads: Int, _ tiling: SearchTiling) throws
                -> Rankings
            {
                func search() throws -> Rankings {
                    try index.search(queries: queries, adding: sums, count: 20, tiling: tiling)
                }
                return try isWidest ? Parallelism.withThreads(threads, search) : set.run(search)
            }
            for sums in [nil, sums] {
                let whole = try search(plain, sums, 2, SearchTiling())
                for threads in isWidest ? [1, 3] : [1] {
                    for (perPass, perBlock) in [(34, nil), (34, 7), (5, 96), (1, 8)] as [(Int, Int?)] {
                        var tiling = bytesForAll
                        (tiling.queries, tiling.rows) = (perPass, perBlock)
                        let found = try search(index, sums, threads, tiling)
                        #expect(found == whole, "\(set), \(threads) threads, \(perPass) × \(perBlock ?? 0)")
                    }
                }
            }
        }
    }

    /// The floors on which the test above relies.
    @Test func floorsAreBelowTheBestScores() throws {
        let (rows, queries) = rowsAndQueriesForBytes()
        let index = VectorIndex(try VectorRows(rows), isApproximated: true)
        let best = try index.search(queries: queries, count: 20, tiling: SearchTiling())
        func floors(_ queries: Matrix, _ count: Int, _ tiling: SearchTiling) throws -> [Float]? {
            try index.withScorer(queries, rows: 0..<queries.rows, for: .byteBounds) { scorer in
                #expect(scorer.hasBounds)
                return try scorer.floors(FloorSample(count, of: 3_001, tiling), adding: [], of: 3_001) {}
            }
        }
        let found = try #require(try floors(queries, 20, bytesForAll))
        for query in 0..<20 { #expect(found[query] < best[query].map(\.score)[19], "\(query)") }
        for query in 20..<32 {
            #expect(found[query] > best[query].map(\.score)[19] && found[query] < .infinity, "\(query)")
        }
        // All scores of the query 0 are equal.
        #expect(found[32] == -Float.leastNonzeroMagnitude || found[32] == .infinity)
        // Queries that no row is like: bounds exclude too few rows.
        let others = randomMatrix(20, 200, seed: 25)
        var strict = bytesForAll
        strict.mostHits = 0.05
        #expect(try floors(others, 20, strict) == nil)
        #expect(
            !FloorSample(20, of: 3_001, SearchTiling()).isUseful
                && FloorSample(100, of: 50_000, SearchTiling()).isUseful)
        #expect(FloorSample(100, of: 10_000_000, SearchTiling()).runs.count <= 4_096)
    }

    /// As it is configured, a search of many queries over many wide rows goes by bytes, and finds the same. Like embeddings, the
    /// rows vary in few directions, so that scores lie wider than the errors of bytes.
    @Test func wideRowsAreSearchedByBytes() throws {
        let directions = randomMatrix(20, 1_024, seed: 43)
        let rows = Matrix.multiply(randomMatrix(16_000, 20, seed: 41), directions)
        let queries = Matrix.multiply(randomMatrix(9, 20, seed: 42), directions)
        let index = VectorIndex(try VectorRows(rows), isApproximated: true)
        let floors = try index.withScorer(queries, rows: 0..<9, for: .byteBounds) { scorer in
            try scorer.floors(FloorSample(10, of: 16_000, SearchTiling()), adding: [], of: 16_000) {}
        }
        #expect(try #require(floors).count { $0 < .infinity } >= 6)
        #expect(
            try index.search(queries: queries, count: 10)
                == VectorIndex(index.parts[0]).search(queries: queries, count: 10))
    }

    @Test func sampleAsksWhetherToGoOn() throws {
        let (rows, queries) = rowsAndQueriesForBytes()
        let index = VectorIndex(try VectorRows(rows), isApproximated: true)
        for limit in [1, 2] {
            let check = VectorIndexTests.Check(limit: limit)
            Parallelism.withThreads(1) {
                _ = #expect(throws: CancellationError.self) {
                    try index.search(queries: queries, count: 20, tiling: bytesForAll, check: check.call)
                }
            }
        }
    }
}
