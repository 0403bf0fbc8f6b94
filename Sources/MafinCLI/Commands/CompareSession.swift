import Foundation
import MafinBlackBox
import MafinComparison
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinReport
import MafinRetrieval

/// The course of one `mafin compare`: what is read, asked and said first, the comparison, what is written.
struct CompareSession {
    private let command: CompareCommand
    private let store: ComparisonStore
    private var shared: SharedOptions { command.shared }

    /// How an interrupted comparison goes on.
    static let resuming = "the same command goes on from here"

    init(_ command: CompareCommand) {
        self.command = command
        store = ComparisonStore(folder: URL(fileURLWithPath: command.output))
    }

    func run() async throws -> ComparisonFacts {
        let stored = try store.storedPlan()
        let found = try command.encoder.resolve()
        let released = try ReleasedEncoder(
            name: found.name, revision: command.encoder.encoderRevision, folder: found.folder, prefixes: found.prefixes,
            maximumLength: command.encoder.maxLength)
        let encoder = try released.load(
            frozenLayers: command.encoder.freezeLayers, freezesEmbeddings: command.encoder.freezeEmbeddings)
        try command.tuning.limitMemory(of: encoder.encoder)
        let collection = try RetrievalCollection(contentsOf: URL(fileURLWithPath: command.data))
        shared.warn(of: collection.warnings)
        let splits = JudgedSplits(
            collection, measured: command.split, allowsLeaks: command.leaks.allowLeak)
        let labels = (
            train: try splits.qrels(.train), dev: try splits.qrels(.dev), measured: try splits.qrels(command.split)
        )
        let prelude = ComparePrelude(command, collection)
        prelude.describe([("train", labels.train), ("dev", labels.dev), (command.split, labels.measured)])
        try command.leaks.announce(splits, shared)
        let leaks = LeakReport(collection, learned: [labels.train, labels.dev], measured: labels.measured)
        prelude.list(leaks)

        let blackBox = try await command.blackBox.make(shared: shared)
        let all = [labels.train, labels.dev, labels.measured]
        let vectors = try await BlackBoxVectors(
            asking: blackBox, documents: collection.documents,
            queries: collection.queries.filter { query in all.contains { $0[query.id] != nil } })
        var plan = ComparisonPlan(try request(released), data: try hashes(collection), blackBox: blackBox.identity)
        if let stored {
            if let (what, then, now) = stored.difference(from: plan) {
                throw ComparisonError.differs(path: command.output, what: what, then: then, now: now)
            }
            plan = stored
        }
        let detectable = try prelude.detectable(vectors, labels.dev, labels.measured, plan)
        let training = try prepare(collection, splits, vectors, released, encoder, plan)
        (plan.mode, plan.modeReason) = (training.choice.mode, training.choice.reason)
        prelude.announce(plan, training)
        if stored == nil { try store.write(plan) }

        let progress = CompareProgress(shared)
        let comparison = try Comparison(
            training, plan: plan, store: store, qrels: labels.measured, source: command.blackBox.source,
            isCancelled: { Interruption.isRequested }, onEvent: progress.report)
        let result: ComparisonOutcome
        do {
            result = try comparison.run()
        } catch is CancellationError {
            progress.finish()
            shared.note("interrupted; \(Self.resuming)")
            throw CancellationError()
        }
        progress.finish()
        return try write(comparison, result, collection, splits, vectors, detectable, leaks)
    }

    /// What is asked for, with all flags that decide what comes out.
    private func request(_ released: ReleasedEncoder) throws -> ComparisonPlan.Request {
        var request = ComparisonPlan.Request()
        request.split = command.split
        request.metrics = command.metrics.metrics
        request.systems = command.systems?.names
        request.seeds = command.seeds
        request.seed = command.seed
        request.seconds = command.time.duration.seconds
        request.mode = command.mode
        let tuning = command.tuning
        func text(_ value: (some Any)?) -> String { value.map { "\($0)" } ?? "default" }
        request.facts = [
            "weights of the local encoder": released.weightsHash,
            "prefixes of the local encoder": text(released.prefixes.map { "'\($0.query)' '\($0.document)'" }),
            "--max-length": text(released.maximumLength), "--freeze-layers": "\(command.encoder.freezeLayers)",
            "--freeze-embeddings": "\(command.encoder.freezeEmbeddings)", "--loss": tuning.loss.rawValue,
            "--learning-rate": text(tuning.learningRate), "--dropout": text(tuning.dropout),
            "--epochs": text(tuning.epochs), "--patience": text(tuning.patience),
            "--allow-leak": "\(command.leaks.allowLeak)",
        ]
        return request
    }

