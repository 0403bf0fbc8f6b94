import Foundation
import MafinBlackBox
import MafinComparison
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// One `mafin train`: reads a collection, asks the black box, trains the method and the requested rivals, and writes an artefact for each.
///
/// Checkpoints are in `OUTPUT.training` until the artefacts are written. A resumed training gives the same weights, bit for bit, as one that was
/// not interrupted.
package struct TrainingWorkflow {
    /// The collection.
    package var data: String
    /// The folder of the artefact.
    package var output: String
    package var encoder = EncoderChoice()
    package var tuning = TrainingTuning()
    /// Time for all trainings together.
    package var time = Duration.seconds(600)
    package var seed: UInt64 = 1
    /// How the encoder is trained; nil to choose from the data and the time.
    package var mode: ModeChoice.Mode?
    package var method = Contender.mafin
    /// Methods to train for comparison, each for the same time.
    package var rivals: [Contender] = []
    package var form = Mixture.Layout.querySided
    /// Whether an interrupted training is continued.
    package var resumes = false
    /// Whether queries of train and dev are kept if they are also in test.
    package var allowsLeaks = false
    /// Whether BM25 and memories of the labelled queries are added to the method; see ``TrainedComposition``.
    package var composes = false
    /// The language of the documents, for BM25; nil to guess it.
    package var language: Language?
    /// The size of a vector in an index; nil to leave joined vectors as they are.
    package var indexSize: IndexSize?
    /// Whether a stand-in is trained for the method, for a third of ``time``; see ``TrainedOffline``.
    package var trainsStandIn = false
    /// Whether the artefact is marked as usable even if it does not beat the black box on dev.
    package var isForced = false
    /// In which the artefact's encoders embed if rankings stay as they are; nil for the processor's default. Training computes in float32.
    package var precision: Precision?

    /// The processes that train together. Each runs this workflow. The first one asks the black box, writes and reports, and all
    /// read the same files: collection, encoder and, to resume, the folder of checkpoints.
    package var communicator: any Communicator = SingleProcess()

    /// Ends the workflow in the other processes, when all is trained.
    package struct IsHelper: Error {
        package init() {}
    }

    /// A method that was trained, and its artefact.
    package struct TrainedMethod: Sendable, Encodable {
        package var name: String
        package var artefact: String
        package var lambda: Float?
        package var temperature: Float?
        package var steps: Int
        package var bestStep: Int
        package var stopped: StopReason
        package var seconds: Double
        package var tokens: Int
        package var verdict: Verdict
    }

    /// The results of the training.
    package struct Result: Sendable {
        package var mode: ModeChoice.Mode
        package var modeReason: String
        /// The requested method, then its rivals.
        package var methods: [TrainedMethod]
        /// The figures on dev of each of ``methods``.
        package var development: [EvaluationReport]
        /// The judgement of the requested method.
        package var verdict: Verdict
        /// What was added to the requested method; nil without ``composes``.
        package var composition: TrainedComposition?
        /// How the vectors were reduced; nil if they were not.
        package var reduction: ReductionWorkflow.Result?
        /// What answers without asking the black box; nil without ``trainsStandIn``.
        package var standIn: TrainedOffline?
        /// In which precision the requested method's artefact embeds, and why; nil if nothing but float32 came into question.
        package var precision: PrecisionRecord?
    }

    private let context: WorkflowContext
    private let source: BlackBoxSource?
    private let openBlackBox: BlackBoxOpening
    private var folder: URL { URL(fileURLWithPath: output) }

    /// - Parameters:
    ///   - source: how to open the artefact's black box later. It is written into the artefact.
    ///   - openBlackBox: called once the collection has been read.
    package init(
        data: String, output: String, source: BlackBoxSource?, context: WorkflowContext,
        openBlackBox: @escaping BlackBoxOpening
    ) {
        (self.data, self.output, self.source) = (data, output, source)
        (self.context, self.openBlackBox) = (context, openBlackBox)
    }

    /// The folder of an artefact's checkpoints.
    package static func checkpoints(of output: String) -> URL {
        let url = URL(fileURLWithPath: output)
        return url.deletingLastPathComponent().appendingPathComponent(url.lastPathComponent + ".training")
    }

    /// Whether an interrupted training of this artefact can be resumed.
    package static func isInterrupted(_ output: String) -> Bool {
        FileManager.default.fileExists(atPath: checkpoints(of: output).appendingPathComponent(planName).path)
    }

    /// Trains and writes.
    /// - Parameters:
    ///   - onEvent: is called with the events of each training.
    ///   - onStandIn: is called with the events of the stand-in's training.
    /// - Throws: ``WorkflowError``, errors of the modules; `CancellationError` when the user asks to end, with checkpoints kept;
    ///   ``IsHelper`` in all processes but the first.
    package func run(
        onEvent: @escaping (Contender, TrainingEvent) -> Void = { _, _ in },
        onStandIn: @escaping (TrainingEvent) -> Void = { _ in }
    ) async throws -> Result {
        try Artefact.requireReplaceable(folder)
        let choice = self.encoder
        async let loading = Self.load(choice)
        let collection = try RetrievalCollection(contentsOf: URL(fileURLWithPath: data))
        context.warn(of: collection.warnings)
        if trainsStandIn, !collection.splits.contains(JudgedSplits.Part.train.rawValue),
            collection.splits != [RetrievalCollection.wholeSplit]
        {
            throw WorkflowError.noLabels(path: data)
        }
        let splits = JudgedSplits(collection, allowsLeaks: allowsLeaks)
        let judged = try [splits.qrels(.train), splits.qrels(.dev)]
        let queries = collection.queries.filter { query in judged.contains { $0[query.id] != nil } }
        context.note(
            "\(collection.documents.count) documents, \(judged[0].queryIds.count) train and \(judged[1].queryIds.count) dev queries"
        )
        try LeakGuard.announce(splits, context)
        let blackBox = try await openBlackBox(nil)
        // Faults of the encoder or the labels are found before anything is paid for.
        let (released, encoder) = try await loading
        try tuning.limitMemory(of: encoder.encoder)
        if let dimension = blackBox.identity.dimension {
            try indexSize?.require(below: dimension + encoder.encoder.dimension)
        }
        let isFirst = communicator.isFirst
        let checkpoints = try isFirst ? prepareCheckpoints() : Self.checkpoints(of: output)
        // Removes the folder if it is empty, because then there is nothing to resume.
        defer { if isFirst { rmdir(checkpoints.path) } }
        let stored = try communicator.agreed(isFirst ? storedPlan(checkpoints) : nil)
        let vectors = try await vectors(of: collection.documents, queries, by: blackBox)
        try indexSize?.require(below: vectors.dimension + encoder.encoder.dimension)
        let training = try prepare(collection, splits, vectors, released, encoder, stored)
        let plan = try plan(training, released, stored, checkpoints)
        context.note("mode \(plan.mode.rawValue): \(plan.modeReason)")

        var result: Result?
        for contender in plan.contenders {
            let isRival = contender != method
            let trained: TrainedEncoder
            do {
                trained = try train(contender, training, checkpoints, onEvent)
            } catch  where isRival && TrainingError.isOfOneMethod(error) {
                context.warn("rival \(contender.rawValue) could not be trained and is left out: \(error)")
                continue
            }
            guard isFirst else { continue }
            let target = isRival ? ArtefactModel.rivalFolder(contender, in: folder) : folder
            let additions = try isRival ? Additions() : additions(to: trained, training, onStandIn)
            let artefact = try write(trained, additions, to: target, checkpoints)
            var done =
                result
                ?? Result(
                    mode: plan.mode, modeReason: plan.modeReason, methods: [], development: [],
                    verdict: artefact.manifest.verdict, composition: additions.composition,
                    standIn: additions.standIn?.summary)
            done.methods.append(row(trained, artefact))
            done.development.append(trained.development)
            result = done
        }
        guard isFirst else { throw IsHelper() }
        guard var result else { preconditionFailure("the method is trained first, and its errors end the run") }
        if let indexSize {
            var reduction = ReductionWorkflow(
                artefact: output, data: data, output: output, size: indexSize, context: context,
                openBlackBox: openBlackBox)
            (reduction.seed, reduction.allowsLeaks) = (seed, allowsLeaks)
            result.reduction = try await reduction.runInPlace()
        }
        result.precision = try PrecisionDecision(artefact: output, asked: precision, context: context).run(
            splits: splits, vectors: vectors)
        try? FileManager.default.removeItem(at: checkpoints)
        return result
    }

    /// The black box's vectors. The first process asks for them, and the others get its answers.
    private func vectors(
        of documents: [Document], _ queries: [Query], by blackBox: any BlackBox
    ) async throws -> BlackBoxVectors {
        var asked: BlackBoxVectors?
        if communicator.isFirst {
            asked = try await BlackBoxVectors(asking: blackBox, documents: documents, queries: queries)
            if communicator.count == 1, let asked { return asked }
        }
        let none = Matrix(rows: 0, columns: 0)
        return try BlackBoxVectors(
            identity: communicator.agreed(asked?.identity ?? blackBox.identity), queries: queries,
            queryVectors: communicator.agreed(asked?.queryVectors ?? none),
            documentVectors: communicator.agreed(asked?.documentVectors ?? none))
    }

    /// Loads the encoder and hashes its weights, on another core, while the collection is read.
    private static func load(_ choice: EncoderChoice) async throws -> sending (ReleasedEncoder, TextEncoder) {
        let released = try choice.resolve()
        return (released, try choice.load(released))
    }

    /// Makes the folder of checkpoints beside the artefact. This is done before anything is paid for or trained, so that a place that cannot be
    /// written to is noticed early.
    private func prepareCheckpoints() throws -> URL {
        let checkpoints = Self.checkpoints(of: output)
        let files = FileManager.default
        let holdsRun = Self.isInterrupted(output)
        if holdsRun, !resumes { throw WorkflowError.interruptedTraining(path: checkpoints.path) }
        if resumes, !holdsRun {
            if files.fileExists(atPath: folder.appendingPathComponent(Artefact.manifestName).path) {
                throw WorkflowError.nothingToResume(path: folder.path)
            }
            context.note("nothing to resume; starting a new training")
        }
        try files.createDirectory(at: checkpoints, withIntermediateDirectories: true)
        return checkpoints
    }

    private func prepare(
        _ collection: RetrievalCollection, _ splits: JudgedSplits, _ vectors: BlackBoxVectors,
        _ released: ReleasedEncoder, _ encoder: TextEncoder, _ stored: Plan?
    ) throws -> CollectionTraining {
        var settings = CollectionTraining.Settings()
        settings.layout = form
        tuning.apply(to: &settings)
        settings.trained = self.encoder.trained
        settings.options.seed = seed
        settings.mode = stored?.mode ?? mode
        settings.modeReason = stored?.modeReason
        settings.options.time = secondsEach
        settings.communicator = communicator
        let progress = EncodingProgress(context)
        defer { progress.finish() }
        return try CollectionTraining(
            collection: collection, splits: splits, vectors: vectors, released: released, encoder: encoder,
            settings: settings, cache: .shared, isCancelled: context.isCancelled, onProgress: progress.update)
    }

    private var contenders: [Contender] { [method] + rivals.filter { $0 != method } }

    /// The stand-in's share of ``time``.
    private static let standInShare = 1.0 / 3

    private var secondsEach: Double {
        time.inSeconds * (trainsStandIn ? 1 - Self.standInShare : 1) / Double(contenders.count)
    }

    private func train(
        _ contender: Contender, _ training: CollectionTraining, _ checkpoints: URL,
        _ onEvent: @escaping (Contender, TrainingEvent) -> Void
    ) throws -> TrainedEncoder {
        let folder = checkpoints.appendingPathComponent(contender.rawValue)
        let resumes = try communicator.agreed(resumes && CollectionTraining.canResume(from: folder))
        return try training.train(
            contender, checkpointFolder: folder, resume: resumes,
            isCancelled: context.isCancelled
        ) { onEvent(contender, $0) }
    }

    /// What is added to the requested method.
    private struct Additions {
        var composition: TrainedComposition?
        var standIn: (summary: TrainedOffline, shipped: Artefact.ShippedStandIn)?
    }

    /// Fits the weights of the trained encoder beside other sources, and trains the stand-in.
    private func additions(
        to trained: TrainedEncoder, _ training: CollectionTraining, _ onStandIn: @escaping (TrainingEvent) -> Void
    ) throws -> Additions {
        var additions = Additions()
        guard composes || trainsStandIn else { return additions }
        let systems = try training.systems(of: trained)
        let documents = training.collection.documents
        // Without texts there is no BM25.
        let words =
            training.collection.documentsHaveText
            ? LexicalSource(
                texts: documents.map(\.textForEncoding), language: context.language(language, of: documents).language)
            : nil
        if composes {
            let names = "the black box, the encoder\(words == nil ? "" : ", BM25") and the labelled queries"
            context.note("composing: fitting the weights of \(names) on dev")
            let composition = try TrainedComposition(
                of: systems.local, words: words, training, seed: seed, isCancelled: context.isCancelled)
            if !composition.sources.usesLocalEncoder {
                context.warn("the trained encoder adds nothing to the other sources on dev and has no weight")
            }
            additions.composition = composition
        }
        if trainsStandIn {
            context.note("stand-in: learning to estimate the black box's vectors of queries")
            var settings = StandInTraining.Settings()
            (settings.seconds, settings.seed) = (Self.standInShare * time.inSeconds, seed)
            let asked =
                try additions.composition?.developmentValues
                ?? RivalData(training, metric: .nDCG(cutoff: 10)).developmentValues(of: systems.vectors)
            do {
                additions.standIn = try TrainedOffline.make(
                    training, settings: settings, local: systems.local, words: words, remembers: composes, asked: asked,
                    isCancelled: context.isCancelled, onEvent: onStandIn)
            } catch let error where TrainingError.isOfOneMethod(error) || error is CombinationError {
                // The encoder is trained, and works without it.
                context.warn("the stand-in could not be trained and is left out: \(error)")
            }
        }
        return additions
    }

    /// Writes the artefact of a method, alone beside the black box or with what was added.
    private func write(
        _ trained: TrainedEncoder, _ additions: Additions, to target: URL, _ checkpoints: URL
    ) throws -> Artefact {
        let standIn = additions.standIn?.shipped
        guard additions.composition != nil || standIn != nil else {
            return try trained.write(to: target, source: source, force: isForced)
        }
        let alone = try trained.write(
            to: checkpoints.appendingPathComponent("alone"), source: source, force: isForced)
        let manifest = alone.manifest
        let sources =
            try additions.composition?.sources ?? ShippedSources(try alone.sources(), mixture: manifest.mixing)
        let isShared = standIn?.sources.usesLocalEncoder == true && standIn?.released == nil
        return try Artefact.ship(
            sources,
            Artefact.Shipment(
                system: additions.composition == nil ? trained.contender.rawValue : ComparedSystem.composition,
                blackBox: manifest.blackBox, blackBoxSource: source, blackBoxDimension: manifest.blackBoxDimension,
                data: manifest.data, development: manifest.development, verdict: manifest.verdict,
                knownQueries: try alone.knownQueries() ?? KnownQueries([])),
            standIn: standIn, encoderFrom: sources.usesLocalEncoder || isShared ? alone : nil, to: target)
    }

    private func row(_ trained: TrainedEncoder, _ artefact: Artefact) -> TrainedMethod {
        TrainedMethod(
            name: trained.contender.rawValue, artefact: artefact.folder.path, lambda: trained.mixing.weights.lambda,
            temperature: trained.mixing.weights.pair?.temperature, steps: trained.outcome.steps,
            bestStep: trained.outcome.best.step, stopped: trained.outcome.reason, seconds: trained.outcome.elapsed,
            tokens: trained.outcome.tokens, verdict: artefact.manifest.verdict)
    }
}

