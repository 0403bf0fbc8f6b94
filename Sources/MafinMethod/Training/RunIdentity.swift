import MafinNumerics

/// What a checkpoint and a run must have in common for the checkpoint to be resumed: options, mode, loss, data, base,
/// and the encoders at the start of training.
struct RunIdentity: Codable, Equatable {
    var options: TrainingOptions
    var mode: TrainingModeSummary
    var loss: LossSummary
    var encoders: [EncoderIdentity]
    /// ``TrainingData/contentHash``.
    var dataHash: String
    /// `nil`: the black box.
    var base: BaseIdentity?
    /// ``Distillation/identity``; `nil`: none.
    var distillation: String?

    /// The frozen scores beside which the encoder is trained.
    struct BaseIdentity: Codable, Equatable {
        var name: String
        /// ``TrainingBase/identity``.
        var identity: String
    }

    /// An encoder before its first update.
    struct EncoderIdentity: Codable, Equatable {
        /// ``TrainableEncoder/identity``.
        var identity: String
        /// SHA-256 of the released weights.
        var weightsHash: String
    }

    init<Inputs, Encoder: TrainableEncoder>(
        options: TrainingOptions, mode: any TrainingMode, loss: any Loss, encoders: [Encoder],
        data: TrainingData<Inputs>, base: TrainingBase?, distillation: Distillation?
    ) {
        self.options = options
        self.options.checkpointSeconds = 0  // Changes no result.
        self.mode = mode.summary
        self.loss = loss.summary
        self.encoders = encoders.map { encoder in
            let hash = encoder.weights().withUnsafeBytes { ContentHash.sha256($0) }
            return EncoderIdentity(identity: encoder.identity, weightsHash: ContentHash.hexadecimal(hash))
        }
        dataHash = data.contentHash
        self.base = base.map { BaseIdentity(name: $0.name, identity: $0.identity) }
        self.distillation = distillation?.identity
    }
}

extension TrainingData {
    /// SHA-256 of inputs, labels, splits, identities and the black box's vectors.
    var contentHash: String {
        var hash = ContentHash()
        func add(_ numbers: [Int]) {
            ([numbers.count] + numbers).withUnsafeBytes { hash.update($0) }
        }
        for inputs in [queries, documents] {
            add([inputs.count])
            for row in 0..<inputs.count {
                inputs.withContent(of: row) { bytes in
                    add([bytes.count])
                    hash.update(bytes)
                }
            }
        }
        for judgements in index.labels {
            add(judgements.flatMap { [$0.column, Int($0.grade.bitPattern)] })
        }
        for numbers in [
            index.trainQueries, index.devQueries, index.queryIdentities, index.documentIdentities,
            index.judgedDocuments,
        ] {
            add(numbers)
        }
        for vectors in [blackBoxQueries, blackBoxDocuments] {
            add([vectors.rows, vectors.columns])
            vectors.values.withUnsafeBytes { hash.update($0) }
        }
        return ContentHash.hexadecimal(hash.finalize())
    }
}
