import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinRetrieval
import MafinText

/// Makes a ``StandIn`` for a collection's black box, from vectors that are paid for: those of all documents and of the
/// training queries. The black box is not asked.
///
/// 1. Start: ridge regression from the released encoder's vectors to the black box's.
/// 2. Distillation: encoder and head learn the black box's vectors of queries and of the beginnings of documents.
/// 3. Labels: the sum of the black box's and the local encoder's score of all documents is trained listwise, while the
///    estimates are still pulled to the black box's vectors (``MafinMethod/Distillation``).
public struct StandInTraining {
    /// Settings.
    public struct Settings: Sendable, Codable, Equatable {
        /// Seconds of steps 2 and 3 together; 0: the start is all.
        public var seconds = 120.0
        /// The seed of everything random.
        public var seed: UInt64 = 1
        /// The share of the time that step 2 has. Without labels it has all.
        public var distillationShare = 0.05
        /// Updates of step 2; `nil`: as many as fit its share of the time. With it and with a number of steps in the options of
        /// the training, the result does not depend on the machine's speed.
        public var distillationSteps: Int?
        /// The weight of the black box's vectors in step 3.
        public var distillation: Float = 0.5
        /// Whether labels are learned.
        public var learnsLabels = true
        /// Whether the stand-in's encoder also gives the local encoder's query vectors. If not, the local encoder itself does.
        public var hasLocalHead = true
        /// Documents are cut to this many tokens in step 2.
        public var documentTokens = 64
        /// Texts of a batch of step 2.
        public var batch = 32
        /// Peak learning rate.
        public var learningRate: Float = 4e-4
        /// The heads' learning rate divided by it.
        public var headRate: Float = 2

        /// All defaults.
        public init() {}
    }

    private let training: CollectionTraining
    /// The settings.
    public let settings: Settings

    /// - Parameter training: the training of the encoder beside the black box, on the same collection.
    public init(_ training: CollectionTraining, settings: Settings = Settings()) {
        (self.training, self.settings) = (training, settings)
    }

    /// Makes the stand-in.
    /// - Parameter onEvent: receives the events of step 3.
    /// - Throws: as ``CollectionTraining/train(_:base:checkpointFolder:resume:isCancelled:onEvent:)``.
    public func run(
        isCancelled: @escaping () -> Bool = { false }, onEvent: @escaping (TrainingEvent) -> Void = { _ in }
    ) throws -> TrainedStandIn {
        let began = ContinuousClock.now
        let data = training.data
        let released = try training.releasedQueryVectors(isCancelled: isCancelled)
        let (head, strength) = start(released)
        let encoder = try training.released.load(training.settings.trained)
        let hasLocal = settings.hasLocalHead && training.choice.mode == .query
        let local = hasLocal ? training.documentBank.normalizedRows().matrix : nil
        let heads = StandInHeads(
            blackBox: head, local: hasLocal ? StandInHeads.identity(encoder.encoder.dimension) : nil)
        let share = try local.map { try localShare(heads, released, documents: $0) } ?? 0
        encoder.encoder.dropoutProbability = training.settings.options.dropout
        try training.settings.prepare(encoder.encoder)
        let model = StandInEncoder(
            encoder.encoder, heads: heads, shares: (1, share), headRate: settings.headRate)

        var hyperparameters: [String: ManifestValue] = [
            "settings": try ManifestValue(encoding: settings), "ridge": .number(strength),
            "localShare": .number(Double(share)),
        ]
        let labels = settings.learnsLabels ? settings.seconds * (1 - settings.distillationShare) : 0
        let distilled = try distil(model, encoder, until: began + .seconds(settings.seconds - labels), isCancelled)
        hyperparameters["distillationSteps"] = .integer(Int64(distilled))
        var steps = distilled
        if labels > 0 {
            var options = training.settings.options
            options.seed = settings.seed
            options.form = .localOnly
            options.learningRate = settings.learningRate
            options.time = max(1, settings.seconds - (ContinuousClock.now - began).inSeconds)
            options.epochs = options.epochs ?? CollectionTraining.queryTowerEpochs
            let bank = StandInHeads.joined(data.blackBoxDocuments, local, weights: (1, share == 0 ? 0 : 1))
            let trainer = try Trainer(
                queryEncoder: model, data: data, mode: QueryTowerMode(), loss: training.settings.loss,
                distillation: Distillation(targets: data.blackBoxQueries, weight: settings.distillation),
                options: options, documentBank: bank)
            let outcome = try trainer.run(isCancelled: isCancelled, onEvent: onEvent)
            if outcome.reason == .cancelled { throw CancellationError() }
            steps += outcome.best.step
            hyperparameters["history"] = try ManifestValue(encoding: outcome.history)
            hyperparameters["trainedShare"] = .number(Double(outcome.trainedShare))
        }
        hyperparameters["seconds"] = .number((ContinuousClock.now - began).inSeconds)
        let standIn = StandIn(encoder, heads: model.heads)
        let vectors = try standIn.vectors(
            of: training.queries.map(\.item), ids: training.queries.map(\.id), isCancelled: isCancelled)
        return TrainedStandIn(
            standIn: standIn, record: training.released.record(of: encoder, saved: EncoderRecord.standInFolder),
            training: ArtefactManifest.Training(mode: "stand-in", steps: steps, hyperparameters: hyperparameters),
            blackBoxQueries: vectors.blackBox, localQueries: vectors.local)
    }