// MARK: - Resuming

extension TrainingWorkflow {
    private static let planName = "plan.json"

    /// The settings that must not change when a run is resumed.
    struct Plan: Codable {
        var contenders: [Contender]
        /// The requested mode, nil if none was requested; and the mode that was used.
        var askedMode: ModeChoice.Mode?
        var mode: ModeChoice.Mode
        var modeReason: String
        var secondsEach: Double
        /// Whether a stand-in takes its share of the time; nil: no, or it was not recorded.
        var trainsStandIn: Bool?
        var encoder: EncoderFacts
        var form: Mixture.Layout

        /// The encoder that training starts from.
        struct EncoderFacts: Codable, Equatable {
            var weights: String
            var queryPrefix: String?
            var documentPrefix: String?
            var maximumLength: Int?
            /// Pixels of a side, and whether training changes images at random; nil for an encoder of texts.
            var imageSide: Int?
            var augments: Bool?
            var trained: TrainedPart
        }

        /// The first setting in which a resumed run differs from the interrupted one.
        func difference(from now: Plan) -> (name: String, then: String, now: String)? {
            func names(_ plan: Plan) -> String { plan.contenders.map(\.rawValue).joined(separator: ", ") }
            if contenders != now.contenders { return ("methods", names(self), names(now)) }
            if askedMode != now.askedMode {
                return ("--mode", askedMode?.rawValue ?? "none", now.askedMode?.rawValue ?? "none")
            }
            if abs(secondsEach - now.secondsEach) > 1e-6 {
                let (then, with) = (trainsStandIn ?? false, now.trainsStandIn ?? false)
                if then != with {
                    func text(_ isGiven: Bool) -> String { isGiven ? "given" : "not given" }
                    // It takes a part of the time of the trainings.
                    return ("--stand-in", text(then), text(with))
                }
                return ("seconds a method", "\(secondsEach)", "\(now.secondsEach)")
            }
            if form != now.form { return ("--form", form.rawValue, now.form.rawValue) }
            if encoder != now.encoder { return ("the local encoder or its options", "\(encoder)", "\(now.encoder)") }
            return nil
        }
    }

