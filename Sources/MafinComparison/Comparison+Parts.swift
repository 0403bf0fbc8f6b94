import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// Parts of a comparison: each is made once and recorded.
extension Comparison {
    var secondsLeft: Double { plan.request.seconds - result.spent }

    /// Records an omission. The first reason of a system stays.
    func leaveOut(_ name: String, _ reason: String) {
        guard !result.omissions.contains(where: { $0.name == name }) else { return }
        result.omissions.append((name, reason))
        onEvent(.leftOut((name, reason)))
    }

    /// Makes a part, or reads the record of an earlier run.
    ///
    /// A failure that concerns only this part is recorded with its reason, and the comparison continues without the
    /// part. Any other failure ends the comparison. The files of an unfinished part are kept, so that the same command
    /// can continue.
    /// - Parameter tidy: removes files that are not needed once the part is recorded. It is called after the record is
    ///   on disk, and again for parts of an earlier run, because that run may have been killed in between.
    @discardableResult
    func part(
        _ name: String, title: String? = nil, seed: UInt64? = nil, tidy: () -> Void = {},
        _ body: () throws -> ComparisonUnit
    ) throws -> ComparisonUnit {
        let kept = try store.unit(name)
        var unit: ComparisonUnit
        if let kept {
            unit = kept
        } else {
            if isCancelled() { throw CancellationError() }
            onEvent(.began(name: title ?? name, seed: seed))
            let start = ContinuousClock.now
            do {
                unit = try body()
            } catch let error where TrainingError.isOfOneMethod(error) {
                unit = ComparisonUnit(failure: "\(error)")
            }
            unit.seconds = (ContinuousClock.now - start).inSeconds + (unit.secondsEarlier ?? 0)
            try store.write(unit, name)
        }
        result.spent += unit.seconds
        rows += unit.rows
        tidy()
        // The time of a part that makes several systems is not assigned to any of them.
        if unit.rows.count == 1 || unit.training != nil {
            for row in unit.rows { secondsOf[row.name, default: []].append(unit.seconds) }
        }
        for (name, values) in unit.developmentValues ?? [:] {
            result.developmentValues[name, default: []].append(values.map(Double.init))
        }
        if let training = unit.training {
            result.trainings.append(training)
            onEvent(.trained(training))
        }
        if let failure = unit.failure { leaveOut(title ?? name, failure) }
        for (name, failure) in (unit.failures ?? [:]).sorted(by: { $0.key < $1.key }) { leaveOut(name, failure) }
        onEvent(.made(unit.rows, seconds: unit.seconds, isKept: kept != nil))
        return unit
    }

    func row(
        _ name: String, _ run: Run, development: Double, choices: [String: ManifestValue] = [:], seed: UInt64? = nil
    ) throws -> ComparisonRow {
        let seed = seed ?? plan.request.seed
        try store.write(run, of: name, seed: seed, isFirstSeed: seed == plan.request.seed)
        return ComparisonRow(
            name: name, seed: seed, development: development, choices: choices,
            evaluation: evaluate(run, against: qrels, metrics: plan.request.metrics))
    }

    func row(
        _ name: String, _ system: any RankingSystem, choices: [String: ManifestValue] = [:], seed: UInt64? = nil
    ) throws -> ComparisonRow {
        try row(
            of: FittedRival(
                name: name, system: system, development: try data.development(of: system), choices: choices), seed: seed
        )
    }

    /// The row of a fitted system. If the system can be shipped, its sources are written too.
    /// - Parameters:
    ///   - encoder: the method whose encoder it contains.
    ///   - standIn: the stand-in of a system that asks the black box for nothing, which is shipped even without a weight.
    func row(
        of fitted: FittedRival, seed: UInt64? = nil, encoder: Contender? = nil, standIn: StandInSource? = nil
    ) throws -> ComparisonRow {
        let shipped = fitted.shipped(newDocuments: data.newDocuments).map { $0.adding(standIn.map { [$0] } ?? []) }
        // The weights of the artefact, so that it gives the same ranking to the last tie.
        let ranked: any RankingSystem = shipped.flatMap { fitted.sum?.ranking(by: $0.mixture) } ?? fitted.system
        var row = try row(
            fitted.name, training.run(of: ranked, on: qrels), development: fitted.development,
            choices: fitted.choices, seed: seed)
        (row.developmentKnown, row.developmentNew) = (fitted.developmentKnown, fitted.developmentNew)
        guard let kind = ComparedSystem.named(fitted.name)?.kind,
            [.rival, .adapter, .derived, .offline].contains(kind),
            let shipped
        else { return row }
        row.sources = shipped.sources.map(\.record.kind)
        if shipped.usesLocalEncoder { row.encoder = encoder }
        try store.write(
            shipped, of: row.name, seed: row.seed,
            development: developmentReport(
                of: fitted, as: kind == .offline ? ArtefactEvaluation.offlineName : ArtefactEvaluation.artefactName))
        return row
    }

    /// A system and the black box on the development queries in the deciding metric, for the manifest of its artefact.
    private func developmentReport(of fitted: FittedRival, as name: String) throws -> EvaluationReport {
        let ids = data.index.devQueries.map { training.queries[$0].id }
        let systems = [
            (ArtefactEvaluation.baseline, try developmentValues(of: training.blackBoxSystem)),
            (name, try developmentValues(of: fitted)),
        ]
        return try EvaluationReport(
            split: JudgedSplits.Part.dev.rawValue,
            evaluations: systems.map { name, values in
                (name, SeededEvaluation([RunEvaluation(queryIds: ids, values: [plan.metric: values.map(Double.init)])]))
            }, baseline: ArtefactEvaluation.baseline, metrics: [plan.metric])
    }

    /// Fits the system of a step within some seconds.
    /// - Parameters:
    ///   - encoder: the method on which it is built.
    ///   - rivals: the systems among which it is. Only called if there is no record yet, because it may read files.
    @discardableResult
    func fit(
        _ step: ComparisonSchedule.Step, seconds: Double, encoder: Contender? = nil,
        among rivals: () throws -> [any Rival]
    ) throws -> ComparisonUnit {
        let name = step.system
        let seed = step.seed ?? plan.request.seed
        let deadline = ContinuousClock.now + .seconds(max(0, seconds))
        return try part(part(of: step), title: name, seed: step.seed) {
            guard let rival = try rivals().first(where: { $0.name == name }) else {
                return ComparisonUnit(failure: "The data that it needs are not available.")
            }
            do {
                let fitted = try rival.fit(to: data, seed: seed) { isCancelled() || ContinuousClock.now > deadline }
                let row = try row(of: fitted, seed: seed, encoder: encoder)
                return ComparisonUnit(
                    rows: [row],
                    developmentValues: row.sources == nil
                        ? nil : [name: try developmentValues(of: fitted)])
            } catch is CancellationError where !isCancelled() {
                return ComparisonUnit(failure: "It could not be fitted in the time that was left.")
            }
        }
    }

    /// The deciding metric of each development query by what did not learn from the query, to five digits.
    func developmentValues(of fitted: FittedRival) throws -> [Float] {
        try data.developmentValues(of: fitted).map(Self.rounded)
    }

    /// The deciding metric of each development query, to five digits.
    func developmentValues(of system: any RankingSystem) throws -> [Float] {
        try data.developmentValues(of: system).map(Self.rounded)
    }

    private static func rounded(_ value: Double) -> Float { Float((value * 1e5).rounded() / 1e5) }
}
