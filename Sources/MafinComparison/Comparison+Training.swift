import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

extension Comparison {
    /// Trains all methods with all seeds: one seed of each first. Methods of one seed have equal times; those of the next seed share
    /// what is left then.
    func train() throws {
        for (round, seed) in plan.seeds.enumerated() {
            guard let seconds = try secondsOfTraining(round: round, seed: seed) else {
                for contender in plan.contenders {
                    leaveOut(contender.joinedName, "The time was used up by the seeds before.")
                }
                return
            }
            let training = training.seeded(seed, seconds: seconds)
            for contender in plan.contenders {
                try part("\(contender.rawValue).\(seed)", title: contender.rawValue, seed: seed) {
                    do {
                        return try train(contender, training, seed)
                    } catch let error where Self.isOfOneMethod(error) {
                        // What the data does not allow one method does not cost the others.
                        return ComparisonUnit(seconds: 0, failure: "\(error)")
                    }
                }
            }
        }
    }

    private static func isOfOneMethod(_ error: any Error) -> Bool {
        (error as? TrainingError)?.isOfOneMethod ?? (error is CalibrationError)
    }

    /// From what is spent until then, and written down: a comparison that goes on, inside a training too, must take the same.
    private func secondsOfTraining(round: Int, seed: UInt64) throws -> Double? {
        let name = Self.timeUnit(seed)
        if let kept = try store.unit(name)?.trainingSeconds { return kept }
        let overhead = overheads.isEmpty ? nil : overheads.reduce(0, +) / Double(overheads.count)
        let seconds = plan.secondsOfTraining(round: round, left: secondsLeft - secondsToKeep, overhead: overhead)
        guard !store.isFinished, let seconds else { return nil }
        try store.write(ComparisonUnit(seconds: 0, trainingSeconds: seconds), name)
        return seconds
    }

    private static func timeUnit(_ seed: UInt64) -> String { "training-time.\(seed)" }

