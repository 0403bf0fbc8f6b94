import CMafinKernels
import Foundation
import MafinNumerics
import MafinTestSupport
import MafinText
import Testing

@testable import MafinEncoder

extension TransformerEncoder {
    /// The small random encoder of the goldens: width 32, two layers, 40 positions, 100 words, dropout 0.1.
    static func small(_ pooling: Pooling = .mean, frozenLayers: Int = 0, freezesEmbeddings: Bool = false) throws
        -> TransformerEncoder
    {
        try TransformerEncoder(
            modelFolder: Golden.url("small-\(pooling.rawValue)"),
            trained: TrainedPart(frozenLayers: frozenLayers, freezesEmbeddings: freezesEmbeddings))
    }

    /// The last layer's vectors of all tokens of a batch: `(tokens, dimension)`.
    func tokenVectors(_ batch: TokenBatch) throws -> Matrix {
        let pass = try forward(batch, dropoutSeed: nil)
        let (norm, section) = network.lastNorm
        var values: [Float] = []
        for (chunk, saved) in zip(pass.chunks, pass.saved) {
            let saved = try #require(saved)
            var tokens = [Float](repeating: .nan, count: chunk.tokens * dimension)
            mafin_affine(
                chunk.tokens, dimension, saved[section, norm.normalized], parameters.pointer + norm.gain.offset,
                norm.bias.map { parameters.pointer + $0.offset }, Dropout.noMask, &tokens)
            values += tokens
        }
        return Matrix(rows: batch.tokenCount, columns: dimension, values: values)
    }

    /// Forward and backward passes of a loss; keeps the gradients.
    @discardableResult
    func accumulate(_ loss: GoldenLoss, _ batch: TokenBatch, dropoutSeed: UInt64? = nil) throws -> Double {
        try accumulate(loss, .tokens(batch), dropoutSeed: dropoutSeed)
    }

    @discardableResult
    func accumulate(_ loss: GoldenLoss, _ batch: ItemBatch, dropoutSeed: UInt64? = nil) throws -> Double {
        let pass = try forward(batch, dropoutSeed: dropoutSeed)
        let (value, gradient) = loss.evaluate(pass.embeddings)
        backward(pass, gradient: gradient)
        return value
    }

    /// All gradients of a loss, in the order of the layout; clears them.
    func gradients(_ loss: GoldenLoss, _ batch: TokenBatch, dropoutSeed: UInt64? = nil) throws -> [Float] {
        try gradients(loss, .tokens(batch), dropoutSeed: dropoutSeed)
    }

    func gradients(_ loss: GoldenLoss, _ batch: ItemBatch, dropoutSeed: UInt64? = nil) throws -> [Float] {
        try accumulate(loss, batch, dropoutSeed: dropoutSeed)
        defer { gradients.clear() }
        return gradients.all()
    }

    /// AdamW steps over batches in turn: the losses before each, and the gradient norms.
    func train(
        _ loss: GoldenLoss, _ batches: [TokenBatch], rates: [Float], clip: Float? = 1, dropoutSeed: UInt64? = nil,
        firstStep: Int = 0
    ) throws -> (losses: [Double], norms: [Float]) {
        try train(
            loss, batches.map(ItemBatch.tokens), rates: rates, clip: clip, dropoutSeed: dropoutSeed,
            firstStep: firstStep)
    }

    func train(
        _ loss: GoldenLoss, _ batches: [ItemBatch], rates: [Float], clip: Float? = 1, dropoutSeed: UInt64? = nil,
        firstStep: Int = 0
    ) throws -> (losses: [Double], norms: [Float]) {
        var (losses, norms): ([Double], [Float]) = ([], [])
        for (step, rate) in rates.enumerated() {
            let number = firstStep + step
            losses.append(
                try accumulate(
                    loss, batches[number % batches.count], dropoutSeed: dropoutSeed.map { $0 &+ UInt64(number) }))
            norms.append(update(learningRate: rate, maximumGradientNorm: clip))
        }
        return (losses, norms)
    }
}

/// Rows of random ids.
func randomBatch(lengths: [Int], vocabulary: Int, seed: UInt64) -> TokenBatch {
    var random = RandomGenerator(seed: seed)
    return TokenBatch(
        rows: lengths.map { length in (0..<length).map { _ in Int32(1 + random.index(below: vocabulary - 1)) } })
}

/// Whether the slow suites run (`make test-slow`).
let runsSlowTests = !(ProcessInfo.processInfo.environment["MAFIN_SLOW_TESTS"] ?? "").isEmpty

extension Chunk {
    static func cut(_ batch: TokenBatch, threads: Int, maximumTokens: Int) -> [Chunk] {
        cut(LoadedBatch(batch), threads: threads, maximumTokens: maximumTokens)
    }
}

extension CooperativeForward {
    convenience init?(_ encoder: TransformerEncoder, _ batch: TokenBatch, threads: Int) {
        self.init(encoder, LoadedBatch(batch), threads: threads)
    }
}
