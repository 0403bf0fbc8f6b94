import CMafinKernels
import Foundation
import MafinNumerics
import MafinTestSupport
import MafinText
import Testing

@testable import MafinEncoder

@Suite struct OptimizerTests {
    private var loss: GoldenLoss {
        get throws { try Golden("small-mean").loss(.infoNCE) }
    }
    /// Each batch lacks some words of the other batches, so rows miss steps.
    private let batches = [
        randomBatch(lengths: [3, 9, 1, 4, 20, 2, 7, 6, 12, 8, 3, 5], vocabulary: 100, seed: 1),
        randomBatch(lengths: [2, 5, 30, 1, 4, 2, 3, 9, 2, 6, 1, 40], vocabulary: 20, seed: 2),
        randomBatch(lengths: [1, 1, 2, 3, 2, 1, 1, 2, 1, 2, 2, 1], vocabulary: 8, seed: 3),
    ]
    private let rates: [Float] = (0..<12).map { 1e-3 * Float(1 + $0 % 5) }

    @Test func flatArraysAsPyTorchUpdatesThem() {
        // torch.optim.AdamW([1, −2, .5], lr=.1, weight_decay=.3), three steps in double precision.
        var optimizer = AdamW(count: 3, options: AdamWOptions(weightDecay: 0.3))
        var weights: [Float] = [1, -2, 0.5]
        for gradient in [[0.2, -1, 0], [0.1, 3, -0.5], [-0.4, 0.2, 0.1]] as [[Float]] {
            optimizer.update(&weights, gradient: gradient, learningRate: 0.1)
        }
        #expect(largestDifference(weights, [0.7487972873995139, -1.8213515406082785, 0.5723874435829251]) < 1e-6)
        #expect(optimizer.step == 3)
        // Pieces for threads give the same numbers.
        let many = (0..<40_000).map { Float($0 % 7) - 3 }
        func run(_ threads: Int) -> [Float] {
            Parallelism.withThreads(threads) {
                var optimizer = AdamW(count: many.count)
                var weights = many
                for _ in 0..<3 { optimizer.update(&weights, gradient: many, learningRate: 0.01) }
                return weights
            }
        }
        #expect(run(1) == run(3))
        #expect(run(2)[39_999] == run(2)[39_999 % 7])
    }

    /// Plain AdamW: every weight in every step.
    private struct DenseAdamW {
        var weights: [Float]
        var first: [Float]
        var second: [Float]
        var step = 0

        init(_ weights: [Float]) {
            self.weights = weights
            first = weights.map { _ in 0 }
            second = first
        }

        mutating func update(
            _ tensors: [ParameterLayout.Tensor], _ gradients: [Float], norm: Float, rate: Float, clip: Float,
            _ options: AdamWOptions
        ) {
            step += 1
            for tensor in tensors {
                let decay = tensor.decays ? options.weightDecay : 0
                let settings = mafin_adamw(
                    learning_rate: rate, beta1: options.beta1, beta2: options.beta2, epsilon: options.epsilon,
                    decay: Float(1 - Double(rate) * Double(decay)),
                    correction1: Float(1 - pow(Double(options.beta1), Double(step))),
                    correction2: Float(1 - pow(Double(options.beta2), Double(step))),
                    gradient_scale: min(1, clip / (norm + 1e-6)))
                gradients.withUnsafeBufferPointer { gradients in
                    weights.withUnsafeMutableBufferPointer { weights in
                        first.withUnsafeMutableBufferPointer { first in
                            second.withUnsafeMutableBufferPointer { second in
                                guard let g = gradients.baseAddress, let w = weights.baseAddress,
                                    let m = first.baseAddress, let v = second.baseAddress
                                else { return }
                                let at = tensor.offset
                                mafin_adamw_update(tensor.count, settings, g + at, w + at, m + at, v + at)
                            }
                        }
                    }
                }
            }
        }
    }

