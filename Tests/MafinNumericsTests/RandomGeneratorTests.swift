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

    /// Random numbers must not change with the standard library or the system's mathematical library, because splits
    /// and weights depend on them.
    @Test func drawsArePinned() {
        var random = RandomGenerator(seed: 5)
        #expect((0..<6).map { _ in random.index(below: 1000) } == [288, 602, 649, 821, 516, 784])
        #expect((0..<10).shuffled(using: &random) == [5, 8, 4, 0, 9, 6, 7, 2, 3, 1])
        #expect(
            (0..<6).map { _ in random.normal().bitPattern } == [
                3210396603, 3219984295, 3209597558, 1065480472, 3217840778, 1063553888,
            ])
    }

    /// Compared with the system's library. Both round to the same float, except for ties that double precision cannot
    /// resolve.
    @Test func normalsAgreeWithTheSystemsLibrary() {
        var (random, reference) = (RandomGenerator(seed: 6), RandomGenerator(seed: 6))
        for _ in 0..<100_000 {
            let radius = (-2 * log(1 - Double(reference.next() >> 11) * 0x1p-53)).squareRoot()
            let expected = radius * cos(2 * .pi * Double(reference.next() >> 11) * 0x1p-53)
            let found = Double(random.normal())
            #expect(abs(found - expected) <= Double(Float(expected).ulp) * 0.51 + 1e-15)
        }
    }

    @Test func indicesBelowABound() {
        var random = RandomGenerator(seed: 4)
        var counts = [Int](repeating: 0, count: 7)
        for _ in 0..<70_000 { counts[random.index(below: 7)] += 1 }
        for count in counts { #expect(abs(count - 10_000) < 500) }
    }
}
