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

    @Test func rankingsOfAScoreMatrix() {
        var generator = RandomGenerator(seed: 6)
        let scores = Matrix(
            rows: 7, columns: 90, values: (0..<7 * 90).map { _ in Float(generator.index(below: 5)) - 2 })
        let rankings = rank(scores: scores, count: 12)
        #expect(rankings.count == 7)
        for row in 0..<7 { #expect(rankings[row].map(\.index) == sorted(Array(scores.row(row)), 12)) }
        let run = Run(rankings, queryIds: (0..<7).map { "q\($0)" }, documentIds: (0..<90).map { "d\($0)" })
        #expect(run["q3"]?.count == 12)
        #expect(run["q3"]?.first?.score == rankings[3].first?.score)
        #expect(rank(scores: Matrix(rows: 7, columns: 0), count: 3)[6].isEmpty)
    }
}
