import Foundation
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

extension Comparison {
    /// Trains all methods with the first seed, then all with the next, and so on. The remaining time is divided
    /// equally.
    func train() throws {
        for (round, seed) in plan.seeds.enumerated() {
            guard let seconds = try secondsOfTraining(round: round, seed: seed) else {
                for contender in plan.contenders {
                    leaveOut(contender.joinedName, "The seeds before it used up the time.")
                }
                return
            }
            let training = training.seeded(seed, seconds: seconds)
            for contender in plan.contenders {
                try part(
                    "\(contender.rawValue).\(seed)", title: contender.rawValue, seed: seed,
                    tidy: { keepBestArtefact(of: contender, after: seed) },
                    { try train(contender, training, seed) })
            }
        }
    }

    /// Seconds of each training with a seed, computed from the time spent so far. They are recorded, because a resumed
    /// comparison must use the same number.
    private func secondsOfTraining(round: Int, seed: UInt64) throws -> Double? {
        let name = Self.timeUnit(seed)
        if let kept = try store.unit(name)?.trainingSeconds { return kept }
        let overhead = overheads.isEmpty ? nil : overheads.reduce(0, +) / Double(overheads.count)
        let seconds = plan.secondsOfTraining(round: round, left: secondsLeft - secondsToKeep, overhead: overhead)
        guard !store.isFinished, let seconds else { return nil }
        try store.write(ComparisonUnit(trainingSeconds: seconds), name)
        return seconds
    }

    static func timeUnit(_ seed: UInt64) -> String { "training-time.\(seed)" }

    /// Seconds that trainings must leave. Systems built on the best method get, for each seed, 1.5 times what the same
    /// systems took with the black box. Further seeds of adapters get at most a tenth of all the time.
    private var secondsToKeep: Double {
        func spent(_ kind: ComparedSystem.Kind) -> Double {
            ComparedSystem.all.filter { $0.kind == kind }.compactMap { secondsOf[$0.name]?.last }.reduce(0, +)
        }
        let isDerived = ComparedSystem.all.contains { $0.kind == .derived && plan.wants($0.name) }
        let derived = isDerived ? 1.5 * Double(plan.seeds.count) * spent(.rival) : 0
        return derived + min(Double(plan.seeds.count - 1) * spent(.adapter), 0.1 * plan.request.seconds)
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
        unit.rows.append(try row(contender.joinedName, systems.vectors, choices: choices, seed: seed))
        unit.training = TrainingRecord(
            contender: contender, seed: seed, history: trained.outcome.history, keptStep: trained.outcome.best.step,
            steps: trained.outcome.steps, reason: trained.outcome.reason, seconds: trained.outcome.elapsed,
            mixing: trained.mixing,
            sweep: trained.mixing.lambda == nil ? nil : try sweep(systems.local))
        return unit
    }

    /// Keeps the artefact of the seed that is best on dev so far, and removes the checkpoints of the recorded training.
    private func keepBestArtefact(of contender: Contender, after seed: UInt64) {
        let files = FileManager.default
        let rows = rows.filter { $0.name == contender.joinedName }
        // Of equally good seeds this is the first.
        let best = rows.max { $0.development < $1.development }
        for row in rows where row.seed != best?.seed {
            try? files.removeItem(at: store.artefact(of: contender, seed: row.seed))
        }
        try? files.removeItem(at: store.checkpoints(of: contender, seed: seed))
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

    /// Chooses the method with the highest mean on dev over its seeds, and its best seed. The encoder tuned alone is a
    /// rival, so it is chosen only if no other method was trained.
    func choose() {
        guard let best = best(among: plan.contenders.filter { $0 != .tunedAlone }) ?? best(among: plan.contenders)
        else { return }
        result.chosen = best.record
        onEvent(.chosen(best.record, development: best.development))
    }

    private func best(among contenders: [Contender]) -> (record: TrainingRecord, development: Double)? {
        var best: (record: TrainingRecord, development: Double)?
        for contender in contenders {
            let rows = rows.filter { $0.name == contender.joinedName }
            let mean = rows.reduce(0) { $0 + $1.development } / Double(rows.count)
            // Of equally good seeds this is the first, the one whose artefact is kept.
            guard let top = rows.max(by: { $0.development < $1.development }), mean > best?.development ?? -1,
                let record = record(of: contender, seed: top.seed)
            else { continue }
            best = (record, mean)
        }
        return best
    }

    private func record(of contender: Contender, seed: UInt64) -> TrainingRecord? {
        result.trainings.first { $0.contender == contender && $0.seed == seed }
    }

    /// Fits the systems that are built on the chosen method, for each of its seeds.
    func derive(from contender: Contender, lexical: SourceSystem) throws {
        for seed in plan.seeds where record(of: contender, seed: seed) != nil {
            // The vectors are read only if a part is missing, because a finished comparison has removed those of most
            // seeds.
            var joined: JoinedSystems?
            for suffix in ComparedSystem.all.filter({ $0.kind == .derived }).map(\.name) {
                let name =
                    suffix == ComparedSystem.composition
                    ? suffix : contender.joinedName + suffix.dropFirst(ComparedSystem.chosenPrefix.count)
                guard plan.wants(name) else { continue }
                let part = "\(name).\(seed)"
                if try store.unit(part) == nil {
                    if store.isFinished || secondsLeft <= 0 {
                        if seed == plan.request.seed { leaveOut(name, "There was no time left.") }
                        continue
                    }
                    joined = try joined ?? systems(of: contender, seed: seed)
                }
                try self.part(part, title: name, seed: seed) {
                    guard let joined else { preconditionFailure("the vectors were not read") }
                    let rivals = StandardRivals(blackBox: training.blackBoxSystem, lexical: lexical, joined: joined)
                    guard let rival = rivals.rivals.first(where: { $0.name == name }) else {
                        return ComparisonUnit(failure: "The data that it needs are not available.")
                    }
                    return try unit(fitting: rival, seed: seed, isCancelled: isCancelled)
                }
            }
        }
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