    /// The plan of this run. It must agree with the plan of the interrupted run.
    private func plan(
        _ training: CollectionTraining, _ released: ReleasedEncoder, _ stored: Plan?, _ checkpoints: URL
    ) throws -> Plan {
        let plan = Plan(
            contenders: contenders, askedMode: mode, mode: training.choice.mode,
            modeReason: training.choice.reason, secondsEach: secondsEach, trainsStandIn: trainsStandIn,
            encoder: Plan.EncoderFacts(
                weights: released.weightsHash, queryPrefix: released.prefixes?.query,
                documentPrefix: released.prefixes?.document, maximumLength: released.maximumLength,
                imageSide: released.imageSide, augments: tuning.augments ? nil : false, trained: self.encoder.trained),
            form: form)
        if let stored {
            if let (name, then, now) = stored.difference(from: plan) {
                throw WorkflowError.resumeDiffers(path: checkpoints.path, what: name, then: then, now: now)
            }
            return stored
        }
        guard communicator.isFirst else { return plan }
        try AtomicFile.write(
            JSONEncoder().encode(plan), to: checkpoints.appendingPathComponent(Self.planName))
        return plan
    }

    private func storedPlan(_ checkpoints: URL) throws -> Plan? {
        let file = checkpoints.appendingPathComponent(Self.planName)
        guard resumes, let data = FileManager.default.contents(atPath: file.path) else { return nil }
        return try JSONDecoder().decode(Plan.self, from: data)
    }
}
