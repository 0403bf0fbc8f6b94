import CMafinKernels
import Foundation
import MafinNumerics
import MafinTestSupport
import MafinText
import Testing

@testable import MafinEncoder

/// The least cosine of two matrices' rows.
private func leastCosine(_ a: Matrix, _ b: Matrix) -> Double {
    (0..<a.rows).map { row in
        let (x, y) = (a.row(row).map(Double.init), b.row(row).map(Double.init))
        let products = zip(x, y).reduce((0.0, 0.0, 0.0)) {
            ($0.0 + $1.0 * $1.1, $0.1 + $1.0 * $1.0, $0.2 + $1.1 * $1.1)
        }
        return products.0 / (products.1 * products.2).squareRoot()
    }.min() ?? 1
}

extension Precision {
    /// The least cosine with vectors in single precision.
    fileprivate var bar: Double {
        switch self {
        case .float32: 1 - 1e-6
        case .bfloat16: 0.999
        case .int8: 0.98
        }
    }
}

/// Embeddings in bfloat16 and in bytes against PyTorch's in single precision.
@Suite struct PrecisionTests {
    @Test(arguments: Precision.allCases, ["mean", "cls", "mpnet", "xlm-roberta", "modernbert", "nomic", "gte"])
    func familiesKeepTheirVectors(_ precision: Precision, _ family: String) throws {
        let golden = try Golden("small-\(family)")
        let encoder = try TransformerEncoder(modelFolder: Golden.url("small-\(family)"))
        let batch = try golden.batch("first")
        encoder.precision = precision
        let found = try encoder.embed(batch)
        let cosine = leastCosine(found, try golden.matrix("pooled"))
        #expect(cosine > precision.bar, "\(cosine)")
        // A single text takes the way of one query if threads can share the layers.
        for row in 0..<min(3, batch.count) {
            let one = try Parallelism.withThreads(3) { try encoder.embed(batch.selecting(rows: [row])) }
            #expect(leastCosine(one, Matrix(rows: 1, columns: found.columns, values: Array(found.row(row)))) > 0.9999)
        }
    }

    @Test(arguments: Precision.allCases)
    func productsAloneAreMeasured(_ precision: Precision) throws {
        let architecture = try Architecture.read(modelFolder: Golden.url("small-mean"))
        for training in precision == .int8 ? [false] : [false, true] {
            let rate = ProductRate.measure(
                architecture, rows: 8, seconds: 0.01, training: training, precision: precision)
            #expect(rate.perSecond > 0 && rate.perSecond.isFinite)
        }
    }

    @Test func bgeSmallKeepsItsVectors() throws {
        let golden = try Golden("bge-small")
        let folder = try Golden.url("bge-small")
        let encoder = TransformerEncoder(
            try Architecture.read(modelFolder: folder), try Pooling.read(modelFolder: folder), TrainedPart())
        for tensor in encoder.layout.tensors {
            encoder.parameters.copy(from: GoldenNumbers.weights(tensor.name, count: tensor.count), at: tensor.offset)
        }
        for precision in [Precision.bfloat16, .int8] {
            encoder.precision = precision
            let cosine = leastCosine(try encoder.embed(golden.batch("first")), try golden.matrix("pooled"))
            #expect(cosine > precision.bar, "\(precision): \(cosine)")
        }
    }

    /// Real weights, whose activations have a few large columns.
    @Test(.enabled(if: TestModel.isAvailable, "\(TestModel.skipMessage)")) func miniLMKeepsItsVectors() throws {
        let golden = try Golden("minilm-outputs")
        let encoder = try TransformerEncoder(modelFolder: try #require(TestModel.folder()))
        let batch = try golden.batch("texts").selecting(rows: Array(stride(from: 0, to: 200, by: 7)))
        let exact = try encoder.embed(batch)
        for precision in [Precision.bfloat16, .int8] {
            encoder.precision = precision
            let cosine = leastCosine(try encoder.embed(batch), exact)
            #expect(cosine > precision.bar, "\(precision): \(cosine)")
        }
    }

    @Test func singlePrecisionIsUntouchedByTheOthers() throws {
        let encoder = try TransformerEncoder.small()
        let batch = try Golden("small-mean").batch("first")
        let before = try encoder.embed(batch)
        for precision in [Precision.bfloat16, .int8] {
            encoder.precision = precision
            #expect(try encoder.embed(batch) != before)
        }
        encoder.precision = .float32
        #expect(try encoder.embed(batch) == before)
    }

    /// Packed weights follow training in every precision.
    @Test(arguments: [Precision.bfloat16, .int8]) func updatesReachPackedWeights(_ precision: Precision) throws {
        let golden = try Golden("small-mean")
        let encoder = try TransformerEncoder.small()
        let batch = try golden.batch("first")
        encoder.precision = precision
        let before = try encoder.embed(batch)
        try encoder.accumulate(golden.loss(.listwise), batch)
        _ = encoder.update(learningRate: 1e-2, maximumGradientNorm: 1)
        let after = try encoder.embed(batch)
        #expect(after != before)
        encoder.precision = .float32
        #expect(leastCosine(after, try encoder.embed(batch)) > precision.bar)
    }

    /// Low-rank terms are added before weights are packed: the encoder embeds as one that was loaded with the sum.
    @Test(arguments: [Precision.bfloat16, .int8]) func lowRankTermsAreMerged(_ precision: Precision) throws {
        let golden = try Golden("small-mean")
        let source = try Golden.url("small-mean")
        let encoder = try TransformerEncoder(
            modelFolder: source, trained: TrainedPart(lowRank: LowRankOptions(rank: 4, trainsNorms: false)))
        let batch = try golden.batch("first")
        try encoder.accumulate(golden.loss(.listwise), batch)
        _ = encoder.update(learningRate: 1e-2, maximumGradientNorm: 1)
        let folder = try TemporaryFolder()
        try encoder.save(to: folder.url, tokenizerFrom: source)
        let merged = try TransformerEncoder(modelFolder: folder.url)
        (encoder.precision, merged.precision) = (precision, precision)
        #expect(try encoder.embed(batch) == merged.embed(batch))
    }

    @Test func theDefaultIsWhatTheProcessorMultiplies() {
        #expect(Precision.hardwareDefault == (mafin_bfloat16_is_fast() ? .bfloat16 : .float32))
        #expect(Precision.allCases.map(\.rawValue) == ["float32", "bf16", "int8"])
    }
}

/// Training in bfloat16 against gradients of PyTorch in single precision.
@Suite struct BFloat16TrainingTests {
    private func encoder(_ family: String, _ trained: TrainedPart = TrainedPart()) throws -> TransformerEncoder {
        let encoder = try TransformerEncoder(modelFolder: Golden.url("small-\(family)"), trained: trained)
        encoder.trainingPrecision = .bfloat16
        return encoder
    }

