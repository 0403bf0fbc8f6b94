import Foundation
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

extension Comparison {
    /// The name of the record of a time that decides: seconds of each training, or of a pass.
    static func timeUnit(_ what: some CustomStringConvertible) -> String { "training-time.\(what)" }

    /// Trains one method with one seed, or reads the record.
    func train(_ contender: Contender, seed: UInt64, seconds: Double) throws -> ComparisonUnit {
        try part(
            "\(contender.rawValue).\(seed)", title: contender.rawValue, seed: seed,
            tidy: { try? FileManager.default.removeItem(at: store.checkpoints(of: contender, seed: seed)) },
            { try train(contender, training.seeded(seed, seconds: seconds), seed) })
    }

    private func train(_ contender: Contender, _ training: CollectionTraining, _ seed: UInt64) throws -> ComparisonUnit
    {
        let folder = store.checkpoints(of: contender, seed: seed)
        let begun = ContinuousClock.now
        let trained = try training.train(
            contender, checkpointFolder: folder, resume: CollectionTraining.canResume(from: folder),
            isCancelled: isCancelled, onEvent: { [onEvent] in onEvent(.training(contender, seed: seed, $0)) })
        let ended = ContinuousClock.now
        let (queries, documents) = try training.localVectors(of: trained)
        try store.write(
            queries: queries, documents: trained.trainsDocuments ? documents : nil, of: contender, seed: seed)
        try trained.write(to: store.artefact(of: contender, seed: seed), source: source)
        let systems = try training.systems(
            of: contender, mixing: trained.mixing, queries: queries, documents: documents)
        // The training time of interrupted runs counts too.
        let earlier = max(0, trained.outcome.elapsed - (ended - begun).inSeconds)
        var unit = ComparisonUnit(secondsEarlier: earlier)
        let choices: [String: ManifestValue] = [
            "lambda": .number(Double(trained.mixing.weights.pair?.lambda ?? 0)),
            "temperature": .number(Double(trained.mixing.weights.pair?.temperature ?? 1)),
            "steps": .integer(Int64(trained.outcome.best.step)),
        ]
        if contender == .tunedAlone {
            unit.rows.append(try row(contender.aloneName, systems.local, seed: seed))
        }
        if let name = contender.concatenatedName {
            unit.rows.append(try row(name, training.concatenation(of: systems.local, lambda: 0.5), seed: seed))
        }
        var joined = try row(contender.joinedName, systems.vectors, choices: choices, seed: seed)
        (joined.sources, joined.encoder) = ([.blackBox, .local], contender)
        unit.rows.append(joined)
        unit.developmentValues = [joined.name: try developmentValues(of: systems.vectors)]
        unit.training = TrainingRecord(
            contender: contender, seed: seed, history: trained.outcome.history, keptStep: trained.outcome.best.step,
            steps: trained.outcome.steps, reason: trained.outcome.reason, seconds: trained.outcome.elapsed,
            mixing: trained.mixing,
            sweep: trained.mixing.lambda == nil ? nil : try sweep(systems.local))
        return unit
    }

    private func sweep(_ local: VectorSystem) throws -> LambdaSweep {
        let dev = data.index.devQueries
        return try LambdaSweep(
            ScoreBlocks(
                blackBox: (training.data.blackBoxQueries.selecting(rows: dev), training.data.blackBoxDocuments),
                local: (local.queries.selecting(rows: dev), local.documents)),
            labels: BlockLabels(relevant: dev.map { data.index.labels[$0] }),
            documentIds: training.collection.documentIds, metric: plan.metric)
    }

    /// Chooses the trained method for the parts of the report that show one, and its best seed on dev: the method on
    /// which systems are built, unless another is better on dev beyond chance. The encoder tuned alone is a rival, so it
    /// is chosen only if no other method was trained.
    func choose(after schedule: ComparisonSchedule) {
        var result = result
        result.rows = rows
        guard let base = schedule.base, var best = result.development(of: base.joinedName) else { return }
        var chosen = base
        for contender in plan.contenders where contender != .tunedAlone && contender != base {
            guard let figures = result.development(of: contender.joinedName), figures.minus(best).isBetter else {
                continue
            }
            (chosen, best) = (contender, figures)
        }
        // Of equally good seeds this is the first, the one whose artefact is kept.
        guard
            let top = rows.filter({ $0.name == chosen.joinedName }).max(by: { $0.development < $1.development }),
            let record = record(of: chosen, seed: top.seed)
        else { return }
        self.result.chosen = record
        onEvent(.chosen(record, development: best.mean))
    }

    func record(of contender: Contender, seed: UInt64) -> TrainingRecord? {
        result.trainings.first { $0.contender == contender && $0.seed == seed }
    }

    /// The joined vectors of a trained encoder, made from its vectors on disk.
    public func systems(of contender: Contender, seed: UInt64) throws -> JoinedSystems {
        guard let record = record(of: contender, seed: seed) else {
            preconditionFailure("\(contender) was not trained with seed \(seed)")
        }
        let (queries, documents) = try store.vectors(of: contender, seed: seed)
        return try training.systems(
            of: contender, mixing: record.mixing, queries: queries, documents: documents ?? training.documentBank)
    }
}
