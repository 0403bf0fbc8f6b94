import Foundation
import MafinNumerics
import MafinTestSupport
import Synchronization
import Testing

@testable import MafinRetrieval

/// Rankings by products in double precision, from Tools/write_search_goldens.py.
private struct SearchGolden: Decodable {
    let split: Int
    let queries: [[Float]]
    let rankings: [[Int]]
    let scores: [[Double]]
    let first_part: [[Double]]

    static func read() throws -> SearchGolden { try Golden.decode("search.json", as: SearchGolden.self) }

    var matrix: Matrix {
        Matrix(rows: queries.count, columns: queries[0].count, values: queries.flatMap { $0 })
    }
}

func randomMatrix(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
    var random = RandomGenerator(seed: seed)
    return Matrix(rows: rows, columns: columns, values: (0..<rows * columns).map { _ in random.normal() })
}

@Suite struct VectorIndexTests {
    /// All elements are multiples of 1/8, which float16 holds: the same ranking from every kind of storage.
    @Test(arguments: ["float32", "float16", "mapped float32", "mapped float16", "two parts", "mixed parts"])
    func equalsTheGoldenRankings(storage: String) async throws {
        let golden = try SearchGolden.read()
        let url = try Golden.url("search_rows.npy")
        let matrix = try NumPyFile.read(url)
        try await TemporaryFolder.with { folder in
            let file = folder.url.appendingPathComponent("half.npy")
            try VectorRows(matrix).write(to: file, as: .float16)
            let halves = try VectorRows(contentsOf: file)
            let first = 0..<golden.split
            let second = golden.split..<matrix.columns
            let index =
                switch storage {
                case "float32": VectorIndex(try VectorRows(matrix))
                case "float16": VectorIndex(try VectorRows(matrix, as: .float16))
                case "mapped float32": VectorIndex(try VectorRows(contentsOf: url))
                case "mapped float16": VectorIndex(halves)
                case "two parts":
                    VectorIndex(parts: [halves.selecting(columns: first), halves.selecting(columns: second)])
                default:
                    VectorIndex(parts: [
                        halves.selecting(columns: first), try VectorRows(matrix).selecting(columns: second),
                    ])
                }
            #expect(index.count == 150 && index.columns == 50)
            for count in [0, 1, 2, 10, 149, 150, 151, 1_000] {
                let rankings = try index.search(queries: golden.matrix, count: count)
                #expect(rankings.count == golden.queries.count)
                for query in golden.queries.indices {
                    let expected = Array(golden.rankings[query].prefix(count))
                    #expect(rankings[query].map(\.index) == expected, "\(count)")
                    #expect(rankings[query].allSatisfy { Double($0.score) == golden.scores[query][$0.index] })
                }
            }
        }
    }

    /// All partitions of the work, on scores whose last bits depend on the order of summation.
    @Test func rankingsDependOnNoTilingBatchOrThread() throws {
        let rows = randomMatrix(1_003, 401, seed: 1)
        let queries = randomMatrix(11, 401, seed: 2)
        let index = VectorIndex(try VectorRows(rows))
        for set in InstructionSet.all {
            // Other instruction sets than the widest run on one thread.
            let isWidest = set.description == InstructionSet.all.last?.description
            func search(_ threads: Int, _ tiling: SearchTiling = SearchTiling()) throws -> Rankings {
                func search() throws -> Rankings { try index.search(queries: queries, count: 17, tiling: tiling) }
                return try isWidest ? Parallelism.withThreads(threads, search) : set.run(search)
            }
            let whole = try search(4)
            for threads in isWidest ? [1, 2, 3, 8] : [1] {
                for (perPass, perBlock) in [(1, 5), (1, 16), (2, 96), (3, 7), (4, 1), (11, 33), (128, 5_000)] {
                    let found = try search(threads, SearchTiling(queries: perPass, rows: perBlock))
                    #expect(found == whole, "\(set), \(threads) threads, \(perPass) × \(perBlock)")
                }
            }
            // This limit allows the entries of only one query at a time.
            #expect(try search(4, SearchTiling(entryBytes: 1)) == whole)
            for query in 0..<queries.rows {
                let scores = (0..<rows.rows).map { row in
                    zip(queries.row(query), rows.row(row)).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
                }
                let best = scores.sorted(by: >).prefix(17)
                #expect(largestDifference(whole[query].map(\.score), best) < 1e-4)
                #expect(largestDifference(whole[query].map(\.score), whole[query].map { scores[$0.index] }) < 1e-4)
            }
        }
    }

