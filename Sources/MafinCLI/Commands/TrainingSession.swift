import Foundation
import MafinBlackBox
import MafinEncoder
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinReport
import MafinRetrieval

/// The course of one `mafin train`: what is read and asked first, one training a contender, what is written and said.
struct TrainingSession {
    private let command: TrainCommand
    private let output: URL
    private var shared: SharedOptions { command.shared }

    init(_ command: TrainCommand) {
        self.command = command
        output = URL(fileURLWithPath: command.output)
    }

    /// What is decided at the start and must not change when a run is resumed.
    private struct Plan: Codable {
        var contenders: [Contender]
        /// Mode as asked for, `nil` where it was chosen; and what it was then.
        var askedMode: ModeChoice.Mode?
        var mode: ModeChoice.Mode
        var modeReason: String
        var secondsEach: Double
        var encoder: EncoderFacts
        var form: CollectionTraining.JoinedForm

        /// What the trained weights begin with.
        struct EncoderFacts: Codable, Equatable {
            var weights: String
            var queryPrefix: String?
            var documentPrefix: String?
            var maximumLength: Int?
            var frozenLayers: Int
            var freezesEmbeddings: Bool
        }

        /// The first thing in which a resumed command differs from the one that was interrupted: (name, then, now).
        func difference(from now: Plan) -> (name: String, then: String, now: String)? {
            func names(_ plan: Plan) -> String { plan.contenders.map(\.rawValue).joined(separator: ", ") }
            if contenders != now.contenders { return ("methods", names(self), names(now)) }
            if askedMode != now.askedMode {
                return ("--mode", askedMode?.rawValue ?? "none", now.askedMode?.rawValue ?? "none")
            }
            if abs(secondsEach - now.secondsEach) > 1e-6 {
                return ("seconds a method", "\(secondsEach)", "\(now.secondsEach)")
            }
            if form != now.form { return ("--form", form.rawValue, now.form.rawValue) }
            if encoder != now.encoder { return ("the local encoder or its flags", "\(encoder)", "\(now.encoder)") }
            return nil
        }
    }

    /// What `--json` prints.
    struct Summary: Encodable {
        struct Row: Encodable {
            var name: String
            var artefact: String
            var lambda: Float
            var temperature: Float
            var steps: Int
            var bestStep: Int
            var stopped: StopReason
            var seconds: Double
            var tokens: Int
            var verdict: Verdict
        }

        var artefact: String
        var mode: ModeChoice.Mode
        var modeReason: String
        /// From the start of the command until the first step began, and what that step took; none where a resumed run had made
        /// all its steps.
        var secondsToFirstStep: Double?
        var secondsOfFirstStep: Double?
        var verdict: Verdict
        var contenders: [Row]
        var development: EvaluationReport
    }

    struct Result {
        var summary: Summary
        var text: String
    }

