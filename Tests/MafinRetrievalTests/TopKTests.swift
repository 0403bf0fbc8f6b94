import MafinNumerics
import Testing

@testable import MafinRetrieval

@Suite struct TopKTests {
    private func sorted(_ scores: [Float], _ count: Int) -> [Int] {
        Array(scores.indices.sorted { (-scores[$0], $0) < (-scores[$1], $1) }.prefix(count))
    }

    @Test func equalsSorting() {
        var generator = RandomGenerator(seed: 2)
        for length in [0, 1, 2, 7, 8, 9, 63, 64, 65, 1_000] {
            for count in [0, 1, 2, 10, 100, 2_000] {
                // Few distinct values: most entries are ties.
                let scores = (0..<length).map { _ in Float(generator.index(below: 9)) - 4 }
                #expect(topK(scores, count: count).map(\.index) == sorted(scores, count), "\(length), \(count)")
                let spread = (0..<length).map { _ in generator.normal() }
                let best = topK(spread, count: count)
                #expect(best.map(\.index) == sorted(spread, count))
                #expect(best.allSatisfy { spread[$0.index] == $0.score })
            }
        }
        #expect(topK([1, .nan, 2, -.infinity, .nan] as [Float], count: 3).map(\.index) == [2, 0, 1])
        #expect(topK(repeatElement(1 as Float, count: 20), count: 2).map(\.index) == [0, 1])
    }

    @Test(arguments: [1, 3, 64, 1_000])
    func denseRankingEqualsSortingInnerProducts(block: Int) {
        var generator = RandomGenerator(seed: 6)
        func matrix(_ rows: Int) -> Matrix {
            Matrix(rows: rows, columns: 5, values: (0..<rows * 5).map { _ in Float(generator.index(below: 5)) - 2 })
        }
        let queries = matrix(7)
        let documents = matrix(90)
        let rankings = rank(queryVectors: queries, documentVectors: documents, count: 12, block: block)
        #expect(rankings.count == 7)
        for row in 0..<7 {
            // Small integers: the products are exact in any order of summation.
            let scores = (0..<90).map { document in
                zip(queries.row(row), documents.row(document)).reduce(Float(0)) { $0 + $1.0 * $1.1 }
            }
            #expect(rankings[row].map(\.index) == sorted(scores, 12))
        }
        #expect(rank(queryVectors: queries, documentVectors: documents, count: 12) == rankings)
        let run = Run(rankings, queryIds: (0..<7).map { "q\($0)" }, documentIds: (0..<90).map { "d\($0)" })
        #expect(run["q3"]?.count == 12)
        #expect(run["q3"]?.first?.score == rankings[3].first?.score)
        #expect(rank(queryVectors: queries, documentVectors: matrix(0), count: 3)[6].isEmpty)
    }
}
