import Foundation
import MafinNumerics
import MafinTestSupport
import MafinText
import Testing

@testable import MafinEncoder

/// Small random vision networks of every family against `transformers`, number by number.
@Suite struct VisionParityTests {
    static let families = ["dinov2", "clip-vision", "vit"]

    /// The encoder of a family for the pixels of a golden's tensor, and those pixels.
    func load(
        _ family: String, _ name: String, trained: TrainedPart = TrainedPart()
    ) throws -> (encoder: TransformerEncoder, batch: ItemBatch, golden: Golden) {
        let golden = try Golden("small-\(family)")
        let side = try #require(golden.file.shape(of: name))[3]
        let encoder = try TransformerEncoder(
            modelFolder: Golden.url("small-\(family)"), trained: trained, imageSide: side)
        return (encoder, try images(golden, name, encoder), golden)
    }

    private func images(_ golden: Golden, _ name: String, _ encoder: TransformerEncoder) throws -> ItemBatch {
        let shape = try #require(encoder.imageShape)
        let pixels = try golden.floats(name)
        let rows = (0..<pixels.count / shape.floats).map { row in
            ImageBatch.Row(content: "\(name) \(row)") { _ in
                Array(pixels[row * shape.floats..<(row + 1) * shape.floats])
            }
        }
        return .images(ImageBatch(rows, tokensPerImage: shape.tokens))
    }

    /// Fewer positions than the network was trained with, as many, and more.
    @Test(arguments: families, ["first", "native", "large"]) func outputs(_ family: String, _ name: String) throws {
        let (encoder, batch, golden) = try load(family, name)
        let expected = try golden.floats("\(name).pooled")
        #expect(largestDifference(try encoder.embed(batch).values, expected) < 2e-5)
        #expect(largestDifference(try encoder.forward(batch, dropoutSeed: nil).embeddings.values, expected) < 2e-5)
        #expect(encoder.dimension == (family == "clip-vision" ? 24 : 32))
    }

    @Test(arguments: InstructionSet.all) func everyInstructionSet(_ set: InstructionSet) throws {
        try set.run {
            for family in Self.families {
                try outputs(family, "first")
                try everyGradient(family)
            }
        }
    }

