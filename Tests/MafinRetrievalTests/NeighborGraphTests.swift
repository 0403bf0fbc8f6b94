import Foundation
import MafinNumerics
import MafinTestSupport
import Testing

@testable import MafinRetrieval

/// Graphs of near rows: what they find is compared with exact search.
@Suite struct NeighborGraphTests {
    /// Rows in clusters, as texts are: with independent directions no row is nearer than another.
    private static func clustered(_ rows: Int, _ columns: Int, seed: UInt64, spread: Float = 0.7) -> Matrix {
        let centres = randomMatrix(rows / 20, columns, seed: 4)
        var matrix = randomMatrix(rows, columns, seed: seed)
        for row in 0..<rows {
            let centre = centres.row((row &* 7919 + Int(seed)) % centres.rows)
            var squares: Float = 0
            for column in 0..<columns {
                let value = centre[centre.startIndex + column] + spread * matrix[row, column]
                matrix[row, column] = value
                squares += value * value
            }
            for column in 0..<columns { matrix[row, column] /= squares.squareRoot() }
        }
        return matrix
    }

    private struct Fixture {
        let index: VectorIndex
        let bytes: [RowApproximation]

        init(_ parts: [Matrix], as element: VectorRows.Element = .float32) throws {
            let rows = try parts.map { try VectorRows($0, as: element) }
            bytes = rows.map { RowApproximation($0) }
            index = VectorIndex(parts: rows, approximations: bytes)
        }

        func graph(_ weights: [Float], threads: Int = 1) throws -> NeighborGraph {
            try Parallelism.withThreads(threads) { try NeighborGraph.build(bytes, weights: weights) }
        }
    }

    private static func row(_ matrix: Matrix, _ row: Int) -> Matrix {
        Matrix(rows: 1, columns: matrix.columns, values: Array(matrix.row(row)))
    }

    /// The share of the exact best that is among the candidates' best, whose scores are those of exact search to the last bit.
    private static func recall(
        _ fixture: Fixture, _ graph: NeighborGraph, _ queries: Matrix, count: Int, breadth: Int = 128
    ) throws -> Double {
        let exact = try fixture.index.search(queries: queries, count: count)
        var found = 0
        for query in 0..<queries.rows {
            let one = row(queries, query)
            let near = try #require(try graph.candidates(of: one.values, breadth: breadth))
            #expect(near.count <= breadth && near == Set(near).sorted())
            let best = try fixture.index.search(query: one, among: near, count: count)
            let scores = Dictionary(uniqueKeysWithValues: exact[query].map { ($0.index, $0.score) })
            for entry in best {
                guard let score = scores[entry.index] else { continue }
                #expect(score.bitPattern == entry.score.bitPattern)
                found += 1
            }
        }
        return Double(found) / Double(count * queries.rows)
    }

    /// At least 95 % of the best 10 and of the best 100, with one part and with two, of which a query weighs one more; built by one thread and by several.
    @Test(arguments: [1, 4])
    func findsNearlyAllOfTheBest(threads: Int) throws {
        let queries = Self.clustered(60, 96, seed: 31)
        let whole = try Fixture([Self.clustered(4_000, 96, seed: 3)], as: .float16)
        let graph = try whole.graph([1], threads: threads)
        #expect(graph.rows == 4_000 && graph.byteCount > 4_000 * 132)
        #expect(try Self.recall(whole, graph, queries, count: 10) >= 0.95)
        #expect(try Self.recall(whole, graph, queries, count: 100, breadth: 256) >= 0.95)

        let two = try Fixture([Self.clustered(4_000, 64, seed: 3), Self.clustered(4_000, 32, seed: 5)])
        let joined = try two.graph([0.7, 0.3], threads: threads)
        var weighted = queries
        for query in 0..<queries.rows {
            for column in 0..<96 { weighted[query, column] *= column < 64 ? 0.7 : 0.3 }
        }
        #expect(try Self.recall(two, joined, weighted, count: 10) >= 0.95)
        #expect(try Self.recall(two, joined, weighted, count: 100, breadth: 256) >= 0.95)
    }

