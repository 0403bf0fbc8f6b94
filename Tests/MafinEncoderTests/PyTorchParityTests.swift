import Foundation
import MafinNumerics
import MafinTestSupport
import MafinText
import Testing

@testable import MafinEncoder

/// Small random encoders against PyTorch, number by number.
@Suite struct PyTorchParityTests {
    /// Outputs, gradients and AdamW steps on every instruction set; the tests below run on all threads and the widest.
    @Test(arguments: InstructionSet.all) func everyInstructionSet(_ set: InstructionSet) throws {
        try set.run {
            try outputs(.mean)
            try everyGradient(.firstToken, .infoNCE)
            try tenStepsOfAdamW(.mean)
        }
    }

    @Test(arguments: [Pooling.mean, .firstToken]) func outputs(_ pooling: Pooling) throws {
        let golden = try Golden("small-\(pooling.rawValue)")
        let encoder = try TransformerEncoder.small(pooling)
        #expect(encoder.pooling == pooling)
        let batch = try golden.batch("first")
        #expect(largestDifference(try encoder.tokenVectors(batch).values, try golden.floats("tokens")) < 2e-5)
        #expect(largestDifference(try encoder.embed(batch).values, try golden.floats("pooled")) < 2e-5)
        let pass = try encoder.forward(batch, dropoutSeed: nil)
        #expect(largestDifference(pass.embeddings.values, try golden.floats("pooled")) < 2e-5)
    }

    @Test(arguments: [Pooling.mean, .firstToken], GoldenLoss.Kind.allCases)
    func everyGradient(_ pooling: Pooling, _ kind: GoldenLoss.Kind) throws {
        let golden = try Golden("small-\(pooling.rawValue)")
        let expected = try Golden("small-\(pooling.rawValue)-gradients-\(kind.rawValue)")
        let encoder = try TransformerEncoder.small(pooling)
        #expect(expected.file.names == encoder.layout.tensors.map(\.name).sorted(), "no tensor is left out")
        let value = try encoder.accumulate(golden.loss(kind), golden.batch("first"))
        #expect(abs(value - Double(try golden.floats("loss.\(kind.rawValue)")[0])) < 1e-5)
        let found = encoder.gradients.all()
        for tensor in encoder.layout.tensors {
            let values = found[tensor.offset..<tensor.offset + tensor.count]
            let golden = try expected.file.floats(of: tensor.name, shape: tensor.shape)
            if tensor.name.hasSuffix("key.bias") {
                // The same number added to all scores of a row changes nothing: the true gradient is 0.
                #expect(values.allSatisfy { abs($0) < 1e-5 } && golden.allSatisfy { abs($0) < 1e-5 })
            } else {
                #expect(relativeDifference(values, from: golden) < 2e-5, "\(tensor.name)")
            }
        }
    }

    @Test(arguments: [Pooling.mean, .firstToken]) func tenStepsOfAdamW(_ pooling: Pooling) throws {
        let golden = try Golden("small-\(pooling.rawValue)")
        let encoder = try TransformerEncoder.small(pooling)
        encoder.optimizerOptions.weightDecay = 0.1
        let (losses, norms) = try encoder.train(
            golden.loss(.infoNCE), [golden.batch("first"), golden.batch("second")],
            rates: golden.floats("curve.rates"))
        #expect(largestDifference(losses, try golden.floats("curve.losses")) < 1e-4)
        let expected = try golden.floats("curve.norms")
        for (found, expected) in zip(norms, expected) {
            #expect(abs(found / expected - 1) < 1e-3)
            #expect(expected > 1, "clipping is at work")
        }
    }
}

/// The shapes of bge-small-en-v1.5 and bge-base-en-v1.5 (12 layers, CLS pooling; 1,000 words), weights from a formula.
@Suite struct LargeShapeTests {
    @Test func bgeSmall() throws { try check("bge-small") }

    @Test(.enabled(if: runsSlowTests, "slow: set MAFIN_SLOW_TESTS=1")) func bgeBase() throws { try check("bge-base") }

    private func check(_ name: String) throws {
        let golden = try Golden(name)
        let folder = try Golden.url(name)
        let encoder = TransformerEncoder(
            try Architecture.read(modelFolder: folder), try Pooling.read(modelFolder: folder), TrainedPart())
        #expect(encoder.pooling == .firstToken && encoder.configuration.layerCount == 12)
        for tensor in encoder.layout.tensors {
            encoder.parameters.copy(
                from: GoldenNumbers.weights(tensor.name, count: tensor.count), at: tensor.offset)
        }
        let batch = try golden.batch("first")
        #expect(largestDifference(try encoder.embed(batch).values, try golden.floats("pooled")) < 1e-4)
        let loss = try golden.loss(.listwise)
        #expect(abs(try encoder.accumulate(loss, batch) - Double(try golden.floats("loss.listwise")[0])) < 1e-4)
        try expectProjections(of: encoder, equal: golden, "listwise")
    }
}

