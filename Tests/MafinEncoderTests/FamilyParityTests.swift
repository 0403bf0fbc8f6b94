import Foundation
import MafinNumerics
import MafinTestSupport
import MafinText
import Testing

@testable import MafinEncoder

/// Small random networks of every family against `transformers`, number by number.
@Suite struct FamilyParityTests {
    static let families = ["mpnet", "xlm-roberta", "modernbert", "nomic", "gte"]

    private func encoder(_ family: String) throws -> TransformerEncoder {
        try TransformerEncoder(modelFolder: Golden.url("small-\(family)"))
    }

    @Test(arguments: families) func outputs(_ family: String) throws {
        let golden = try Golden("small-\(family)")
        let encoder = try encoder(family)
        let batch = try golden.batch("first")
        #expect(largestDifference(try encoder.tokenVectors(batch).values, try golden.floats("tokens")) < 2e-5)
        #expect(largestDifference(try encoder.embed(batch).values, try golden.floats("pooled")) < 2e-5)
    }

    @Test(arguments: families) func everyGradient(_ family: String) throws {
        let golden = try Golden("small-\(family)")
        let expected = try Golden("small-\(family)-gradients")
        let encoder = try encoder(family)
        #expect(expected.file.names == encoder.layout.tensors.map(\.name).sorted(), "no tensor is left out")
        let value = try encoder.accumulate(golden.loss(.listwise), golden.batch("first"))
        #expect(abs(value - Double(try golden.floats("loss.listwise")[0])) < 1e-5)
        let found = encoder.gradients.all()
        for tensor in encoder.layout.tensors {
            let golden = try expected.file.floats(of: tensor.name, shape: tensor.shape)
            let values = found[tensor.range]
            if golden.allSatisfy({ abs($0) < 1e-5 }) {
                // The same number added to all scores of a row changes nothing: the true gradient of keys' biases is 0.
                #expect(values.allSatisfy { abs($0) < 1e-5 }, "\(tensor.name)")
            } else {
                #expect(relativeDifference(values, from: golden) < 2e-5, "\(tensor.name)")
            }
        }
    }

    @Test(arguments: families) func tenStepsOfAdamW(_ family: String) throws {
        let golden = try Golden("small-\(family)")
        let encoder = try encoder(family)
        encoder.optimizerOptions.weightDecay = 0.1
        let (losses, norms) = try encoder.train(
            golden.loss(.listwise), [golden.batch("first"), golden.batch("second")], rates: golden.floats("curve.rates")
        )
        #expect(largestDifference(losses, try golden.floats("curve.losses")) < 1e-4)
        for (found, expected) in zip(norms, try golden.floats("curve.norms")) {
            #expect(abs(found / expected - 1) < 1e-3)
        }
    }

    /// Threads share each operation of a single text, or recompute what was not kept, with the same numbers.
    @Test(arguments: families) func sharedAndRecomputedPasses(_ family: String) throws {
        let golden = try Golden("small-\(family)")
        let encoder = try encoder(family)
        let batch = try golden.batch("first")
        let few = batch.selecting(rows: [2])
        let expected = try Parallelism.withThreads(1) { try encoder.embed(few) }
        try Parallelism.withThreads(4) {
            #expect(CooperativeForward(encoder, few, threads: 4) != nil)
            for _ in 0..<20 {
                let found = try encoder.embed(few)
                #expect(largestDifference(found.values, expected.values) < 1e-6)
            }
        }
        let loss = try golden.loss(.listwise)
        let kept = try encoder.gradients(loss, batch, dropoutSeed: 4)
        encoder.activationBudget = 0
        #expect(try differingElements(encoder.gradients(loss, batch, dropoutSeed: 4), kept) == 0)
    }

    /// With dropout, the gradient is that of the function with these masks.
    @Test(arguments: families) func finiteDifferences(_ family: String) throws {
        let golden = try Golden("small-\(family)")
        let encoder = try encoder(family)
        encoder.dropoutProbability = 0.1
        let batch = try golden.batch("first")
        let loss = try golden.loss(.listwise)
        try expectGradients(of: encoder, loss, batch, dropoutSeed: 5)
    }

    @Test(arguments: families) func exports(_ family: String) async throws {
        let encoder = try encoder(family)
        let source = try Golden.url("small-\(family)")
        let weights = encoder.weights()
        try await TemporaryFolder.with { folder in
            try encoder.save(to: folder.url, tokenizerFrom: source)
            #expect(try TransformerEncoder(modelFolder: folder.url).weights() == weights)
        }
    }

    /// Texts longer than the tiles of attention, its windows, and the distances that have a bucket each.
    @Test(arguments: families) func longTexts(_ family: String) throws {
        let golden = try Golden("small-\(family)")
        let encoder = try encoder(family)
        let batch = try golden.batch("long")
        #expect(largestDifference(try encoder.embed(batch).values, try golden.floats("long.pooled")) < 2e-5)
        let loss = GoldenLoss(kind: .listwise, grades: try golden.matrix("long.grades"))
        #expect(abs(try encoder.accumulate(loss, batch) - Double(try golden.floats("long.loss")[0])) < 1e-5)
        try expectProjections(of: encoder, equal: golden, "long", tolerance: 1e-4)
    }
}

/// Compares each tensor's gradient with the slope of the loss along it.
func expectGradients(of encoder: TransformerEncoder, _ loss: GoldenLoss, _ batch: TokenBatch, dropoutSeed: UInt64?)
    throws
{
    try expectGradients(of: encoder, loss, .tokens(batch), dropoutSeed: dropoutSeed)
}

func expectGradients(of encoder: TransformerEncoder, _ loss: GoldenLoss, _ batch: ItemBatch, dropoutSeed: UInt64?)
    throws
{
    let gradients = try encoder.gradients(loss, batch, dropoutSeed: dropoutSeed)
    let weights = Array(encoder.parameters.buffer)
    func value(_ weights: [Float]) throws -> Double {
        encoder.parameters.copy(from: weights)
        encoder.packed(.float32).invalidate()
        return loss.evaluate(try encoder.forward(batch, dropoutSeed: dropoutSeed).embeddings).value
    }
    for tensor in encoder.layout.tensors where encoder.network.trained.includes(tensor) {
        // Along a tensor's own gradient the slope is the gradient's norm.
        let norm = gradients[tensor.range].reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        if norm < 1e-4 { continue }
        let step = 0.004 / max(1, norm)
        func moved(_ sign: Double) -> [Float] {
            var moved = weights
            for index in tensor.range { moved[index] += Float(sign * step * Double(gradients[index]) / norm) }
            return moved
        }
        let slope = try (value(moved(1)) - value(moved(-1))) / (2 * step)
        #expect(abs(slope / norm - 1) < 0.02, "\(tensor.name): \(slope) against \(norm)")
    }
    _ = try value(weights)
}