    /// A check that throws when it has been called so many times.
    final class Check: Sendable {
        private let limit: Int
        private let calls = Mutex(0)

        init(limit: Int) { self.limit = limit }

        var count: Int { calls.withLock { $0 } }

        func call() throws {
            let number = calls.withLock { calls -> Int in
                calls += 1
                return calls
            }
            if number >= limit { throw CancellationError() }
        }
    }

    /// A search, and a count of places, ends within the pass over the rows once its check throws.
    @Test(arguments: [1, 3]) func aSearchEndsWhenItsCheckThrows(threads: Int) throws {
        let index = VectorIndex(try VectorRows(randomMatrix(40_000, 4, seed: 21)))
        let queries = randomMatrix(9, 4, seed: 22)
        try Parallelism.withThreads(threads) {
            let (never, soon) = (Check(limit: .max), Check(limit: 3))
            let whole = try index.search(queries: queries, count: 5, check: never.call)
            #expect(try whole == index.search(queries: queries, count: 5))
            #expect(never.count > 12)
            #expect(throws: CancellationError.self) {
                try index.search(queries: queries, count: 5, check: soon.call)
            }
            #expect(soon.count < 3 + threads)

            let (all, second) = (Check(limit: .max), Check(limit: 2))
            let (rows, query) = ([7, 39_999], Array(queries.row(0)))
            let places = try index.places(of: rows, query: query, check: all.call)
            #expect(places == index.places(of: rows, query: query) && all.count == 3)
            #expect(throws: CancellationError.self) {
                try index.places(of: rows, query: query, check: second.call)
            }
        }
    }

    /// However many rows there are, a thread asks before it takes the next few.
    @Test func piecesAreBounded() throws {
        let index = VectorIndex(try VectorRows(randomMatrix(4_000, 4, seed: 23)))
        let queries = randomMatrix(1, 4, seed: 24)
        let check = Check(limit: .max)
        let tiling = SearchTiling(rows: 16, rowsPerPiece: 32)
        let found = try Parallelism.withThreads(1) {
            try index.search(queries: queries, count: 5, tiling: tiling, check: check.call)
        }
        #expect(try found == index.search(queries: queries, count: 5))
        // 125 pieces, and once more at the end.
        #expect(check.count == 126)
    }

    /// Bytes in the place of rows change no bit of a result, for few queries and many, rows of every size, ties included.
    @Test(arguments: VectorRows.Element.allCases) func approximationsFindTheSame(element: VectorRows.Element) throws {
        var first = randomMatrix(2_003, 130, seed: 11)
        // Cases: the best rows are almost equal, so that bounds exclude none; copies; rows of zeros; large and small
        // rows.
        for row in stride(from: 0, to: 600, by: 3) {
            for column in 0..<130 { first[row, column] = Float(column % 7) + first[row, column] * 1e-3 }
        }
        for row in 700..<720 {
            for column in 0..<130 { first[row, column] = row < 710 ? 0 : first[3, column] }
        }
        if element == .float32 {
            for row in 720..<740 {
                for column in 0..<130 { first[row, column] *= row < 730 ? 1e-30 : 1e25 }
            }
        }
        let second = randomMatrix(2_003, 20, seed: 12)
        let parts = [try VectorRows(first, as: element), try VectorRows(second, as: element)]
        let plain = VectorIndex(parts: parts)
        let index = VectorIndex(parts: parts, isApproximated: true)
        #expect(plain.approximationByteCount == 0 && index.approximationByteCount == 2_003 * (150 + 16))
        var queries = randomMatrix(10, 150, seed: 13)
        for column in 0..<150 {
            queries[0, column] = column < 130 ? Float(column % 7) : 0
            queries[1, column] = column < 130 ? 0 : queries[1, column]
            queries[2, column] *= 1e-20
            queries[3, column] *= 1e18
            queries[4, column] = 0
        }
        for set in InstructionSet.all {
            // Other instruction sets than the widest run on one thread.
            let isWidest = set.description == InstructionSet.all.last?.description
            func search(_ index: VectorIndex, _ threads: Int, _ tiling: SearchTiling) throws -> Rankings {
                func search() throws -> Rankings { try index.search(queries: queries, count: 40, tiling: tiling) }
                return try isWidest ? Parallelism.withThreads(threads, search) : set.run(search)
            }
            let whole = try search(plain, 2, SearchTiling())
            for threads in isWidest ? [1, 3] : [1] {
                for (perPass, perBlock) in [(1, nil), (1, 16), (3, 96), (8, 7), (128, nil)] as [(Int, Int?)] {
                    let tiling = SearchTiling(queries: perPass, rows: perBlock, approximatedQueries: 128)
                    let found = try search(index, threads, tiling)
                    #expect(found == whole, "\(set), \(threads) threads, \(perPass) × \(perBlock ?? 0)")
                }
            }
        }
        #expect(try index.search(queries: queries, count: 5_000) == plain.search(queries: queries, count: 5_000))
    }

    /// Numbers are added to the scores of a search, with and without approximations, for one query and for many.
    @Test(arguments: [1, 9]) func numbersAreAddedToScores(queries count: Int) throws {
        let rows = randomMatrix(2_000, 24, seed: 1)
        let queries = randomMatrix(count, 24, seed: 2)
        var sums = randomMatrix(count, 2_000, seed: 3)
        for index in sums.values.indices where index % 3 != 0 { sums.values[index] = 0 }
        let plain = VectorIndex(try VectorRows(rows))
        let all = try plain.search(queries: queries, count: 2_000)
        for index in [plain, VectorIndex(try VectorRows(rows), isApproximated: true)] {
            let found = try index.search(queries: queries, adding: sums, count: 30)
            for query in 0..<count {
                let expected = all[query].map { ScoredIndex(index: $0.index, score: $0.score + sums[query, $0.index]) }
                    .sorted { ($1.score, $0.index) < ($0.score, $1.index) }
                #expect(Array(found[query]) == Array(expected.prefix(30)))
            }
        }
    }

    @Test func equalRowsAreRankedByIndex() throws {
        let rows = Matrix(rows: 500, columns: 3, values: (0..<1_500).map { $0 < 1_497 ? 0.1 : 0.2 })
        let index = VectorIndex(try VectorRows(rows))
        for threads in [1, 4] {
            let rankings = try Parallelism.withThreads(threads) {
                try index.search(
                    queries: Matrix(rows: 2, columns: 3, values: [1, 1, 1, -1, -1, -1]), count: 40,
                    tiling: SearchTiling(rows: 8))
            }
            #expect(rankings[0].map(\.index) == [499] + Array(0..<39))
            #expect(rankings[1].map(\.index) == Array(0..<40))
        }
    }

    @Test func shapesWithoutRowsQueriesOrColumns() throws {
        let none = VectorIndex(try VectorRows(Matrix(rows: 0, columns: 4)))
        let rankings = try none.search(queries: Matrix(rows: 3, columns: 4), count: 5)
        #expect(rankings.count == 3 && rankings.entries.isEmpty)
        let some = VectorIndex(try VectorRows(Matrix(rows: 3, columns: 4, repeating: 1)))
        #expect(try some.search(queries: Matrix(rows: 0, columns: 4), count: 5).count == 0)
        #expect(try some.search(queries: Matrix(rows: 2, columns: 4), count: 0).entries.isEmpty)
        let flat = VectorIndex(try VectorRows(Matrix(rows: 3, columns: 0)))
        #expect(try flat.search(queries: Matrix(rows: 1, columns: 0), count: 2).entries.map(\.index) == [0, 1])
    }

    /// Sums that overflow: infinity − infinity is NaN, which ranks as −∞.
    @Test func overflowToNaNRanksLast() throws {
        let huge = Float.greatestFiniteMagnitude
        let rows = Matrix(
            rows: 4, columns: 32,
            values: (0..<4).flatMap { row in
                (0..<32).map { row == 1 ? ($0 % 2 == 0 ? huge : -huge) : Float(row) }
            })
        let index = VectorIndex(try VectorRows(rows))
        let ranking = try index.search(queries: Matrix(rows: 1, columns: 32, repeating: 2), count: 4)[0]
        #expect(ranking.map(\.index) == [3, 2, 0, 1] && ranking.last?.score == -.infinity)
        #expect(index.places(of: [0, 1, 2, 3], query: [Float](repeating: 2, count: 32)) == [3, 4, 2, 1])
    }

    @Test func queriesThatAreNoNumbersAreNamed() throws {
        let index = VectorIndex(try VectorRows(Matrix(rows: 3, columns: 4, repeating: 1)))
        var queries = Matrix(rows: 2, columns: 4)
        queries[1, 2] = .nan
        let error = #expect(throws: RetrievalError.self) { try index.search(queries: queries, count: 1) }
        #expect(error?.description == "the queries: row 1, column 2 (both from 0): expected a finite number, found nan")
    }

    @Test(arguments: VectorRows.Element.allCases) func partsAddUpToTheScores(element: VectorRows.Element) throws {
        let first = randomMatrix(300, 390, seed: 3)
        let second = randomMatrix(300, 37, seed: 4)
        let query = randomMatrix(1, 427, seed: 5)
        let halves = [try VectorRows(first, as: element), try VectorRows(second, as: element)]
        let index = VectorIndex(parts: halves)
        let ranking = try index.search(queries: query, count: 300)[0]
        let rows = Array(ranking.map(\.index).prefix(20))
        let parts = index.partScores(of: rows, query: query.values)
        for (place, entry) in ranking.prefix(20).enumerated() {
            #expect(parts[place, 0] + parts[place, 1] == entry.score)
        }
        // Each part of a score equals the score of an index of that half alone.
        let ranges = [0..<390, 390..<427]
        for (part, rangeOfPart) in ranges.enumerated() {
            let own = Matrix(rows: 1, columns: rangeOfPart.count, values: Array(query.values[rangeOfPart]))
            let scores = try VectorIndex(halves[part]).search(queries: own, count: 300)[0]
            let byRow = Dictionary(uniqueKeysWithValues: scores.map { ($0.index, $0.score) })
            #expect(rows.enumerated().allSatisfy { byRow[$1] == parts[$0, part] })
        }
        // With a weight of 0 the ranking is that of the other half, bit for bit.
        var weighted = query
        for column in ranges[0] { weighted[0, column] = 0 }
        let local = try VectorIndex(halves[1]).search(
            queries: Matrix(rows: 1, columns: 37, values: Array(query.values[ranges[1]])), count: 50)
        #expect(try index.search(queries: weighted, count: 50) == local)
    }

    @Test func partsEqualTheGoldens() throws {
        let golden = try SearchGolden.read()
        let rows = try VectorRows(contentsOf: Golden.url("search_rows.npy"))
        let index = VectorIndex(parts: [
            rows.selecting(columns: 0..<golden.split), rows.selecting(columns: golden.split..<50),
        ])
        for (number, query) in golden.queries.enumerated() {
            let parts = index.partScores(of: [149, 3, 60], query: query)
            for (place, row) in [149, 3, 60].enumerated() {
                let first = golden.first_part[number][row]
                #expect(Double(parts[place, 0]) == first)
                #expect(Double(parts[place, 1]) == golden.scores[number][row] - first)
            }
        }
    }

    @Test func placesAreRanksInTheWholeRanking() throws {
        let golden = try SearchGolden.read()
        let index = VectorIndex(try VectorRows(contentsOf: Golden.url("search_rows.npy")))
        for (number, query) in golden.queries.enumerated() {
            let expected = (0..<150).map { row in (golden.rankings[number].firstIndex(of: row) ?? -1) + 1 }
            for threads in [1, 3] {
                let places = Parallelism.withThreads(threads) { index.places(of: Array(0..<150), query: query) }
                #expect(places == expected)
            }
        }
        #expect(index.places(of: [], query: golden.queries[0]).isEmpty)
        // More than one block, with parts.
        let many = randomMatrix(1_000, 20, seed: 8)
        let joined = VectorIndex(parts: [try VectorRows(many), try VectorRows(randomMatrix(1_000, 5, seed: 9))])
        let query = randomMatrix(1, 25, seed: 10)
        let order = try joined.search(queries: query, count: 1_000)[0].map(\.index)
        #expect(joined.places(of: order, query: query.values) == Array(1...1_000))
    }
}