    func run() async throws -> Result {
        try Artefact.requireReplaceable(output)
        async let loading = Self.load(command.encoder.resolve(), command.encoder)
        let collection = try RetrievalCollection(contentsOf: URL(fileURLWithPath: command.data))
        shared.warn(of: collection.warnings)
        let splits = JudgedSplits(collection, allowsLeaks: command.leaks.allowLeak)
        let judged = try [splits.qrels(.train), splits.qrels(.dev)]
        let queries = collection.queries.filter { query in judged.contains { $0[query.id] != nil } }
        shared.note(
            "\(collection.documents.count) documents, \(judged[0].queryIds.count) train and \(judged[1].queryIds.count) dev queries"
        )
        try command.leaks.announce(splits, shared)
        let blackBox = try await command.blackBox.make(shared: shared)
        // Whatever is wrong with the encoder or the labels is found before anything is paid for.
        let (released, encoder) = try await loading.value
        try command.tuning.limitMemory(of: encoder.encoder)
        let checkpoints = try prepareCheckpoints()
        // Of a run that came to nothing no empty folder stays.
        defer { rmdir(checkpoints.path) }
        let stored = try storedPlan(checkpoints)
        let vectors = try await BlackBoxVectors(asking: blackBox, documents: collection.documents, queries: queries)
        let training = try prepare(collection, splits, vectors, released, encoder, stored)
        let plan = try plan(training, released, stored, checkpoints)
        shared.note("mode \(plan.mode.rawValue): \(plan.modeReason)")

        let firstStep = FirstStep(shared)
        var rows: [Summary.Row] = []
        var systems: [EvaluationReport] = []
        var written: Artefact?
        for contender in plan.contenders {
            let trained: TrainedEncoder
            do {
                trained = try train(contender, training, plan, checkpoints, firstStep)
            } catch  where contender != command.method && (error is TrainingError || error is CalibrationError) {
                // What the data does not allow one contender does not cost the others.
                shared.warn("no rival \(contender.rawValue): \(error)")
                continue
            }
            let target = contender == command.method ? output : ArtefactModel.rivalFolder(contender, in: output)
            let artefact = try trained.write(to: target, source: command.blackBox.source, force: command.force)
            if contender == command.method { written = artefact }
            rows.append(row(trained, artefact))
            systems.append(trained.development)
        }
        guard let written else { preconditionFailure("the method is the first contender") }
        try? FileManager.default.removeItem(at: checkpoints)
        let summary = Summary(
            artefact: output.path, mode: plan.mode, modeReason: plan.modeReason,
            secondsToFirstStep: firstStep.began, secondsOfFirstStep: firstStep.took, verdict: written.manifest.verdict,
            contenders: rows, development: systems[0])
        return Result(summary: summary, text: text(summary, systems))
    }

    /// The encoder with the hash of its weights, on another core than what is read beside it.
    private static func load(
        _ found: (name: String, folder: URL, prefixes: TextPrefixes?), _ options: EncoderOptions
    ) async throws -> UnsafeTransfer<(ReleasedEncoder, TextEncoder)> {
        let released = try ReleasedEncoder(
            name: found.name, revision: options.encoderRevision, folder: found.folder, prefixes: found.prefixes,
            maximumLength: options.maxLength)
        return UnsafeTransfer(
            (
                released,
                try released.load(frozenLayers: options.freezeLayers, freezesEmbeddings: options.freezeEmbeddings)
            ))
    }

    /// The folder of checkpoints beside the artefact: made before anything is paid for or trained, which also shows that the
    /// artefact can be written there.
    private func prepareCheckpoints() throws -> URL {
        let checkpoints = output.deletingLastPathComponent()
            .appendingPathComponent(output.lastPathComponent + ".training")
        let files = FileManager.default
        let holdsRun = files.fileExists(atPath: checkpoints.appendingPathComponent(Self.planName).path)
        if holdsRun, !command.resume {
            throw SessionError.interruptedRun(path: checkpoints.path)
        }
        if command.resume, !holdsRun {
            if files.fileExists(atPath: output.appendingPathComponent(Artefact.manifestName).path) {
                throw SessionError.nothingToResume(path: output.path)
            }
            shared.note("nothing to resume; starting anew")
        }
        try files.createDirectory(at: checkpoints, withIntermediateDirectories: true)
        return checkpoints
    }

    private func prepare(
        _ collection: RetrievalCollection, _ splits: JudgedSplits, _ vectors: BlackBoxVectors,
        _ released: ReleasedEncoder, _ encoder: TextEncoder, _ stored: Plan?
    ) throws -> CollectionTraining {
        var settings = CollectionTraining.Settings()
        settings.joins = command.form
        command.tuning.apply(to: &settings)
        settings.frozenLayers = command.encoder.freezeLayers
        settings.freezesEmbeddings = command.encoder.freezeEmbeddings
        settings.options.seed = command.seed
        settings.mode = stored?.mode ?? command.mode
        settings.modeReason = stored?.modeReason
        settings.options.time = secondsEach
        let progress = EncodingProgress(shared)
        defer { progress.finish() }
        return try CollectionTraining(
            collection: collection, splits: splits, vectors: vectors, released: released, encoder: encoder,
            settings: settings, cache: .shared, isCancelled: { Interruption.isRequested }, onProgress: progress.update)
    }

    private var contenders: [Contender] {
        [command.method] + command.rivals.contenders.filter { $0 != command.method }
    }

    private var secondsEach: Double { command.time.duration.seconds / Double(contenders.count) }