    /// SHA-256 of what went in, by role.
    private func hashes(_ collection: RetrievalCollection) throws -> [String: String] {
        var hashes: [String: String] = [:]
        for file in collection.sourceFiles { hashes[file.lastPathComponent] = try ContentHash.sha256(of: file) }
        return hashes
    }

    private func prepare(
        _ collection: RetrievalCollection, _ splits: JudgedSplits, _ vectors: BlackBoxVectors,
        _ released: ReleasedEncoder, _ encoder: TextEncoder, _ plan: ComparisonPlan
    ) throws -> CollectionTraining {
        var settings = CollectionTraining.Settings()
        command.tuning.apply(to: &settings)
        settings.frozenLayers = command.encoder.freezeLayers
        settings.freezesEmbeddings = command.encoder.freezeEmbeddings
        settings.options.seed = command.seed
        settings.options.time = plan.secondsEach
        settings.options.metric = plan.metric
        settings.mode = plan.mode ?? command.mode
        settings.modeReason = plan.modeReason
        let progress = EncodingProgress(shared)
        defer { progress.finish() }
        return try CollectionTraining(
            collection: collection, splits: splits, vectors: vectors, released: released, encoder: encoder,
            settings: settings, cache: .shared, isCancelled: { Interruption.isRequested }, onProgress: progress.update)
    }

    // MARK: The report

    private func write(
        _ comparison: Comparison, _ result: ComparisonOutcome, _ collection: RetrievalCollection,
        _ splits: JudgedSplits,
        _ vectors: BlackBoxVectors, _ detectable: MinimumDetectableDifference, _ leaks: LeakReport
    ) throws -> ComparisonFacts {
        shared.note("writing the report: words of wins and losses are left out one by one")
        let model = try result.chosen.map { _ in
            try ArtefactModel(artefact: store.artefact, released: ArtefactOptions.releasedFolder)
        }
        let scores = try model.map { model in
            try PairScores(
                model, on: collection, queries: collection.queries(judgedIn: comparison.qrels), vectors: vectors,
                cache: .shared, isCancelled: { Interruption.isRequested })
        }
        let machine = Machine.description
        let report = ComparisonReport(
            comparison: comparison, result: result, collection: collection, splits: splits, detectable: detectable,
            leaks: leaks, model: model, scores: scores,
            shippingCommand: shippingCommand, provenance: try provenance(comparison, model),
            machine: machine)
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

    /// The documents into an index, and the service.
    private func shippingCommand(usesBM25: Bool) -> String {
        let artefact = CommandLineText.quoted(command.output + "/artefact")
        let index = CommandLineText.quoted(command.output + "/index")
        return
            "mafin index \(artefact) --data \(CommandLineText.quoted(command.data)) --output \(index)\n"
            + "mafin serve \(artefact) --index \(index)\(usesBM25 ? " --bm25" : "")"
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
                    Setting("time", command.time.description),
                    Setting("seconds planned for a training", String(format: "%.0f", plan.secondsEach)),
                    Setting("seeds", plan.seeds.map(String.init).joined(separator: ", ")),
                    Setting("mode", "\(training.choice.mode.rawValue): \(training.choice.reason)"),
                    Setting("systems", plan.request.systems?.joined(separator: ", ") ?? "all"),
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
                        Setting("name", record.name), Setting("revision", record.revision ?? "as it lies here"),
                        Setting("SHA-256 of its weights", record.weightsSHA256),
                        Setting("prefix of a query", "'\(record.queryPrefix)'"),
                        Setting("prefix of a document", "'\(record.documentPrefix)'"),
                        Setting(
                            "tokens of a text, at most",
                            record.maximumLength.map(String.init) ?? "as the checkpoint says"),
                        Setting("pooling", record.pooling ?? "unknown"), Setting("dimensions", "\(record.dimension)"),
                    ]))
        }
        if let hyperparameters = model?.manifest.training?.hyperparameters,
            case .record(let options)? = hyperparameters["options"]
        {
            groups.append(
                .init(
                    title: "Training of the artefact",
                    settings: options.sorted { $0.key < $1.key }.map {
                        Setting($0.key, $0.value.text)
                    }))
        }
        return ProvenanceFacts(
            command: CommandLineText.current, configuration: groups,
            seeds: [
                "the first training": plan.request.seed, "splits": JudgedSplits.standardSeed,
                "resampling": PairedBootstrap().seed,
            ],
            versions: [
                Setting("mafin", MafinCommand.version),
                Setting("system", ProcessInfo.processInfo.operatingSystemVersionString),
                Setting("threads", "\(Parallelism.threads)"),
            ],
            inputs: try comparison.inputs(), machine: Machine.description)
    }
}
