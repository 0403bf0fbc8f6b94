import Foundation
import MafinNumerics
import MafinTestSupport
import MafinText
import Testing

@testable import MafinEncoder

/// Low-rank terms, against PEFT and finite differences.
@Suite struct LowRankTests {
    private static let options = LowRankOptions(rank: 3, alpha: 6, trainsNorms: false)

    private func encoder(_ options: LowRankOptions = options) throws -> TransformerEncoder {
        try TransformerEncoder(modelFolder: Golden.url("small-mean"), trained: TrainedPart(lowRank: options))
    }

    /// An encoder with the terms of the golden.
    private func goldenEncoder() throws -> (TransformerEncoder, Golden) {
        let golden = try Golden("lora")
        let encoder = try encoder()
        for tensor in encoder.layout.tensors where tensor.isLowRank {
            let values = try golden.file.floats(of: "term/\(tensor.name)", shape: tensor.shape)
            encoder.parameters.copy(from: values, at: tensor.offset)
        }
        return (encoder, golden)
    }

    @Test func outputsAndGradients() throws {
        let (encoder, golden) = try goldenEncoder()
        let batches = try Golden("small-mean")
        let batch = try batches.batch("first")
        #expect(largestDifference(try encoder.embed(batch).values, try golden.floats("pooled")) < 2e-5)
        let value = try encoder.accumulate(batches.loss(.listwise), batch)
        #expect(abs(value - Double(try golden.floats("loss.listwise")[0])) < 1e-5)
        let found = encoder.gradients.all()
        for tensor in encoder.layout.tensors {
            if tensor.isLowRank {
                let expected = try golden.floats("gradient/\(tensor.name)")
                if tensor.name.contains(".key.") {
                    // Terms of keys change scores little; rounding weighs more.
                    #expect(relativeDifference(found[tensor.range], from: expected) < 1e-4, "\(tensor.name)")
                } else {
                    #expect(relativeDifference(found[tensor.range], from: expected) < 2e-5, "\(tensor.name)")
                }
            } else {
                #expect(found[tensor.range].allSatisfy { $0 == 0 }, "\(tensor.name) is not trained")
            }
        }
    }

    @Test func tenStepsOfAdamW() throws {
        let (encoder, golden) = try goldenEncoder()
        let batches = try Golden("small-mean")
        encoder.optimizerOptions.weightDecay = 0.1
        let before = Array(encoder.parameters.buffer)
        let (losses, norms) = try encoder.train(
            batches.loss(.listwise), [batches.batch("first"), batches.batch("second")],
            rates: golden.floats("curve.rates"))
        #expect(largestDifference(losses, try golden.floats("curve.losses")) < 1e-4)
        for (found, expected) in zip(norms, try golden.floats("curve.norms")) {
            #expect(abs(found / expected - 1) < 1e-3)
        }
        for tensor in encoder.layout.tensors where !tensor.isLowRank {
            #expect(
                differingElements(before[tensor.range], encoder.parameters.buffer[tensor.range]) == 0, "\(tensor.name)")
        }
    }

    /// New terms change nothing. With norms, their gradients are those of the whole encoder.
    @Test func untrainedTermsAndNorms() throws {
        let whole = try TransformerEncoder.small()
        let encoder = try encoder(LowRankOptions(rank: 4))
        let batches = try Golden("small-mean")
        let batch = try batches.batch("first")
        #expect(try encoder.embed(batch) == whole.embed(batch))
        let loss = try batches.loss(.listwise)
        let (found, expected) = (try encoder.gradients(loss, batch), try whole.gradients(loss, batch))
        for tensor in whole.layout.tensors {
            let own = try #require(encoder.layout.tensors.first { $0.name == tensor.name })
            let isTrained = tensor.name.contains("LayerNorm") && !tensor.name.hasPrefix("embeddings.")
            if isTrained {
                #expect(relativeDifference(found[own.range], from: expected[tensor.range]) < 1e-6, "\(tensor.name)")
            } else {
                #expect(found[own.range].allSatisfy { $0 == 0 }, "\(tensor.name)")
            }
        }
    }

    /// Saved weights contain the terms; the adapter holds them alone, under PEFT's names.
    @Test func exports() async throws {
        let (encoder, _) = try goldenEncoder()
        let source = try Golden.url("small-mean")
        let batch = try Golden("small-mean").batch("first")
        let expected = try encoder.embed(batch)
        try await TemporaryFolder.with { folder in
            try encoder.save(to: folder.url, tokenizerFrom: source)
            let merged = try TransformerEncoder(modelFolder: folder.url)
            #expect(largestDifference(try merged.embed(batch).values, expected.values) < 1e-5)
            try encoder.saveAdapter(to: folder.url, base: "small-mean")
            let file = try SafeTensorsFile(folder.url.appendingPathComponent("adapter_model.safetensors"))
            #expect(file.names.count == 2 * 2 * 6)
            #expect(file.names.contains("base_model.model.encoder.layer.1.attention.self.query.lora_A.weight"))
            #expect(
                try file.floats(of: "base_model.model.encoder.layer.1.output.dense.lora_B.weight", shape: [32, 3])
                    == Golden("lora").floats("term/encoder.layer.1.output.dense.lora_B.weight"))
            let configuration = try JSONFile(folder.url.appendingPathComponent("adapter_config.json"))
            #expect(configuration.number("r") == 3 && configuration.number("lora_alpha") == 6)
        }
        await #expect(throws: EncoderError.self) {
            try await TemporaryFolder.with { try TransformerEncoder.small().saveAdapter(to: $0.url, base: "") }
        }
    }

    @Test func storedStateContinuesBitForBit() async throws {
        let batches = try Golden("small-mean")
        let loss = try batches.loss(.listwise)
        let all = [try batches.batch("first"), try batches.batch("second")]
        let rates = [Float](repeating: 2e-3, count: 8)
        try await TemporaryFolder.with { folder in
            let straight = try encoder()
            _ = try straight.train(loss, all, rates: rates)
            let interrupted = try encoder()
            _ = try interrupted.train(loss, all, rates: Array(rates[..<3]))
            try interrupted.saveTrainingState(to: folder.url)
            let resumed = try encoder()
            try resumed.restoreTrainingState(from: folder.url)
            _ = try resumed.train(loss, all, rates: Array(rates[3...]), firstStep: 3)
            #expect(differingElements(resumed.weights(), straight.weights()) == 0)
            #expect(straight.weights().count == straight.trainedParameterCount)
        }
    }
}