    /// Seconds to keep for what is built on the best method, half as much again, for each seed, as the same took over the black box alone; and
    /// for further seeds of the adapters, a tenth of all at most.
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
        let (queries, documents) = try trained.localVectors()
        try store.write(
            queries: queries, documents: trained.mode.trainsDocuments ? documents : nil, of: contender, seed: seed)
        try trained.write(to: store.artefact(of: contender, seed: seed), source: source)
        let systems = try training.systems(
            of: contender, mixing: trained.mixing, queries: queries, documents: documents)
        // What an earlier run trained counts too.
        let earlier = max(0, trained.outcome.elapsed - (ended - begun) / .seconds(1))
        var unit = ComparisonUnit(seconds: 0, secondsEarlier: earlier)
        let choices: [String: ManifestValue] = [
            "lambda": .number(Double(trained.mixing.lambda)),
            "temperature": .number(Double(trained.mixing.temperature)),
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
            sweep: trained.mixing.lambdaForm == .norm ? nil : try sweep(systems.local))
        try keepBestArtefact(of: contender, beside: unit)
        return unit
    }

    /// Of a method's seeds the artefact of the one that is best on dev.
    private func keepBestArtefact(of contender: Contender, beside unit: ComparisonUnit) throws {
        var best: (seed: UInt64, development: Double)?
        let rows = (rows + unit.rows).filter { $0.name == contender.joinedName }
        for row in rows where row.development > best?.development ?? -1 { best = (row.seed, row.development) }
        if let best { store.keepArtefact(of: contender, seed: best.seed, among: rows.map(\.seed)) }
    }

    /// The deciding metric on dev at each share of the local half.
    private func sweep(_ local: VectorSystem) throws -> LambdaSweep {
        let dev = data.index.devQueries
        return try LambdaSweep(
            ScoreBlocks(
                blackBox: (training.data.blackBoxQueries.selecting(rows: dev), training.data.blackBoxDocuments),
                local: (local.queries.selecting(rows: dev), local.documents)),
            labels: BlockLabels(relevant: dev.map { data.index.labels[$0] }),
            documentIds: training.collection.documentIds, metric: plan.metric)
    }

    /// The method whose mean on dev over its seeds is the highest, and of it the best seed. An encoder tuned alone is a rival: it is chosen only
    /// where nothing else was trained.
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
            guard let top = rows.map(\.development).max() else { continue }
            let mean = rows.reduce(0) { $0 + $1.development } / Double(rows.count)
            // The first of equal seeds, as of the artefact.
            let seed = rows.first { $0.development == top }?.seed
            guard mean > best?.development ?? -1,
                let record = result.trainings.first(where: { $0.contender == contender && $0.seed == seed })
            else { continue }
            best = (record, mean)
        }
        return best
    }

    /// Fits what is built on the chosen method, with each of its seeds.
    func derive(from contender: Contender, lexical: any RankingSystem) throws {
        for seed in plan.seeds where result.trainings.contains(where: { $0.contender == contender && $0.seed == seed })
        {
            // Read only where something is missing: of a finished comparison the vectors of most seeds are gone.
            var joined: StandardRivals.Joined?
            for suffix in ComparedSystem.all.filter({ $0.kind == .derived }).map(\.name) {
                let name =
                    suffix == ComparedSystem.composition
                    ? suffix : contender.joinedName + suffix.dropFirst(ComparedSystem.chosenPrefix.count)
                guard plan.wants(name) else { continue }
                let part = "\(name).\(seed)"
                if try store.unit(part) == nil {
                    if store.isFinished || secondsLeft <= 0 {
                        if seed == plan.request.seed { leaveOut(name, "The time was used up by what comes before.") }
                        continue
                    }
                    joined = try joined ?? systems(of: contender, seed: seed)
                }
                try self.part(part, title: name, seed: seed) {
                    guard let joined else { preconditionFailure("the vectors were not read") }
                    let rivals = StandardRivals(blackBox: training.blackBoxSystem, lexical: lexical, joined: joined)
                    guard let rival = rivals.rivals.first(where: { $0.name == name }) else {
                        return ComparisonUnit(seconds: 0, failure: "It cannot be made from what there is.")
                    }
                    let fitted = try rival.fit(to: data, seed: seed, isCancelled: isCancelled)
                    return ComparisonUnit(
                        seconds: 0,
                        rows: [
                            try row(
                                name, training.run(of: fitted.system, on: qrels), development: fitted.development,
                                choices: fitted.choices, seed: seed)
                        ])
                }
            }
        }
    }

    /// What a trained encoder makes of the black box, from its vectors on disk.
    public func systems(of contender: Contender, seed: UInt64) throws -> StandardRivals.Joined {
        guard let record = result.trainings.first(where: { $0.contender == contender && $0.seed == seed }) else {
            preconditionFailure("\(contender) was not trained with seed \(seed)")
        }
        let (queries, documents) = try store.vectors(of: contender, seed: seed)
        return try training.systems(
            of: contender, mixing: record.mixing, queries: queries, documents: documents ?? training.documentBank)
    }

    /// The gain of the chosen method with fewer labels, as many sizes as there is time for.
    func measureLearningCurve(of chosen: TrainingRecord) throws {
        let labelled = data.index.trainQueries
        let seed = plan.request.seed
        func evaluation(_ name: String) -> RunEvaluation? {
            rows.first { $0.name == name && $0.seed == seed }?.evaluation
        }
        // All labels were learned from in the time of the first seed.
        guard let baseline = evaluation(StandardRivals.blackBoxName), let evaluation = evaluation(chosen.name),
            let seconds = try store.unit(Self.timeUnit(seed))?.trainingSeconds
        else { return }
        var differences = [labelled.count: evaluation.differences(from: baseline, in: plan.metric)]
        // A size close to all labels would show nothing but another draw.
        for size in LearningCurve.sizes(upTo: labelled.count).dropLast()
        where Double(size) < 0.85 * Double(labelled.count) {
            let name = "learning-curve.\(size)"
            let estimate = chosen.seconds * Double(size) / Double(labelled.count)
            if try store.unit(name) == nil, store.isFinished || secondsLeft < estimate { break }
            let unit = try part(name, title: "\(chosen.name) with \(size) labelled queries", seed: seed) {
                let learned = LearningCurve.subset(of: labelled, size: size, seed: seed, repeated: 0)
                do {
                    let limited = try training.seeded(seed, seconds: seconds)
                        .limited(toTrainQueries: learned, seed: seed)
                    let trained = try limited.train(
                        chosen.contender, checkpointFolder: nil, isCancelled: isCancelled)
                    let evaluation = try training.evaluate(
                        trained.systems().vectors, on: qrels, metrics: [plan.metric])
                    return ComparisonUnit(
                        seconds: 0, differences: evaluation.differences(from: baseline, in: plan.metric))
                } catch let error where Self.isOfOneMethod(error) {
                    return ComparisonUnit(seconds: 0, failure: "\(error)")
                }
            }
            differences[size] = unit.differences
        }
        guard differences.count > 1 else {
            return leaveOut(
                "Learning curve",
                labelled.count <= (LearningCurve.standardSizes.first ?? 0)
                    ? "\(labelled.count) labelled queries are too few for one."
                    : "The time was used up by what comes before.")
        }
        result.learningCurve = LearningCurve(labelled: labelled, sizes: Array(differences.keys), seed: seed) {
            learned, _ in
            differences[learned.count] ?? []
        }
    }
}
