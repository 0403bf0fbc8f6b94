import Foundation
import MafinNumerics
import Testing

@Suite struct RandomGeneratorTests {
    @Test func knownAnswers() throws {
        let sequences = try Goldens.decode([String: [String]].self, from: "random.json")
        #expect(sequences.count == 5)
        for (seed, numbers) in sequences {
            var random = RandomGenerator(seed: try #require(UInt64(seed)))
            #expect(numbers.map { UInt64($0) } == numbers.indices.map { _ in random.next() })
        }
    }

    @Test func storedStateContinuesTheSequence() throws {
        var random = RandomGenerator(seed: 9)
        for _ in 0..<100 { _ = random.next() }
        var restored = try JSONDecoder().decode(RandomGenerator.self, from: JSONEncoder().encode(random))
        #expect(restored == random)
        for _ in 0..<100 { #expect(restored.next() == random.next()) }
    }

    @Test func incompleteStateIsRefused() {
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(RandomGenerator.self, from: Data(#"{"s0":1,"s1":2,"s2":3}"#.utf8))
        }
    }

    @Test func uniformAndNormalHaveTheirMoments() {
        var random = RandomGenerator(seed: 3)
        let count = 1_000_000
        var (sum, squares, normalSum, normalSquares, inside) = (0.0, 0.0, 0.0, 0.0, 0)
        for _ in 0..<count {
            let u = random.uniform()
            #expect(0 <= u && u < 1)
            sum += Double(u)
            squares += Double(u) * Double(u)
            let z = Double(random.normal())
            normalSum += z
            normalSquares += z * z
            if abs(z) < 1.96 { inside += 1 }
        }
        let n = Double(count)
        // Five standard errors each.
        #expect(abs(sum / n - 0.5) < 5 * (1 / 12.0 / n).squareRoot())
        #expect(abs(squares / n - 1 / 3.0) < 5 * (4 / 45.0 / n).squareRoot())
        #expect(abs(normalSum / n) < 5 / n.squareRoot())
        #expect(abs(normalSquares / n - 1) < 5 * (2 / n).squareRoot())
        #expect(abs(Double(inside) / n - 0.95) < 5 * (0.95 * 0.05 / n).squareRoot())
    }

    @Test func indicesBelowABound() {
        var random = RandomGenerator(seed: 4)
        var counts = [Int](repeating: 0, count: 7)
        for _ in 0..<70_000 { counts[random.index(below: 7)] += 1 }
        for count in counts { #expect(abs(count - 10_000) < 500) }
    }
}
