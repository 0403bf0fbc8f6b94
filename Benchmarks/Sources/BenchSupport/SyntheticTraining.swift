import MafinEncoder
import MafinNumerics
import MafinText

/// Texts of given lengths with random words. An encoder's time depends on the lengths only.
public func randomTexts(count: Int, tokens: Int, vocabulary: Int) -> TokenBatch {
    var random = RandomGenerator(seed: UInt64(count &* 1000 &+ tokens))
    let ids = (0..<count * tokens).map { _ in Int32(1000 + Int(random.uniform() * Float(vocabulary - 1001))) }
    return TokenBatch(ids: ids, offsets: (0...count).map { $0 * tokens })
}

/// A whole training step on a batch, under a gradient of random numbers: forward, backward, clipping, AdamW.
/// - Parameter dropoutSeed: `nil`: without dropout.
public func trainingStep(_ encoder: TransformerEncoder, _ batch: TokenBatch, dropoutSeed: UInt64? = nil) throws {
    let pass = try encoder.forward(batch, dropoutSeed: dropoutSeed)
    var random = RandomGenerator(seed: 1)
    let gradient = Matrix(
        rows: batch.count, columns: encoder.configuration.hiddenSize,
        values: (0..<batch.count * encoder.configuration.hiddenSize).map { _ in random.uniform() - 0.5 })
    encoder.backward(pass, gradient: gradient)
    _ = encoder.update(learningRate: 1e-6, maximumGradientNorm: 1)
}