    // MARK: Start

    /// The strengths of the ridge regression that are tried; see ``VectorMap``.
    private static let strengths = [0.01, 0.03, 0.1, 0.3, 1]

    /// Factors of the estimates' deviation from their mean that are tried after the strength.
    private static let gains: [Float] = [1.5, 2, 3, 5]

    /// The head of the strength at which the estimates score the documents most like the black box does, measured on the
    /// development queries. No label is read.
    ///
    /// Regression shrinks what it cannot explain, so estimates lie too close to their mean. Where all vectors of the black box lie close
    /// together, as e5's do, the mean then decides the ranking. So the deviation from the mean is multiplied by a factor, chosen in the same way.
    private func start(_ released: Matrix) -> (head: Matrix, strength: Double) {
        let data = training.data
        let (train, dev) = (data.index.trainQueries, data.index.devQueries)
        let bank = training.documentBank
        let inputs = Matrix(stacking: [bank, released.selecting(rows: train)]).normalizedRows().matrix
        let targets = Matrix(stacking: [data.blackBoxDocuments, data.blackBoxQueries.selecting(rows: train)])
        let known = dev.isEmpty ? Array(train.prefix(300)) : Array(dev.prefix(300))
        let wanted = Matrix.multiply(data.blackBoxQueries.selecting(rows: known), transposed: data.blackBoxDocuments)
        let moments = VectorMap.Moments(from: inputs, to: targets)
        func agreement(_ head: Matrix) -> Double {
            let rows = StandInHeads(blackBox: head).forward(released.selecting(rows: known)).blackBox.unit
            return Self.correlation(Matrix.multiply(rows, transposed: data.blackBoxDocuments), wanted)
        }
        func best(_ candidates: [(head: Matrix, strength: Double)]) -> (head: Matrix, strength: Double) {
            let agreements = candidates.map { agreement($0.head) }
            let place = agreements.indices.max { agreements[$0] < agreements[$1] } ?? 0
            return candidates[place]
        }
        let (head, strength) = best(
            Self.strengths.map { (StandInHeads.head(.ridge(moments, strength: $0)), $0) })
        let queries = released.selecting(rows: train.isEmpty ? known : train).normalizedRows().matrix
        return best(([1] + Self.gains).map { (StandInHeads.amplified(head, by: $0, over: queries), strength) })
    }

    /// The mean over rows of Pearson's correlation of both rows.
    static func correlation(_ scores: Matrix, _ others: Matrix) -> Double {
        let values = parallelMap(scores.rows) { row -> Double in
            let (x, y) = (scores.row(row).map(Double.init), others.row(row).map(Double.init))
            let count = Double(x.count)
            let (meanX, meanY) = (x.reduce(0, +) / count, y.reduce(0, +) / count)
            var (xy, xx, yy) = (0.0, 0.0, 0.0)
            for (a, b) in zip(x, y) {
                xy += (a - meanX) * (b - meanY)
                xx += (a - meanX) * (a - meanX)
                yy += (b - meanY) * (b - meanY)
            }
            return xx > 0 && yy > 0 ? xy / (xx * yy).squareRoot() : 0
        }
        return values.reduce(0, +) / Double(max(1, values.count))
    }

    /// The weight of the local score beside the black box's at the start, fitted on the development queries.
    private func localShare(_ heads: StandInHeads, _ released: Matrix, documents: Matrix) throws -> Float {
        let data = training.data
        let dev = data.index.devQueries
        let rows = heads.forward(released.selecting(rows: dev))
        let scores = Matrix.multiply(rows.blackBox.unit, transposed: data.blackBoxDocuments)
        let local = rows.input.unit
        do {
            let scale = try Calibration.fit(
                blackBox: scores, local: Matrix.multiply(local, transposed: documents),
                labels: StepPlan(queries: dev).againstCorpus(data.index).labels
            ).scale
            let lambda = min(max(scale.lambda, 0.1), 0.9)
            return lambda / (1 - lambda)
        } catch CalibrationError.uninformative {
            return 1
        }
    }