    @Test(arguments: [false, true]) func lateRowsEqualDenseAdamW(_ looksBetweenSteps: Bool) throws {
        let loss = try loss
        let encoder = try TransformerEncoder.small()
        encoder.optimizerOptions.weightDecay = 0.3
        var dense = DenseAdamW(encoder.weights())
        for (step, rate) in rates.enumerated() {
            try encoder.accumulate(loss, batches[[0, 2, 1, 2, 2][step % 5]], dropoutSeed: UInt64(step))
            let gradients = encoder.gradients.all()
            let norm = encoder.update(learningRate: rate, maximumGradientNorm: 0.5)
            dense.update(
                encoder.layout.tensors, gradients, norm: norm, rate: rate, clip: 0.5, encoder.optimizerOptions)
            // Reading brings some or all rows up to date, which must not change the result.
            if looksBetweenSteps, step % 3 == 0 { _ = try encoder.embed(batches[1]) }
            if looksBetweenSteps, step % 4 == 1 { #expect(differingElements(encoder.weights(), dense.weights) == 0) }
        }
        #expect(differingElements(encoder.weights(), dense.weights) == 0, "bit for bit")
    }

    @Test func gradientsAccumulate() throws {
        let loss = try loss
        let encoder = try TransformerEncoder.small()
        let parts = try batches.map { try encoder.gradients(loss, $0) }
        for batch in batches { try encoder.accumulate(loss, batch) }
        let sum = parts[0].indices.map { Double(parts[0][$0]) + Double(parts[1][$0]) + Double(parts[2][$0]) }
        #expect(relativeDifference(encoder.gradients.all(), from: sum) < 1e-6)
        let norm = sum.reduce(0) { $0 + $1 * $1 }.squareRoot()
        let returned = encoder.update(learningRate: 1e-3, maximumGradientNorm: nil)
        #expect(abs(Double(returned) / norm - 1) < 1e-5, "the norm before clipping")
        #expect(encoder.gradients.isEmpty)
    }

    /// A gradient that is not finite changes nothing. Later steps equal those of an encoder that never had this
    /// gradient.
    @Test(arguments: [Float.nan, .infinity], [1, nil] as [Float?]) func noStepOnBadGradients(
        _ bad: Float, _ clip: Float?
    ) async throws {
        let loss = try loss
        try await TemporaryFolder.with { folder in
            let (encoder, untouched) = (try TransformerEncoder.small(), try TransformerEncoder.small())
            for one in [encoder, untouched] { _ = try one.train(loss, batches, rates: Array(rates[..<3]), clip: clip) }
            let pass = try encoder.forward(batches[1], dropoutSeed: nil)
            var gradient = Matrix(rows: pass.embeddings.rows, columns: pass.embeddings.columns, repeating: 0.1)
            gradient[2, 5] = bad
            encoder.backward(pass, gradient: gradient)
            #expect(!encoder.update(learningRate: 0.1, maximumGradientNorm: clip).isFinite)
            #expect(encoder.optimizerStep == 3 && encoder.gradients.isEmpty)
            // Weights, moments and step count, bit for bit.
            var states: [Data] = []
            for (name, one) in [("a", encoder), ("b", untouched)] {
                let own = folder.url.appendingPathComponent(name)
                try FileManager.default.createDirectory(at: own, withIntermediateDirectories: true)
                try one.saveTrainingState(to: own)
                states.append(try Data(contentsOf: own.appendingPathComponent("encoder-state.safetensors")))
                _ = try one.train(loss, batches, rates: rates, clip: clip, firstStep: 3)
            }
            #expect(states[0] == states[1])
            #expect(differingElements(encoder.weights(), untouched.weights()) == 0)
        }
    }

    /// Frozen layers and embeddings keep their weights; the others do not.
    @Test(arguments: [(0, true), (1, false), (2, false)]) func frozenParametersStay(_ layers: Int, _ embeddings: Bool)
        throws
    {
        let encoder = try TransformerEncoder.small(frozenLayers: layers, freezesEmbeddings: embeddings)
        let before = Array(encoder.parameters.buffer)
        encoder.optimizerOptions.weightDecay = 0.3
        _ = try encoder.train(loss, batches, rates: rates, dropoutSeed: 1)
        let after = Array(encoder.parameters.buffer)
        for tensor in encoder.layout.tensors {
            let range = tensor.offset..<tensor.offset + tensor.count
            let isFrozen =
                tensor.name.hasPrefix("embeddings.")
                || (0..<layers).contains { tensor.name.hasPrefix("encoder.layer.\($0).") }
            #expect((differingElements(before[range], after[range]) == 0) == isFrozen, "\(tensor.name)")
        }
    }

    @Test func gradientsAboveFrozenLayersAreThoseOfTheWholeModel() throws {
        let whole = try TransformerEncoder.small().gradients(loss, batches[0])
        let encoder = try TransformerEncoder.small(frozenLayers: 1)
        let found = try encoder.gradients(loss, batches[0])
        let start = try #require(encoder.layout.tensors.first { $0.part == .layer(1) }).offset
        #expect(differingElements(found[start...], whole[start...]) == 0)
        #expect(found[..<start].allSatisfy { $0 == 0 })
    }

    /// Stored outputs equal computed ones bit for bit: with memory for all texts, for some and for none.
    @Test func frozenLayersRunOnceAText() throws {
        let loss = try loss
        func trained(budget: Int, activations: Int = 1 << 30) throws -> (TransformerEncoder, [Float]) {
            let encoder = try TransformerEncoder.small(frozenLayers: 1)
            encoder.frozenOutputBudget = budget
            encoder.activationBudget = activations
            _ = try encoder.train(loss, batches, rates: rates, dropoutSeed: 4)
            return (encoder, encoder.weights())
        }
        let (none, expected) = try trained(budget: 0)
        #expect(none.frozenOutputCache.bytes == 0)
        let (all, weights) = try trained(budget: 1 << 30)
        let tokens = Set(batches.flatMap { batch in (0..<batch.count).map { Array(batch[$0]) } }).reduce(0) {
            $0 + $1.count
        }
        #expect(all.frozenOutputCache.bytes == tokens * 33 * 4, "every text once")
        #expect(differingElements(weights, expected) == 0)
        let (some, mixed) = try trained(budget: 5000)
        #expect(1...5000 ~= some.frozenOutputCache.bytes)
        #expect(differingElements(mixed, expected) == 0)
        #expect(
            try differingElements(trained(budget: 1 << 30, activations: 0).1, expected) == 0, "recomputed above them")
        // Other weights give other outputs.
        all.restore(weights: weights.map { 0.9 * $0 })
        #expect(all.frozenOutputCache.bytes == 0)
    }

