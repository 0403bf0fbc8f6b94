import MafinNumerics
import MafinTestSupport
import MafinText
import Testing

@testable import MafinEncoder

/// Adds the floats of all threads that stand for processes, in the order of their numbers.
func adding(_ rank: Int, _ exchange: Exchange) -> (UnsafeMutableBufferPointer<Float>) throws -> Void {
    { values in
        let all = try exchange(rank, Array(UnsafeRawBufferPointer(values)))
        for index in values.indices { values[index] = 0 }
        for part in all {
            part.withUnsafeBytes { bytes in
                for (index, value) in bytes.bindMemory(to: Float.self).enumerated() { values[index] += value }
            }
        }
    }
}

/// Gradients of the parts of a batch, in encoders of their own, add up to those of the batch.
@Suite struct GradientSumTests {
    private static let lengths = [3, 9, 33, 4, 40, 2, 17, 6, 12, 28, 1, 21]

    /// The sums that each of `parts` encoders has, and the gradients of one encoder with the whole batch.
    private static func gradients(
        parts: [Range<Int>], _ make: @escaping @Sendable () throws -> TransformerEncoder
    ) throws -> (sums: [[Float]], whole: [Float]) {
        let batch = randomBatch(lengths: lengths, vocabulary: 100, seed: 4)
        var random = RandomGenerator(seed: 5)
        let encoder = try make()
        let upstream = Matrix(
            rows: batch.count, columns: encoder.dimension,
            values: (0..<batch.count * encoder.dimension).map { _ in random.normal() })
        encoder.backward(try encoder.forward(batch, dropoutSeed: 11), gradient: upstream)
        let sums = try together(parts.count) { rank, exchange in
            let encoder = try make()
            let rows = parts[rank]
            if !rows.isEmpty {
                let part = ItemBatch.tokens(batch.selecting(rows: Array(rows)[...]))
                let pass = try encoder.forward(
                    part, dropoutSeed: 11, firstToken: batch.offsets[rows.lowerBound])
                encoder.backward(pass, gradient: upstream.selecting(rows: rows))
            }
            try encoder.sumGradients(sum: adding(rank, exchange), gather: { try exchange(rank, Array($0)) })
            return encoder.gradients.all()
        }
        return (sums, encoder.gradients.all())
    }

    @Test(arguments: [0, 1]) func theyAreThoseOfTheWholeBatch(frozenLayers: Int) throws {
        let (sums, whole) = try Self.gradients(parts: [0..<5, 5..<5, 5..<12]) {
            try TransformerEncoder.small(frozenLayers: frozenLayers)
        }
        let size = whole.map { abs($0) }.max() ?? 0
        #expect(size > 0.01)
        for sum in sums {
            #expect(sum == sums[0])
            #expect(largestDifference(sum, whole) < 1e-5 * Double(size))
        }
    }

    /// Few of many parameters are trained, which are copied.
    @Test func lowRankTermsToo() throws {
        let (sums, whole) = try Self.gradients(parts: [0..<4, 4..<12]) {
            try TransformerEncoder(
                modelFolder: Golden.url("small-mean"), trained: TrainedPart(lowRank: LowRankOptions(rank: 2)))
        }
        let size = whole.map { abs($0) }.max() ?? 0
        #expect(size > 0.001)
        for sum in sums { #expect(largestDifference(sum, whole) < 1e-5 * Double(size)) }
    }
}