    /// With as many candidates as rows, the ranking is that of exact search, with sums of another source too.
    @Test func allRowsAsCandidatesAreExactSearch() throws {
        let fixture = try Fixture([Self.clustered(300, 24, seed: 3)])
        let graph = try fixture.graph([1])
        let queries = Self.clustered(20, 24, seed: 9)
        let sums = randomMatrix(20, 300, seed: 12)
        for query in 0..<20 {
            let one = Self.row(queries, query)
            let near = try #require(try graph.candidates(of: one.values, breadth: 1_000))
            #expect(near == Array(0..<300))
            let exact = try fixture.index.search(queries: one, adding: Self.row(sums, query), count: 30)
            let found = try fixture.index.search(query: one, among: near, adding: Array(sums.row(query)), count: 30)
            #expect(found == Array(exact[0]))
            // Candidates that hold the best are enough.
            let some = Set(exact[0].map(\.index)).union([1, 2, 3]).sorted()
            #expect(
                try fixture.index.search(query: one, among: some, adding: Array(sums.row(query)), count: 30)
                    == Array(exact[0]))
        }
    }

    /// One thread builds the same graph twice, with any instruction set for the products, and a file gives it back.
    @Test func twoBuildsAreEqual() throws {
        let folder = try TemporaryFolder()
        let fixture = try Fixture([Self.clustered(1_500, 40, seed: 3)])
        let binding = (0..<32).map { UInt8($0) }
        var files: [Data] = []
        for set in InstructionSet.all {
            let url = folder.url.appendingPathComponent("\(set).hnsw")
            try set.run { try fixture.graph([1]).write(to: url, binding: binding) }
            files.append(try Data(contentsOf: url))
        }
        #expect(Set(files).count == 1)
        let url = folder.url.appendingPathComponent("again.hnsw")
        let built = try fixture.graph([1])
        try built.write(to: url, binding: binding)
        #expect(try Data(contentsOf: url) == files[0])
        let read = try NeighborGraph(contentsOf: url, of: fixture.bytes, weights: [1], binding: binding)
        let queries = Self.clustered(40, 40, seed: 8)
        for query in 0..<40 {
            let values = Array(queries.row(query))
            #expect(try read.candidates(of: values, breadth: 50) == built.candidates(of: values, breadth: 50))
        }
    }

    /// One row, rows that are all equal, rows of zeros, and queries that bytes cannot hold.
    @Test func edges() throws {
        let one = try Fixture([Matrix(rows: 1, columns: 3, values: [1, 2, 3])])
        #expect(try one.graph([1]).candidates(of: [1, 0, 0], breadth: 10) == [0])
        let equal = try Fixture([Matrix(rows: 500, columns: 8, repeating: 0.25)])
        let found = try #require(try equal.graph([1]).candidates(of: [Float](repeating: 1, count: 8), breadth: 20))
        #expect(found.count == 20)
        let zeros = try Fixture([Matrix(rows: 50, columns: 8)])
        #expect(try zeros.graph([1]).candidates(of: [Float](repeating: 1, count: 8), breadth: 5)?.count == 5)
        let graph = try equal.graph([1])
        #expect(try graph.candidates(of: [Float](repeating: 0, count: 8), breadth: 5) == nil)
        #expect(try graph.candidates(of: [Float](repeating: 1e20, count: 8), breadth: 5) == nil)
    }

    /// Files that are cut, changed, of another version, of other rows or bound to something else are refused with their name. No
    /// changed byte ends the process, neither when the file is read nor in a search.
    @Test func unfitFilesAreRefused() throws {
        let folder = try TemporaryFolder()
        let url = folder.url.appendingPathComponent("graph.hnsw")
        let fixture = try Fixture([Self.clustered(400, 16, seed: 3)])
        let binding = [UInt8](repeating: 7, count: 32)
        try fixture.graph([1]).write(to: url, binding: binding)
        let good = try Data(contentsOf: url)
        func refusal(_ data: Data, _ fixture: Fixture, _ binding: [UInt8]) throws -> String {
            try data.write(to: url)
            let error = #expect(throws: NumericsError.self) {
                try NeighborGraph(contentsOf: url, of: fixture.bytes, weights: [1], binding: binding)
            }
            let text = error.map { "\($0)" } ?? ""
            #expect(text.contains(url.path))
            return text
        }
        func changed(_ body: (inout Data) -> Void) -> Data {
            var data = good
            body(&data)
            return data
        }
        #expect(try refusal(Data(), fixture, binding).contains("0 bytes"))
        #expect(try refusal(good.prefix(50), fixture, binding).contains("50 bytes"))
        #expect(try refusal(good.dropLast(), fixture, binding).contains("\(good.count - 1) bytes"))
        #expect(try refusal(changed { $0[0] = 0 }, fixture, binding).contains("another file"))
        #expect(try refusal(changed { $0[8] = 2 }, fixture, binding).contains("version 2"))
        #expect(try refusal(good, fixture, [UInt8](repeating: 8, count: 32)).contains("other vectors"))
        let fewer = try Fixture([Self.clustered(399, 16, seed: 3)])
        #expect(try refusal(good, fewer, binding).contains("400 rows, not 399"))
        #expect(try refusal(changed { $0[96] = 200 }, fixture, binding).contains("levels"))
        // The first link of row 0, and its number of links.
        let list = 96 + 400
        #expect(try refusal(changed { $0[list + 7] = 1 }, fixture, binding).contains("row 0 that leads nowhere"))
        #expect(try refusal(changed { $0[list] = 33 }, fixture, binding).contains("row 0 that leads nowhere"))
        #expect(try refusal(changed { $0[40] = 255 }, fixture, binding).contains("levels"))

        var random = RandomGenerator(seed: 5)
        let query = Array(Self.clustered(20, 16, seed: 6).row(0))
        for round in 0..<3_000 {
            let data = changed { data in
                for _ in 0..<1 + round % 3 {
                    let place = Int.random(in: 0..<(round % 2 == 0 ? 96 : data.count), using: &random)
                    data[place] = UInt8.random(in: 0...255, using: &random)
                }
            }
            try data.write(to: url)
            guard
                let graph = try? NeighborGraph(contentsOf: url, of: fixture.bytes, weights: [1], binding: binding)
            else { continue }
            #expect(try (graph.candidates(of: query, breadth: 30) ?? []).allSatisfy { (0..<400).contains($0) })
        }
    }

    /// An interrupted build ends with `CancellationError`.
    @Test func aBuildCanBeCancelled() throws {
        let fixture = try Fixture([Self.clustered(200, 8, seed: 3)])
        #expect(throws: CancellationError.self) {
            try NeighborGraph.build(fixture.bytes, weights: [1], isCancelled: { true })
        }
        #expect(throws: RetrievalError.self) { try NeighborGraph.build(fixture.bytes, weights: [-1]) }
    }
}