    @Test(arguments: [false, true]) func storedStateContinuesBitForBit(_ freezesEmbeddings: Bool) async throws {
        let loss = try loss
        try await TemporaryFolder.with { folder in
            try Parallelism.withThreads(2) {
                func fresh() throws -> TransformerEncoder {
                    try TransformerEncoder.small(freezesEmbeddings: freezesEmbeddings)
                }
                let straight = try fresh()
                _ = try straight.train(loss, batches, rates: rates, dropoutSeed: 9)

                let interrupted = try fresh()
                _ = try interrupted.train(loss, batches, rates: Array(rates[..<5]), dropoutSeed: 9)
                try interrupted.saveTrainingState(to: folder.url)
                let resumed = try fresh()
                try resumed.restoreTrainingState(from: folder.url)
                _ = try resumed.train(loss, batches, rates: Array(rates[5...]), dropoutSeed: 9, firstStep: 5)
                #expect(differingElements(resumed.weights(), straight.weights()) == 0)
                // Saving does not change the encoder.
                _ = try interrupted.train(loss, batches, rates: Array(rates[5...]), dropoutSeed: 9, firstStep: 5)
                #expect(differingElements(interrupted.weights(), straight.weights()) == 0)
            }
        }
    }

    @Test func stateFromBeforeTheFirstStep() async throws {
        let loss = try loss
        try await TemporaryFolder.with { folder in
            try Parallelism.withThreads(2) {
                let encoder = try TransformerEncoder.small()
                try encoder.saveTrainingState(to: folder.url)
                let first = try encoder.train(loss, batches, rates: rates)
                let weights = encoder.weights()
                // The moments of the abandoned run must not affect the next.
                try encoder.restoreTrainingState(from: folder.url)
                #expect(try encoder.train(loss, batches, rates: rates).losses == first.losses)
                #expect(differingElements(encoder.weights(), weights) == 0)
            }
        }
    }

    @Test func restoringWeights() throws {
        let encoder = try TransformerEncoder.small()
        let start = encoder.weights()
        let before = try encoder.embed(batches[0])
        _ = try encoder.train(loss, batches, rates: rates)
        let trained = encoder.weights()
        let after = try encoder.embed(batches[0])
        #expect(differingElements(trained, start) > 0 && differingElements(after.values, before.values) > 0)
        encoder.restore(weights: start)
        #expect(differingElements(encoder.weights(), start) == 0)
        #expect(differingElements(try encoder.embed(batches[0]).values, before.values) == 0)
        encoder.restore(weights: trained)
        #expect(differingElements(try encoder.embed(batches[0]).values, after.values) == 0)
    }

    @Test func statesThatDoNotFit() async throws {
        let encoder = try TransformerEncoder.small()
        let weights = encoder.weights()
        try await TemporaryFolder.with { folder in
            #expect(throws: NumericsError.self) { try encoder.restoreTrainingState(from: folder.url) }
            let url = folder.url.appendingPathComponent("encoder-state.safetensors")
            func write(_ tensors: [(String, [Float])], step: String) throws {
                let all = tensors.flatMap(\.1)
                try all.withUnsafeBufferPointer { all in
                    var start = 0
                    try SafeTensorsFile.write(
                        tensors.map { name, values in
                            defer { start += values.count }
                            return .init(
                                name: name, shape: [values.count],
                                values: UnsafeBufferPointer(rebasing: all[start..<start + values.count]))
                        }, metadata: ["step": step], to: url)
                }
            }
            let other = weights.map { $0 + 1 }
            let dense = [Float](repeating: 0, count: weights.count - encoder.layout.denseStart)
            func moments(_ words: [Float]) -> [(String, [Float])] {
                let rows = [Float](repeating: 0, count: words.count * 32)
                return [
                    ("weights", other), ("dense.first.0", dense), ("dense.second.0", dense), ("words", words),
                    ("words.first", rows), ("words.second", rows),
                ]
            }
            let bad: [([(String, [Float])], String)] = [
                ([("weights", [1, 2])], "0"), ([("weights", other)], "none"), ([("weights", other)], "-1"),
                ([("weights", other)], "3"), (moments([100]), "3"), (moments([-1]), "3"), (moments([.nan]), "3"),
                (moments([1.5]), "3"),
            ]
            for (tensors, step) in bad {
                try write(tensors, step: step)
                let error = #expect(throws: (any Error).self) { try encoder.restoreTrainingState(from: folder.url) }
                #expect("\(try #require(error))".contains(url.path))
                #expect(differingElements(encoder.weights(), weights) == 0, "nothing has changed")
            }
            try write(moments([3, 99]), step: "3")
            try encoder.restoreTrainingState(from: folder.url)
            #expect(encoder.weights() == other && encoder.optimizerStep == 3)
        }
    }
}
