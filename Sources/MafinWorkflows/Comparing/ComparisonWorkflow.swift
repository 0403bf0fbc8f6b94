import Foundation
import MafinBlackBox
import MafinComparison
import MafinEncoder
import MafinImages
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinReport
import MafinRetrieval

/// One `mafin compare`: reads a collection, asks the black box, trains and measures every system, and writes the report.
package struct ComparisonWorkflow {
    /// The collection.
    package var data: String
    /// The folder of the report.
    package var output: String
    package var encoder = EncoderChoice()
    package var tuning = TrainingTuning()
    /// Systems, metrics, split, seeds, time, mode and language; without a language it is guessed. ``run(onEvent:)`` adds the other settings
    /// that the results depend on to its facts.
    package var request = ComparisonPlan.Request()
    /// Whether queries of train and dev are kept if they are also in the measured split.
    package var allowsLeaks = false
    /// The size of a vector in an index of the artefact; nil to leave joined vectors as they are.
    package var indexSize: IndexSize?
    /// In which the artefact's encoders embed if rankings stay as they are; nil for the processor's default. The report is measured in float32.
    package var precision: Precision?
    /// The price of a million tokens of the black box's API, for the report; nil if it is not known.
    package var price: Double?
    /// The command that is written into the report.
    package var commandLine = ""

    private let context: WorkflowContext
    private let source: BlackBoxSource?
    private let openBlackBox: BlackBoxOpening
    private var store: ComparisonStore { ComparisonStore(folder: URL(fileURLWithPath: output)) }

    /// - Parameter source: how to open the artefact's black box later. It is written into the artefact.
    package init(
        data: String, output: String, source: BlackBoxSource?, context: WorkflowContext,
        openBlackBox: @escaping BlackBoxOpening
    ) {
        (self.data, self.output, self.source) = (data, output, source)
        (self.context, self.openBlackBox) = (context, openBlackBox)
    }

    /// Compares, and writes the report into the folder.
    /// - Parameter onEvent: is called with what is trained and measured.
    /// - Throws: ``WorkflowError``, errors of the modules; `CancellationError` when the user asks to end: the same call resumes.
    package func run(onEvent: @escaping (Comparison.Event) -> Void = { _ in }) async throws -> ComparisonFacts {
        let stored = try store.storedPlan()
        let split = request.split
        let released = try self.encoder.resolve()
        let encoder = try self.encoder.load(released)
        try tuning.limitMemory(of: encoder.encoder)
        let collection = try RetrievalCollection(contentsOf: URL(fileURLWithPath: data))
        context.warn(of: collection.warnings)
        let splits = JudgedSplits(collection, measured: split, allowsLeaks: allowsLeaks)
        let labels = (
            train: try splits.qrels(.train), dev: try splits.qrels(.dev), measured: try splits.qrels(split)
        )
        let prelude = ComparisonPrelude(split, collection, context)
        prelude.describe([("train", labels.train), ("dev", labels.dev), (split, labels.measured)])
        try LeakGuard.announce(splits, context)
        let leaks = try LeakReport(collection, learned: [labels.train, labels.dev], measured: labels.measured)
        prelude.list(leaks)

        let blackBox = try await openBlackBox(nil)
        // The longest joined vectors that a comparison makes are of the black box, the encoder and moved documents.
        func checkIndexSize(_ dimension: Int) throws {
            try indexSize?.require(below: 2 * dimension + encoder.encoder.dimension)
        }
        if let dimension = blackBox.identity.dimension { try checkIndexSize(dimension) }
        let all = [labels.train, labels.dev, labels.measured]
        let vectors = try await BlackBoxVectors(
            asking: blackBox, documents: collection.documents,
            queries: collection.queries.filter { query in all.contains { $0[query.id] != nil } })
        try checkIndexSize(vectors.dimension)
        var plan = ComparisonPlan(
            try request(of: released, collection), data: try hashes(collection), blackBox: blackBox.identity)
        if let stored {
            if let (what, then, now) = stored.difference(from: plan) {
                throw ComparisonError.differs(path: output, what: what, then: then, now: now)
            }
            plan = stored
        }
        let detectable = try prelude.detectable(vectors, labels.dev, labels.measured, plan)
        let training = try prepare(collection, splits, vectors, released, encoder, plan)
        (plan.mode, plan.modeReason) = (training.choice.mode, training.choice.reason)
        prelude.announce(plan, training)
        if stored == nil { try store.write(plan) }

        let comparison = try Comparison(
            training, plan: plan, store: store, qrels: labels.measured, source: source,
            allowsLeaks: allowsLeaks, isCancelled: context.isCancelled, onEvent: onEvent)
        let result = try comparison.run()
        let facts = try write(comparison, result, splits, detectable, leaks)
        if let indexSize, ComparisonVerdict.candidate(of: result) != nil {
            let artefact = store.artefact.path
            var reduction = ReductionWorkflow(
                artefact: artefact, data: data, output: artefact, size: indexSize, context: context,
                openBlackBox: openBlackBox)
            (reduction.seed, reduction.split, reduction.allowsLeaks) = (self.request.seed, split, allowsLeaks)
            if let reduced = try await reduction.runInPlace() { context.note(reduced.text) }
        }
        if ComparisonVerdict.candidate(of: result) != nil {
            let decision = PrecisionDecision(artefact: store.artefact.path, asked: precision, context: context)
            if let decided = try decision.run(splits: splits, vectors: vectors) { context.note(decided.text) }
        }
        return facts
    }

    /// The request, with all settings that the results depend on.
    private func request(
        of released: ReleasedEncoder, _ collection: RetrievalCollection
    ) throws -> ComparisonPlan.Request {
        var request = request
        request.language = context.language(request.language, of: collection.documents).language
        func text(_ value: (some Any)?) -> String { value.map { "\($0)" } ?? "default" }
        request.facts = [
            "weights of the local encoder": released.weightsHash,
            "prefixes of the local encoder": text(released.prefixes.map { "'\($0.query)' '\($0.document)'" }),
            "--max-length": text(released.maximumLength), "trained weights": "\(self.encoder.trained)",
            "--loss": tuning.loss.rawValue,
            "--learning-rate": text(tuning.learningRate), "--dropout": text(tuning.dropout),
            "--epochs": text(tuning.epochs), "--patience": text(tuning.patience),
            "--allow-leak": "\(allowsLeaks)",
        ]
        if let side = released.imageSide { request.facts["--image-side"] = "\(side)" }
        if !tuning.augments { request.facts["--no-augmentation"] = "true" }
        if tuning.precision != .float32 { request.facts["--training-precision"] = tuning.precision.rawValue }
        return request
    }

    /// SHA-256 of the inputs, by role.
    private func hashes(_ collection: RetrievalCollection) throws -> [String: String] {
        var hashes: [String: String] = [:]
        for file in collection.sourceFiles { hashes[file.lastPathComponent] = try ContentHash.sha256(of: file) }
        // The files of the collection have only the images' paths.
        if collection.hasImages {
            let images = collection.documents.compactMap(\.image) + collection.queries.compactMap(\.image)
            hashes["images"] = ContentHash.sha256(of: images.map(\.contentHash).joined(separator: "\n"))
        }
        return hashes
    }

    private func prepare(
        _ collection: RetrievalCollection, _ splits: JudgedSplits, _ vectors: BlackBoxVectors,
        _ released: ReleasedEncoder, _ encoder: TextEncoder, _ plan: ComparisonPlan
    ) throws -> CollectionTraining {
        var settings = CollectionTraining.Settings()
        tuning.apply(to: &settings)
        settings.trained = self.encoder.trained
        settings.options.seed = request.seed
        settings.options.time = plan.secondsEach
        settings.options.metric = plan.metric
        settings.mode = plan.mode ?? request.mode
        settings.modeReason = plan.modeReason
        let progress = EncodingProgress(context)
        defer { progress.finish() }
        return try CollectionTraining(
            collection: collection, splits: splits, vectors: vectors, released: released, encoder: encoder,
            settings: settings, cache: .shared, isCancelled: context.isCancelled, onProgress: progress.update)
    }

    // MARK: The report

    private func write(
        _ comparison: Comparison, _ result: ComparisonOutcome, _ splits: JudgedSplits,
        _ detectable: MinimumDetectableDifference, _ leaks: LeakReport
    ) throws -> ComparisonFacts {
        context.note("writing the report: measuring what each word adds in wins and losses")
        let artefact = try ComparisonVerdict.candidate(of: result).map { _ in
            try comparison.measured(
                ArtefactModel(
                    artefact: store.artefact, precision: .float32, released: ArtefactOpening.releasedFolder),
                cache: .shared)
        }
        let report = ComparisonReport(
            comparison: comparison, result: result, splits: splits, detectable: detectable, leaks: leaks,
            artefact: artefact, commands: (use: commandsForUse, others: commandForOthers), price: price,
            provenance: try provenance(comparison, artefact?.model))
        let facts = try report.facts()
        let folder = store.folder
        try AtomicFile.write(Data(facts.html().utf8), to: folder.appendingPathComponent("index.html"))
        try AtomicFile.write(Data(facts.markdown().utf8), to: folder.appendingPathComponent("report.md"))
        try AtomicFile.write(Data(try facts.json().utf8), to: folder.appendingPathComponent("report.json"))
        let figures = folder.appendingPathComponent("figures")
        try FileManager.default.createDirectory(at: figures, withIntermediateDirectories: true)
        for (name, svg) in facts.figures() {
            try AtomicFile.write(Data(svg.utf8), to: figures.appendingPathComponent("\(name).svg"))
        }
        return facts
    }

    /// The commands that index the documents and start the service.
    private var commandsForUse: String {
        let artefact = ShellText.path(output + "/artefact")
        let index = ShellText.path(output + "/index")
        return ShellText.line("mafin", "index", artefact, "--data", ShellText.path(data), "--output", index)
            + "\n" + ShellText.line("mafin", "serve", artefact, "--index", index)
    }

    /// The command that makes an artefact of another system.
    private var commandForOthers: String {
        ShellText.line("mafin", "ship", ShellText.path(output)) + " --system NAME --output ARTEFACT"
    }

    private func provenance(_ comparison: Comparison, _ model: ArtefactModel?) throws -> ProvenanceFacts {
        typealias Setting = ProvenanceFacts.Setting
        let plan = comparison.plan
        let training = comparison.training
        let identity = plan.blackBox
        var groups: [ProvenanceFacts.Group] = [
            .init(
                title: "Comparison",
                settings: [
                    Setting("split", plan.request.split), Setting("decided by", "\(plan.metric)"),
                    Setting("time", Duration.seconds(request.seconds).shortText),
                    Setting("seconds planned for a training", String(format: "%.0f", plan.secondsEach)),
                    Setting("seeds", plan.seeds.map(String.init).joined(separator: ", ")),
                    Setting("mode", "\(training.choice.mode.rawValue): \(training.choice.reason)"),
                    Setting("systems", plan.request.systems?.joined(separator: ", ") ?? "all"),
                    Setting("language of the documents", (plan.request.language ?? .english).name),
                    Setting("expected share of new documents", "\(comparison.expectedNewDocuments)"),
                ]),
            .init(
                title: "Black box",
                settings: [
                    Setting("provider", identity.provider), Setting("model", identity.model),
                    Setting("dimensions", "\(training.data.blackBoxDocuments.columns)"),
                ] + (identity.contentHash.map { [Setting("SHA-256", $0)] } ?? [])),
        ]
        if let record = model?.manifest.releasedEncoder {
            groups.append(
                .init(
                    title: "Local encoder",
                    settings: [
                        Setting("name", record.name), Setting("revision", record.revision ?? "unknown"),
                        Setting("SHA-256 of its weights", record.weightsSHA256),
                        Setting("prefix of a query", "'\(record.queryPrefix)'"),
                        Setting("prefix of a document", "'\(record.documentPrefix)'"),
                        record.imageSide.map { Setting("pixels of a side of an image", "\($0)") }
                            ?? Setting(
                                "tokens of a text, at most",
                                record.maximumLength.map(String.init) ?? "as the checkpoint says"),
                        Setting("pooling", record.pooling ?? "unknown"), Setting("dimensions", "\(record.dimension)"),
                    ]))
        }
        let trainings = [
            ("Training of the artefact", model?.manifest.training?.hyperparameters["options"]),
            ("Training of the stand-in", model?.manifest.offline?.training?.hyperparameters["settings"]),
        ]
        for case (let title, .record(let options)?) in trainings {
            groups.append(
                .init(
                    title: title,
                    settings: options.sorted { $0.key < $1.key }.map {
                        Setting($0.key, $0.value.text)
                    }))
        }
        var facts = ProvenanceFacts()
        (facts.command, facts.configuration) = (commandLine, groups)
        facts.seeds = [
            "the first training": plan.request.seed, "splits": JudgedSplits.standardSeed,
            "resampling": PairedBootstrap().seed,
        ]
        facts.versions = [
            Setting("mafin", LibraryVersion.current.version),
            Setting("system", ProcessInfo.processInfo.operatingSystemVersionString),
            Setting("threads", "\(Parallelism.threads)"),
        ]
        (facts.inputs, facts.machine) = (try comparison.inputs(), Machine.description)
        return facts
    }
}

/// The machine that figures were measured on.
private enum Machine {
    /// Cores and processor, as far as the system tells them.
    static let description: String = {
        let cores = ProcessInfo.processInfo.activeProcessorCount
        let text = "\(cores) \(cores == 1 ? "core" : "cores")"
        return processor.map { "\(text), \($0)" } ?? text
    }()

    private static var processor: String? {
        guard let information = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8),
            let line = information.split(separator: "\n").first(where: { $0.hasPrefix("model name") }),
            let colon = line.firstIndex(of: ":")
        else { return nil }
        return line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
    }
}