    /// The norm of the difference of all gradients, relative to the norm of the gradients in single precision.
    @Test(arguments: ["mean", "cls", "mpnet", "modernbert", "nomic", "gte"], GoldenLoss.Kind.allCases)
    func gradients(_ family: String, _ kind: GoldenLoss.Kind) throws {
        let golden = try Golden("small-\(family)")
        let batch = try golden.batch("first")
        let loss = try golden.loss(kind)
        let rounded = try encoder(family).gradients(loss, batch)
        let exact = try TransformerEncoder(modelFolder: Golden.url("small-\(family)")).gradients(loss, batch)
        let difference = relativeDifference(rounded[...], from: exact)
        // Roundings add up with depth: this ModernBERT has four layers, the others have two.
        let bar = family == "modernbert" ? 1.5e-2 : 1e-2
        #expect(difference < bar && difference > 1e-5, "\(difference)")
    }

    /// What is not kept is computed again to the same bits.
    @Test(arguments: ["mean", "mpnet", "modernbert"]) func gradientsDoNotDependOnTheBudget(_ family: String) throws {
        let golden = try Golden("small-\(family)")
        let (batch, loss) = (try golden.batch("first"), try golden.loss(.listwise))
        let kept = try encoder(family)
        let recomputing = try encoder(family)
        recomputing.activationBudget = 0
        #expect(
            try kept.gradients(loss, batch, dropoutSeed: 3) == recomputing.gradients(loss, batch, dropoutSeed: 3))
    }

    @Test func frozenLayersAndLowRankTerms() throws {
        let golden = try Golden("small-mean")
        let (batch, loss) = (try golden.batch("first"), try golden.loss(.listwise))
        for trained in [TrainedPart(frozenLayers: 1), TrainedPart(lowRank: LowRankOptions(rank: 4))] {
            let rounded = try encoder("mean", trained).gradients(loss, batch)
            let exact = try TransformerEncoder(modelFolder: Golden.url("small-mean"), trained: trained)
                .gradients(loss, batch)
            #expect(relativeDifference(rounded[...], from: exact) < 1e-2)
        }
    }

    /// An interrupted training goes on bit for bit.
    @Test func resumes() throws {
        let golden = try Golden("small-mean")
        let batches = [try golden.batch("first"), try golden.batch("second")]
        let loss = try golden.loss(.infoNCE)
        let rates: [Float] = [1e-3, 1e-3, 1e-3, 1e-3]
        let whole = try encoder("mean")
        _ = try whole.train(loss, batches, rates: rates, dropoutSeed: 7)
        let first = try encoder("mean")
        _ = try first.train(loss, batches, rates: Array(rates[..<2]), dropoutSeed: 7)
        let folder = try TemporaryFolder()
        try first.saveTrainingState(to: folder.url)
        let second = try encoder("mean")
        try second.restoreTrainingState(from: folder.url)
        _ = try second.train(loss, batches, rates: Array(rates[2...]), dropoutSeed: 7, firstStep: 2)
        #expect(second.weights() == whole.weights())
    }

    /// Ten steps come as far as in single precision.
    @Test func tenStepsOfAdamW() throws {
        let golden = try Golden("small-mean")
        let encoder = try encoder("mean")
        encoder.optimizerOptions.weightDecay = 0.1
        let (losses, _) = try encoder.train(
            golden.loss(.infoNCE), [golden.batch("first"), golden.batch("second")], rates: golden.floats("curve.rates"))
        #expect(largestDifference(losses, try golden.floats("curve.losses")) < 2e-2)
    }

    /// The activations that a pass keeps take about half of the memory.
    @Test func keepsHalf() throws {
        let network = Architecture.bert(
            EncoderConfiguration(
                hiddenSize: 384, layerCount: 6, headCount: 12, intermediateSize: 1536, vocabularySize: 100)
        ).network()
        let exact = Activations.count(network, tokens: 1000, keeping: 0..<6)
        let halved = HalvedActivations.count(network, tokens: 1000, keeping: 0..<6)
        #expect(Double(halved) < 0.51 * Double(exact))
    }
}