    @Test(arguments: families) func everyGradient(_ family: String) throws {
        let (encoder, batch, golden) = try load(family, "first")
        let expected = try Golden("small-\(family)-gradients")
        #expect(expected.file.names == encoder.layout.tensors.map(\.name).sorted(), "no tensor is left out")
        let value = try encoder.accumulate(golden.loss(.listwise), batch)
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

    /// More patches than a tile of attention and a block of rows have.
    @Test(arguments: families) func largeImages(_ family: String) throws {
        let (encoder, batch, golden) = try load(family, "large")
        var loss = try golden.loss(.listwise)
        loss.grades = Matrix(
            rows: 2, columns: 2, values: [loss.grades[0, 0], loss.grades[0, 1], loss.grades[1, 0], loss.grades[1, 1]])
        #expect(abs(try encoder.accumulate(loss, batch) - Double(try golden.floats("large.loss")[0])) < 1e-5)
        try expectProjections(of: encoder, equal: golden, "large", tolerance: 1e-4)
    }

    @Test(arguments: families) func tenStepsOfAdamW(_ family: String) throws {
        let (encoder, first, golden) = try load(family, "first")
        encoder.optimizerOptions.weightDecay = 0.1
        let (losses, norms) = try encoder.train(
            golden.loss(.listwise), [first, images(golden, "second", encoder)], rates: golden.floats("curve.rates"))
        #expect(largestDifference(losses, try golden.floats("curve.losses")) < 1e-4)
        for (found, expected) in zip(norms, try golden.floats("curve.norms")) {
            #expect(abs(found / expected - 1) < 1e-3)
        }
    }

    /// With dropout, the gradient is that of the function with these masks.
    @Test(arguments: families) func finiteDifferences(_ family: String) throws {
        let (encoder, batch, golden) = try load(family, "first")
        encoder.dropoutProbability = 0.1
        try expectGradients(of: encoder, golden.loss(.listwise), batch, dropoutSeed: 5)
    }

    /// One image alone, shared by threads, and activations that are computed again give the same numbers.
    @Test(arguments: families) func sharedAndRecomputedPasses(_ family: String) throws {
        let (encoder, batch, golden) = try load(family, "large")
        let one = batch.selecting(rows: [1])
        let expected = try Parallelism.withThreads(1) { try encoder.embed(batch) }
        try Parallelism.withThreads(4) {
            for _ in 0..<10 {
                let found = try encoder.embed(one)
                #expect(largestDifference(found.values, Array(expected.row(1))) < 1e-6)
            }
        }
        let (small, images, _) = try load(family, "first")
        let loss = try golden.loss(.listwise)
        let kept = try small.gradients(loss, images, dropoutSeed: 4)
        small.activationBudget = 0
        #expect(try differingElements(small.gradients(loss, images, dropoutSeed: 4), kept) == 0)
    }

    /// Frozen layers, of which images that are not augmented are computed once, and low-rank terms.
    @Test(arguments: families) func partsOfTheNetwork(_ family: String) throws {
        let (whole, batch, golden) = try load(family, "first")
        let loss = try golden.loss(.listwise)
        let all = try whole.gradients(loss, batch)
        for trained in [TrainedPart(frozenLayers: 1), TrainedPart(lowRank: LowRankOptions(rank: 3))] {
            let (encoder, _, _) = try load(family, "first", trained: trained)
            for _ in 0..<2 {
                let found = try encoder.gradients(loss, batch)
                for tensor in whole.layout.tensors {
                    let own = try #require(encoder.layout.tensors.first { $0.name == tensor.name })
                    if encoder.network.trained.includes(own) {
                        #expect(relativeDifference(found[own.range], from: all[tensor.range]) < 1e-5, "\(tensor.name)")
                    } else {
                        #expect(found[own.range].allSatisfy { $0 == 0 }, "\(tensor.name)")
                    }
                }
            }
            #expect((encoder.frozenOutputCache.bytes > 0) == (trained.frozenLayers > 0))
        }
        let (terms, _, _) = try load(family, "first", trained: TrainedPart(lowRank: LowRankOptions(rank: 2)))
        _ = try terms.train(loss, [batch], rates: [1e-2, 1e-2])
        try expectGradients(of: terms, loss, batch, dropoutSeed: nil)
    }

    @Test(arguments: families) func exportsAndState(_ family: String) async throws {
        let (encoder, batch, golden) = try load(family, "first")
        let loss = try golden.loss(.listwise)
        _ = try encoder.train(loss, [batch], rates: [1e-3, 1e-3])
        try await TemporaryFolder.with { folder in
            try encoder.save(to: folder.url, tokenizerFrom: Golden.url("small-\(family)"))
            try encoder.saveTrainingState(to: folder.url)
            let again = try TransformerEncoder(modelFolder: folder.url, imageSide: encoder.imageShape?.side)
            #expect(again.weights() == encoder.weights())
            try again.restoreTrainingState(from: folder.url)
            _ = try encoder.train(loss, [batch], rates: [1e-3])
            _ = try again.train(loss, [batch], rates: [1e-3])
            #expect(differingElements(again.weights(), encoder.weights()) == 0)
        }
    }

    /// Random changes depend on the seed alone, and only training has them.
    @Test func augmentedImages() throws {
        let (encoder, _, _) = try load("dinov2", "first", trained: TrainedPart(frozenLayers: 1))
        let shape = try #require(encoder.imageShape)
        let rows = (0..<40).map { row in
            ImageBatch.Row(content: "\(row)") { seed in
                var random = RandomGenerator(seed: UInt64(row) &+ (seed ?? 0))
                return (0..<shape.floats).map { _ in random.uniform() }
            }
        }
        let batch = ItemBatch.images(ImageBatch(rows, tokensPerImage: shape.tokens, isAugmented: true))
        let plain = ItemBatch.images(ImageBatch(rows, tokensPerImage: shape.tokens))
        let embedded = try encoder.embed(batch)
        #expect(embedded == (try encoder.embed(plain)))
        func forward(_ batch: ItemBatch, _ seed: UInt64?) throws -> Matrix {
            try encoder.forward(batch, dropoutSeed: seed).embeddings
        }
        encoder.dropoutProbability = 0
        #expect(largestDifference(try forward(batch, nil).values, embedded.values) < 1e-6)
        #expect(try forward(batch, 3) == forward(batch, 3))
        #expect(largestDifference(try forward(batch, 3).values, embedded.values) > 1e-2)
        #expect(largestDifference(try forward(plain, 3).values, embedded.values) < 1e-6)
    }

    @Test func wrongInputs() throws {
        let (encoder, batch, _) = try load("vit", "first")
        let texts = TokenBatch(rows: [[1, 2]])
        #expect(throws: EncoderError.input(row: 0, expected: "an image", found: "a text")) { try encoder.embed(texts) }
        #expect(throws: EncoderError.input(row: 0, expected: "a text", found: "an image")) {
            try TransformerEncoder.small().embed(batch)
        }
        let short = ImageBatch([ImageBatch.Row(content: "") { _ in [0] }], tokensPerImage: 10)
        #expect(throws: EncoderError.input(row: 0, expected: "3 x 12 x 12 pixels", found: "1 numbers")) {
            try encoder.embed(.images(short))
        }
        struct Broken: Error {}
        let broken = ImageBatch(
            (0..<100).map { row in
                ImageBatch.Row(content: "\(row)") { _ in
                    if row == 77 { throw Broken() }
                    return [Float](repeating: 0, count: 3 * 12 * 12)
                }
            }, tokensPerImage: 10)
        #expect(throws: Broken.self) { try encoder.embed(.images(broken)) }
        #expect(throws: Broken.self) { try encoder.forward(.images(broken), dropoutSeed: nil) }
    }

    @Test func whatIsNotSupportedIsNamed() async throws {
        try await TemporaryFolder.with { folder in
            let url = folder.url.appendingPathComponent("config.json")
            func error(_ family: String, _ changes: [String: Any]) throws -> String {
                var object = try JSONFile(Golden.url("small-\(family)").appendingPathComponent("config.json")).object
                object.merge(changes) { $1 }
                try JSONSerialization.data(withJSONObject: object).write(to: url)
                let error = #expect(throws: EncoderError.self) { try Architecture.read(modelFolder: folder.url) }
                return try #require(error).description
            }
            let cases: [(family: String, changes: [String: Any], expected: String)] = [
                ("dinov2", ["use_swiglu_ffn": true], "use_swiglu_ffn 'true' is not supported"),
                ("vit", ["hidden_act": "gelu_new"], "'gelu_new' is not supported"),
                ("clip-vision", ["hidden_act": "relu"], "quick_gelu, gelu"),
                ("vit", ["num_channels": 1], "'num_channels' should be 3, found 1"),
                ("dinov2", ["model_type": "swin"], "dinov2"),
                ("clip-vision", ["model_type": "clip"], "vision_config"),
            ]
            for (family, changes, expected) in cases {
                let found = try error(family, changes)
                #expect(found.contains(expected), "\(found)")
            }
        }
    }
}
