import CMafinKernels
import MafinNumerics
import MafinTestSupport
import MafinText
import Testing

@testable import MafinEncoder

/// Dropout of embeddings, attention weights and layer outputs, with replayed masks.
@Suite struct DropoutTests {
    private let batch = randomBatch(lengths: [1, 9, 33, 4, 40, 2, 17, 6, 12, 28, 3, 21], vocabulary: 100, seed: 1)
    private var loss: GoldenLoss {
        get throws { try Golden("small-mean").loss(.listwise) }
    }

    @Test func seedDecides() throws {
        let encoder = try TransformerEncoder.small()
        func embeddings(_ seed: UInt64?) throws -> Matrix { try encoder.forward(batch, dropoutSeed: seed).embeddings }
        #expect(try embeddings(1) == embeddings(1))
        #expect(try largestDifference(embeddings(1).values, embeddings(2).values) > 0.01)
        #expect(try largestDifference(embeddings(1).values, embeddings(nil).values) > 0.01)
        #expect(try embeddings(nil) == embeddings(nil))
    }

    @Test func everyDropoutSiteHasItsOwnMask() {
        let dropout = Dropout(seed: 3, hidden: 0.1, attention: 0.2)
        var sites: [Dropout.Site] = [.embeddings]
        for layer in 0..<12 {
            sites += [.attentionOutput(layer: layer), .output(layer: layer)]
            sites += (0..<12).map { .attention(layer: layer, head: $0) }
        }
        #expect(Set(sites.map { dropout.mask($0, firstRow: 0).seed }).count == sites.count)
        let mask = dropout.mask(.attention(layer: 1, head: 2), firstRow: 77)
        #expect(mask.first_row == 77 && mask.scale == 1.25)
        #expect(abs(Double(mask.threshold) / 0x1p32 - 0.2) < 1e-7)
        #expect(Dropout.none.mask(.embeddings, firstRow: 0).threshold == 0)
    }

    /// The mean of the embedding layer's outputs over seeds is the output without dropout.
    @Test func expectationOfTheEmbeddingLayer() throws {
        let encoder = try TransformerEncoder.small()
        let width = encoder.dimension
        let chunk = Chunk(texts: 0..<1, firstToken: 0, starts: [0, 10])
        let ids = (1...10).map { Int32($0) }
        func output(_ dropout: Dropout) -> [Float] {
            let workspace = Workspace(encoder.network)
            workspace.reserve(tokens: 10, longest: 10, training: false)
            encoder.withFrame(
                .training, chunk, LoadedBatch(TokenBatch(rows: [ids])), dropout,
                workspace.transientActivations(tokens: 10),
                workspace
            ) { encoder.lookUp($0) }
            return Array(workspace.stream.buffer[0..<10 * width])
        }
        let plain = output(.none)
        let seeds = 4000
        var sums = [Double](repeating: 0, count: plain.count)
        for seed in 0..<seeds {
            for (index, value) in output(Dropout(seed: UInt64(seed), hidden: 0.1, attention: 0.1)).enumerated() {
                #expect(value == 0 || abs(value - plain[index] / 0.9) < 1e-5)
                sums[index] += Double(value)
            }
        }
        for (index, value) in plain.enumerated() {
            // Five standard errors: an element's deviation is |value| · √(p / (1 − p)).
            let bound = 5.5 * abs(Double(value)) * (0.1 / 0.9 / Double(seeds)).squareRoot() + 1e-6
            #expect(abs(sums[index] / Double(seeds) - Double(value)) < bound)
        }
    }

    /// With a fixed seed, the gradient is that of the function with these masks.
    @Test(arguments: [Pooling.mean, .firstToken]) func finiteDifferences(_ pooling: Pooling) throws {
        let encoder = try TransformerEncoder.small(pooling)
        let loss = try loss
        let gradients = try encoder.gradients(loss, batch, dropoutSeed: 5)
        let weights = encoder.weights()
        func value(_ weights: [Float]) throws -> Double {
            encoder.restore(weights: weights)
            return loss.evaluate(try encoder.forward(batch, dropoutSeed: 5).embeddings).value
        }
        for tensor in encoder.layout.tensors where !tensor.name.hasSuffix("key.bias") {
            // Along a tensor's own gradient the slope is the gradient's norm.
            let range = tensor.offset..<tensor.offset + tensor.count
            let norm = gradients[range].reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            let step = 0.004 / max(1, norm)
            func moved(_ sign: Double) -> [Float] {
                var moved = weights
                for index in range { moved[index] += Float(sign * step * Double(gradients[index]) / norm) }
                return moved
            }
            let slope = try (value(moved(1)) - value(moved(-1))) / (2 * step)
            #expect(abs(slope / norm - 1) < 0.01, "\(tensor.name): \(slope) against \(norm)")
        }
    }

    /// Activations beyond the budget are recomputed with the same masks.
    @Test(arguments: [0, 200_000]) func recomputing(_ budget: Int) throws {
        let loss = try loss
        try Parallelism.withThreads(3) {
            let encoder = try TransformerEncoder.small()
            let kept = try encoder.gradients(loss, batch, dropoutSeed: 5)
            #expect(try recomputedChunks(encoder) == 0)
            encoder.activationBudget = budget
            let recomputed = try recomputedChunks(encoder)
            #expect(budget == 0 ? recomputed == 3 : 1...2 ~= recomputed)
            let again = try encoder.gradients(loss, batch, dropoutSeed: 5)
            #expect(differingElements(again, kept) == 0)
        }
    }

    /// Chunks whose activations a forward pass does not keep.
    private func recomputedChunks(_ encoder: TransformerEncoder) throws -> Int {
        var count = 0
        for saved in try encoder.forward(batch, dropoutSeed: 5).saved where saved == nil { count += 1 }
        return count
    }
}