    private static let planName = "plan.json"

    /// The plan of this command; that of the interrupted run must agree with it.
    private func plan(
        _ training: CollectionTraining, _ released: ReleasedEncoder, _ stored: Plan?, _ checkpoints: URL
    ) throws -> Plan {
        let plan = Plan(
            contenders: contenders, askedMode: command.mode, mode: training.choice.mode,
            modeReason: training.choice.reason, secondsEach: secondsEach,
            encoder: Plan.EncoderFacts(
                weights: released.weightsHash, queryPrefix: released.prefixes?.query,
                documentPrefix: released.prefixes?.document, maximumLength: released.maximumLength,
                frozenLayers: command.encoder.freezeLayers, freezesEmbeddings: command.encoder.freezeEmbeddings),
            form: command.form)
        if let stored {
            if let (name, then, now) = stored.difference(from: plan) {
                throw SessionError.resumeDiffers(path: checkpoints.path, what: name, then: then, now: now)
            }
            return stored
        }
        try AtomicFile.write(
            JSONEncoder().encode(plan), to: checkpoints.appendingPathComponent(Self.planName))
        return plan
    }

    private func storedPlan(_ checkpoints: URL) throws -> Plan? {
        let file = checkpoints.appendingPathComponent(Self.planName)
        guard command.resume, let data = FileManager.default.contents(atPath: file.path) else { return nil }
        return try JSONDecoder().decode(Plan.self, from: data)
    }

    private func train(
        _ contender: Contender, _ training: CollectionTraining, _ plan: Plan, _ checkpoints: URL, _ firstStep: FirstStep
    ) throws -> TrainedEncoder {
        let folder = checkpoints.appendingPathComponent(contender.rawValue)
        let progress = TrainingProgress(contender, shared)
        defer { progress.finish() }
        return try training.train(
            contender, checkpointFolder: folder, resume: command.resume && CollectionTraining.canResume(from: folder),
            isCancelled: { Interruption.isRequested }
        ) { event in
            firstStep.notice(event)
            progress.report(event)
        }
    }

    private func row(_ trained: TrainedEncoder, _ artefact: Artefact) -> Summary.Row {
        Summary.Row(
            name: trained.contender.rawValue, artefact: artefact.folder.path, lambda: trained.mixing.lambda,
            temperature: trained.mixing.temperature, steps: trained.outcome.steps,
            bestStep: trained.outcome.best.step, stopped: trained.outcome.reason, seconds: trained.outcome.elapsed,
            tokens: trained.outcome.tokens, verdict: artefact.manifest.verdict)
    }

    private func text(_ summary: Summary, _ reports: [EvaluationReport]) -> String {
        var combined = reports[0]
        for report in reports.dropFirst() { combined.systems += report.systems.suffix(1) }
        let verdict = summary.verdict
        // Of the method itself the verdict says it.
        let idle = summary.contenders.dropFirst().filter { $0.bestStep == 0 }.map(\.name)
        let note =
            idle.isEmpty
            ? "" : "\nTraining gained nothing on dev over the encoder as released: \(idle.joined(separator: ", ")).\n"
        return """
            On dev, on which everything was chosen:
            \(EvaluationSummary(combined).text())
            \(note)
            Verdict: \(verdict.decision.rawValue)\(verdict.isForced ? " (overridden by --force)" : ""). \(verdict.reason)
            Written to \(command.output). On held-out queries: mafin evaluate \(command.output) --data \(command.data) --split test
            """
    }
}

/// What keeps a training from being started or resumed.
enum SessionError: CommandStatusProviding, CustomStringConvertible {
    case interruptedRun(path: String)
    case nothingToResume(path: String)
    case resumeDiffers(path: String, what: String, then: String, now: String)

    var commandStatus: CommandStatus { .usage }

    var description: String {
        switch self {
        case .interruptedRun(let path):
            "\(path) holds an interrupted training: go on with --resume, or remove that folder to start anew"
        case .nothingToResume(let path):
            "\(path) is finished, there is nothing to resume; leave out --resume to train anew"
        case .resumeDiffers(let path, let what, let then, let now):
            "\(path) was begun with other flags: \(what) was \(then), now \(now)"
        }
    }
}