/// The released all-MiniLM-L6-v2. Tests run one after the other, because each needs half a gigabyte for an encoder with
/// gradients.
@Suite(.serialized, .enabled(if: TestModel.isAvailable, "\(TestModel.skipMessage)")) struct MiniLMTests {
    private func encoder() throws -> TransformerEncoder {
        try TransformerEncoder(modelFolder: try #require(TestModel.folder()))
    }

    /// 200 texts of 1 to 512 tokens: the whole vectors of 100 tokens, and a projection on a ±1 vector for every token.
    @Test func tokenVectorsOfRealTexts() throws {
        let golden = try Golden("minilm-outputs")
        let full = try Golden("minilm-tokens").matrix("full")
        let signs = try golden.floats("signs")
        let pooled = try golden.matrix("pooled")
        let encoder = try encoder()
        let batch = try golden.batch("texts")
        #expect(batch.count == 200 && batch.longestLength == 512)
        var (worst, worstSign, worstPooled) = (0.0, 0.0, 0.0)
        // The texts are processed in pieces, because a pass that keeps activations takes 94 KB per token.
        for first in stride(from: 0, to: 200, by: 4) {
            let piece = batch.selecting(rows: Array(first..<first + 4))
            let tokens = try encoder.tokenVectors(piece)
            // Every third piece is also computed by `embed`.
            let embeddings = first % 12 == 0 ? try encoder.embed(piece) : nil
            for row in 0..<4 {
                let text = first + row
                for place in 0..<piece.length(of: row) {
                    let vector = tokens.row(piece.offsets[row] + place)
                    var sum = 0.0
                    for (column, value) in vector.enumerated() {
                        let bits = GoldenNumbers.mixed(UInt64(text), place * encoder.dimension + column)
                        sum += bits & 1 == 0 ? Double(value) : -Double(value)
                    }
                    worstSign = max(worstSign, abs(sum - Double(signs[batch.offsets[text] + place])))
                }
                if text % 2 == 0 {
                    let place = piece.offsets[row] + (7 * text) % piece.length(of: row)
                    worst = max(worst, largestDifference(tokens.row(place), full.row(text / 2)))
                }
                if let embeddings {
                    worstPooled = max(worstPooled, largestDifference(embeddings.row(row).prefix(16), pooled.row(text)))
                }
            }
        }
        #expect(worst < 1e-5 && worstPooled < 1e-5, "the gate is 1e-4: \(worst), \(worstPooled)")
        #expect(worstSign < 1e-4, "\(worstSign)")
    }

    @Test(arguments: GoldenLoss.Kind.allCases) func everyGradient(_ kind: GoldenLoss.Kind) throws {
        let golden = try Golden("minilm-training")
        let encoder = try encoder()
        let value = try encoder.accumulate(golden.loss(kind), golden.batch("first"))
        #expect(abs(value - Double(try golden.floats("loss.\(kind.rawValue)")[0])) < 1e-5)
        try expectProjections(of: encoder, equal: golden, kind.rawValue)
    }

    @Test func tenStepsOfAdamW() throws {
        let golden = try Golden("minilm-training")
        let encoder = try encoder()
        let (losses, norms) = try encoder.train(
            golden.loss(.listwise), [golden.batch("first"), golden.batch("second")],
            rates: golden.floats("curve.rates"))
        #expect(largestDifference(losses, try golden.floats("curve.losses")) < 1e-4)
        for (found, expected) in zip(norms, try golden.floats("curve.norms")) {
            #expect(abs(found / expected - 1) < 1e-3)
        }
    }
}

/// Compares the gradients in `encoder` with a golden's norms and projections, tensor by tensor.
func expectProjections(
    of encoder: TransformerEncoder, equal golden: Golden, _ prefix: String, tolerance: Double = 1e-3
) throws {
    let gradients = encoder.gradients.all()
    for tensor in encoder.layout.tensors {
        let expected = try golden.floats("\(prefix)/\(tensor.name)").map(Double.init)
        let found = GoldenNumbers.projections(tensor.name, gradients[tensor.offset..<tensor.offset + tensor.count])
        // Its expectation is the squared norm of the difference of the two gradients.
        let squares = zip(found, expected).dropFirst().reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        let difference = (squares / Double(expected.count - 1)).squareRoot()
        if expected[0] < 1e-4 {
            // The true gradient of a key's bias is 0, so both contain only rounding errors.
            #expect(found[0] < 1e-4, "\(tensor.name)")
        } else {
            #expect(difference < tolerance * expected[0], "\(tensor.name): \(difference / expected[0])")
            #expect(abs(found[0] / expected[0] - 1) < tolerance, "\(tensor.name)")
        }
    }
}
