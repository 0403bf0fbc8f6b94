import MafinEncoder
import MafinImages
import MafinMethod
import MafinNumerics
import MafinPipeline

/// Settings of the objective and the optimiser. Nil leaves a setting at its default.
package struct TrainingTuning: Sendable {
    /// The training objectives by name.
    package enum LossName: String, CaseIterable, Sendable {
        case listnet, infonce, listmle, hybrid

        var loss: any Loss {
            switch self {
            case .listnet: ListNet(target: .exponentialGain)
            case .infonce: InfoNCE()
            case .listmle: ListMLE(cutoff: 10)
            case .hybrid:
                HybridLoss(listwise: ListNet(target: .exponentialGain), contrastive: InfoNCE(), weight: 0.5)
            }
        }
    }

    package var loss = LossName.listnet
    /// Peak learning rate.
    package var learningRate: Float?
    package var dropout: Float?
    /// Whether images are changed at random in training.
    package var augments = true
    /// Maximum number of passes over the training labels.
    package var epochs: Int?
    /// Maximum memory of training the encoder, in bytes.
    package var memory: Int?
    /// The numbers in which training multiplies: single precision or bfloat16.
    package var precision = Precision.float32
    /// Training ends early after this many evaluations without a gain on dev.
    package var patience: Int?
    /// Time between checkpoints.
    package var checkpointInterval = Duration.seconds(30)

    package init() {}

    func apply(to settings: inout CollectionTraining.Settings) {
        settings.loss = loss.loss
        settings.learningRate = learningRate
        settings.memory = memory
        settings.trainingPrecision = precision
        if let dropout { settings.options.dropout = dropout }
        settings.imageDropout = dropout
        if !augments { settings.augmentation = .off }
        if let patience { settings.options.patience = patience }
        settings.options.epochs = epochs
        settings.options.checkpointSeconds = checkpointInterval.inSeconds
    }

    /// Applies the limit of memory. Called before anything is paid for, because the limit may be too small.
    /// - Throws: `EncoderError.memory`.
    func limitMemory(of encoder: TransformerEncoder) throws {
        var settings = CollectionTraining.Settings()
        apply(to: &settings)
        try settings.prepare(encoder)
    }
}
