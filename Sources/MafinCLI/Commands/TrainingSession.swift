import Foundation
import Mafin
import MafinBlackBox
import MafinNumerics
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
        var mode: ModeChoice.Mode
        var secondsEach: Double
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
        var verdict: Verdict
        var contenders: [Row]
        var development: EvaluationReport
    }

    struct Result {
        var summary: Summary
        var text: String
    }

    func run() async throws -> Result {
        let checkpoints = try prepareOutput()
        let collection = try RetrievalCollection(contentsOf: URL(fileURLWithPath: command.data))
        for warning in collection.warnings.prefix(5) { shared.note("warning: \(warning)") }
        if collection.warnings.count > 5 { shared.note("warning: … and \(collection.warnings.count - 5) more") }
        let splits = JudgedSplits(collection, seed: JudgedSplits.standardSeed)
        let judged = try [splits.qrels(.train), splits.qrels(.dev)]
        let queries = collection.queries.filter { query in judged.contains { $0[query.id] != nil } }
        shared.note(
            "\(collection.documents.count) documents, \(judged[0].queryIds.count) train and \(judged[1].queryIds.count) dev queries"
        )
        let (name, folder, prefixes) = try command.encoder.resolve()
        let released = try ReleasedEncoder(
            name: name, revision: command.encoder.encoderRevision, folder: folder, prefixes: prefixes,
            maximumLength: command.encoder.maxLength)
        let vectors = try await BlackBoxVectors(
            asking: command.blackBox.make(shared: shared), documents: collection.documents, queries: queries)
        let training = try prepare(collection, splits, vectors, released, checkpoints)
        let plan = try plan(training, checkpoints)
        shared.note("mode \(training.choice.mode.rawValue): \(training.choice.reason)")

        var rows: [Summary.Row] = []
        var systems: [EvaluationReport] = []
        var written: Artefact?
        for contender in plan.contenders {
            let trained = try train(contender, training, plan, checkpoints)
            let target = contender == command.method ? output : JoinedModel.rivalFolder(contender, in: output)
            let artefact = try trained.write(to: target, source: command.blackBox.source, force: command.force)
            if contender == command.method { written = artefact }
            rows.append(row(trained, artefact))
            systems.append(trained.development)
        }
        guard let written else { preconditionFailure("the method is the first contender") }
        try? FileManager.default.removeItem(at: checkpoints)
        let summary = Summary(
            artefact: output.path, mode: plan.mode, modeReason: training.choice.reason,
            verdict: written.manifest.verdict, contenders: rows, development: systems[0])
        return Result(summary: summary, text: text(summary, systems))
    }

    /// Finds out before any work whether the artefact could be written.
    private func prepareOutput() throws -> URL {
        try Artefact.requireReplaceable(output)
        let checkpoints = output.deletingLastPathComponent()
            .appendingPathComponent(output.lastPathComponent + ".training")
        let files = FileManager.default
        if !command.resume, files.fileExists(atPath: checkpoints.path) {
            try files.removeItem(at: checkpoints)
        }
        try files.createDirectory(at: checkpoints, withIntermediateDirectories: true)
        return checkpoints
    }

    private func prepare(
        _ collection: RetrievalCollection, _ splits: JudgedSplits, _ vectors: BlackBoxVectors,
        _ released: ReleasedEncoder, _ checkpoints: URL
    ) throws -> JoinedTraining {
        var settings = JoinedTraining.Settings()
        settings.joins = command.form
        settings.loss = command.tuning.loss.loss
        settings.frozenLayers = command.encoder.freezeLayers
        settings.freezesEmbeddings = command.encoder.freezeEmbeddings
        settings.options.seed = command.seed
        if let dropout = command.tuning.dropout { settings.options.dropout = dropout }
        if let patience = command.tuning.patience { settings.options.patience = patience }
        settings.options.epochs = command.tuning.epochs
        let plan = try storedPlan(checkpoints)
        settings.mode = plan?.mode ?? command.mode
        settings.options.time = plan?.secondsEach ?? command.time.duration.seconds / Double(contenders.count)
        settings.learningRate = command.tuning.learningRate
        let progress = EncodingProgress(shared)
        defer { progress.finish() }
        return try JoinedTraining(
            collection: collection, splits: splits, vectors: vectors, released: released, settings: settings,
            cache: .shared, isCancelled: { Interruption.isRequested }, onProgress: progress.update)
    }

    private var contenders: [Contender] {
        [command.method] + command.rivals.contenders.filter { $0 != command.method }
    }

    private func plan(_ training: JoinedTraining, _ checkpoints: URL) throws -> Plan {
        if let stored = try storedPlan(checkpoints) {
            guard stored.contenders == contenders else {
                throw TrainingError.checkpoint(
                    path: checkpoints.path,
                    expected: "the methods \(contenders.map(\.rawValue).joined(separator: ", "))",
                    found: stored.contenders.map(\.rawValue).joined(separator: ", "))
            }
            return stored
        }
        let plan = Plan(
            contenders: contenders, mode: training.choice.mode,
            secondsEach: command.time.duration.seconds / Double(contenders.count))
        try AtomicFile.write(JSONEncoder().encode(plan), to: checkpoints.appendingPathComponent("plan.json"))
        return plan
    }

    private func storedPlan(_ checkpoints: URL) throws -> Plan? {
        let file = checkpoints.appendingPathComponent("plan.json")
        guard command.resume, let data = FileManager.default.contents(atPath: file.path) else { return nil }
        return try JSONDecoder().decode(Plan.self, from: data)
    }

    private func train(
        _ contender: Contender, _ training: JoinedTraining, _ plan: Plan, _ checkpoints: URL
    ) throws -> TrainedEncoder {
        let folder = checkpoints.appendingPathComponent(contender.rawValue)
        let hasCheckpoint = FileManager.default.fileExists(atPath: folder.path)
        let progress = TrainingProgress(contender, shared)
        defer { progress.finish() }
        let trained = try training.train(
            contender, checkpointFolder: folder, resume: command.resume && hasCheckpoint,
            isCancelled: { Interruption.isRequested }, onEvent: progress.report)
        if trained.outcome.reason == .cancelled {
            progress.finish()
            shared.note("interrupted at step \(trained.outcome.steps) of \(contender.rawValue); go on with --resume")
            throw CancellationError()
        }
        return trained
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
        return """
            On dev, on which everything was chosen:
            \(EvaluationSummary(combined).text())

            Verdict: \(verdict.decision.rawValue)\(verdict.isForced ? " (overridden by --force)" : ""). \(verdict.reason)
            Written to \(command.output). On held-out queries: mafin evaluate \(command.output) --data \(command.data) --split test
            """
    }
}