    // MARK: Distillation

    /// Step 2.
    /// - Returns: the number of updates.
    private func distil(
        _ model: StandInEncoder<TransformerEncoder>, _ encoder: TextEncoder, until end: ContinuousClock.Instant,
        _ isCancelled: () -> Bool
    ) throws -> Int {
        let began = ContinuousClock.now
        let seconds = (end - began).inSeconds
        guard seconds > 0 || (settings.distillationSteps ?? 0) > 0 else { return 0 }
        let data = training.data
        let documents: ItemBatch
        switch encoder.reader.kind {
        case .texts(let tokenizer):
            let texts = training.collection.documents.map { encoder.prefixes.document + $0.textForEncoding }
            documents = .tokens(tokenizer.batchEncode(texts, maxLength: settings.documentTokens))
        case .images: documents = data.documents
        }
        let queries = data.index.trainQueries
        // Queries come first. A text is a place in this list.
        let lengths =
            queries.map { data.queries.length(of: $0) } + (0..<documents.count).map { documents.length(of: $0) }
        var generator = RandomGenerator(seed: RandomGenerator.mix(settings.seed &+ 0x5D))
        // Texts of about the same length share a batch.
        let sorted = lengths.indices.sorted { (lengths[$0], $0) < (lengths[$1], $1) }
        let batches = stride(from: 0, to: sorted.count, by: settings.batch).map {
            Array(sorted[$0..<min($0 + settings.batch, sorted.count)])
        }
        let teacher =
            model.heads.local == nil
            ? nil : try training.releasedQueryVectors(isCancelled: isCancelled).normalizedRows().matrix
        let bank = training.documentBank.normalizedRows().matrix
        var (steps, waiting) = (0, [Int]())
        while true {
            if isCancelled() { throw CancellationError() }
            let done =
                settings.distillationSteps.map { Double(steps) / Double(max(1, $0)) }
                ?? (ContinuousClock.now - began).inSeconds / seconds
            guard done < 1 else { return steps }
            if waiting.isEmpty { waiting = Array(batches.indices).shuffled(using: &generator) }
            let batch = batches[waiting.removeLast()]
            let (own, others) = (batch.filter { $0 < queries.count }, batch.filter { $0 >= queries.count })
            let rows = (own.map { queries[$0] }, others.map { $0 - queries.count })
            var parts: [ItemBatch] = []
            if !rows.0.isEmpty { parts.append(data.queries.selecting(rows: rows.0)) }
            if !rows.1.isEmpty { parts.append(documents.selecting(rows: rows.1)) }
            let pass = try model.forward(
                .concatenating(parts), dropoutSeed: RandomGenerator.mix(settings.seed &+ UInt64(steps)))
            var targets = Matrix(
                rows: batch.count, columns: data.blackBoxQueries.columns,
                values: data.blackBoxQueries.selecting(rows: rows.0).values
                    + data.blackBoxDocuments.selecting(rows: rows.1).values)
            if let teacher {
                let local = Matrix(
                    rows: batch.count, columns: teacher.columns,
                    values: teacher.selecting(rows: rows.0).values + bank.selecting(rows: rows.1).values)
                targets = StandInHeads.joined(targets, local, weights: (1, 0.25))
            }
            targets.scale(by: -settings.distillation / Float(batch.count))
            try model.backward(pass, gradient: targets)
            let rate = min(1, Float(steps + 1) / 10) * Float(1 - done) * settings.learningRate
            let norm = try model.update(
                learningRate: rate, maximumGradientNorm: training.settings.options.maximumGradientNorm)
            steps += 1
            guard norm.isFinite else {
                throw TrainingError.notFinite(what: "norm of the gradient", step: steps, value: norm)
            }
        }
    }
}

/// A stand-in that was made for a collection.
public struct TrainedStandIn {
    /// The stand-in.
    public let standIn: StandIn
    /// Its encoder's record.
    public let record: EncoderRecord
    /// How it was trained.
    public let training: ArtefactManifest.Training
    /// Its estimates for all queries of the training's table, unit rows.
    public let blackBoxQueries: Matrix
    /// The same for the local encoder's vectors; `nil`: the local encoder itself encodes the queries.
    public let localQueries: Matrix?

    /// Writes the encoder into an empty folder. The heads are files of the ``StandInSource``.
    public func save(to folder: URL) throws {
        try standIn.encoder.save(to: folder)
    }

    /// The source.
    public var source: StandInSource { StandInSource(standIn.heads) }
}
