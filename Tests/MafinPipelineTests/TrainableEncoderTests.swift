import MafinEncoder
import MafinPipeline
import Testing

@Suite struct TrainableEncoderTests {
    /// A checkpoint is resumed only with an encoder of the same identity.
    @Test func theIdentityTellsWhatAnEncoderIs() {
        let base = EncoderConfiguration(
            hiddenSize: 8, layerCount: 2, headCount: 2, intermediateSize: 16, vocabularySize: 10)
        var changed = base
        changed.layerNormEpsilon = 1e-5
        func identity(
            _ configuration: EncoderConfiguration? = nil, _ pooling: Pooling = .mean, seed: UInt64 = 1,
            frozenLayers: Int = 0, freezesEmbeddings: Bool = false
        ) -> String {
            TransformerEncoder(
                architecture: .bert(configuration ?? base), pooling: pooling, seed: seed,
                trained: TrainedPart(frozenLayers: frozenLayers, freezesEmbeddings: freezesEmbeddings)
            ).identity
        }
        let all = [
            identity(), identity(changed), identity(nil, .firstToken), identity(frozenLayers: 1),
            identity(frozenLayers: 2), identity(freezesEmbeddings: true),
        ]
        #expect(Set(all).count == all.count, "\(all)")
        #expect(identity(seed: 2) == identity(), "weights have a hash of their own")
    }

    @Test func trainingIsPreparedInThePrecisionOfTheSettings() throws {
        let encoder = TransformerEncoder(
            architecture: .bert(
                EncoderConfiguration(
                    hiddenSize: 8, layerCount: 2, headCount: 2, intermediateSize: 16, vocabularySize: 10)),
            pooling: .mean, seed: 1)
        let before = encoder.identity
        var settings = CollectionTraining.Settings()
        try settings.prepare(encoder)
        #expect(encoder.trainingPrecision == .float32 && encoder.identity == before)
        settings.trainingPrecision = .bfloat16
        try settings.prepare(encoder)
        #expect(encoder.trainingPrecision == .bfloat16 && encoder.precision == .float32)
        // A training that began in other numbers is not resumed.
        #expect(encoder.identity != before)
    }
}
