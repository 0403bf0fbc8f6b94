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

    /// Orders that lead to bad pivots, and candidates in reverse order.
    @Test(arguments: [1, 3, 50, 700]) func anyOrderOfOffers(count: Int) {
        var generator = RandomGenerator(seed: 9)
        let orders: [[Float]] = [
            (0..<2_000).map { Float($0) }, (0..<2_000).map { Float(-$0) }, (0..<2_000).map { Float($0 % 2) },
            (0..<2_000).map { Float(abs(1_000 - $0)) }, (0..<2_000).map { Float(($0 * 1_103) % 1_999) - 1_000 },
            [Float](repeating: -0.0, count: 1_000) + [Float](repeating: 0, count: 1_000),
            (0..<2_000).map { _ in -.infinity }, (0..<2_000).map { $0 % 3 == 0 ? .nan : -.greatestFiniteMagnitude },
            (0..<2_000).map { _ in generator.normal() * Float(0x1p-130) },
        ]
        for scores in orders {
            let expected = sorted(scores.map { $0.isNaN ? -.infinity : $0 }, count)
            #expect(topK(scores, count: count).map(\.index) == expected)
            var backwards = TopKSelector(count: count)
            for index in scores.indices.reversed() { backwards.offer(scores[index], at: index) }
            let best = backwards.take()
            #expect(best.map(\.index) == expected)
            #expect(best.allSatisfy { $0.score == scores[$0.index] || scores[$0.index].isNaN })
            #expect(backwards.take().isEmpty && backwards.threshold.isNaN)
            var halves = [TopKSelector(count: count), TopKSelector(count: count)]
            for index in scores.indices { halves[index % 2].offer(scores[index], at: index) }
            halves[0].offer(contentsOf: halves[1])
            #expect(halves[0].take() == best)
        }
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
