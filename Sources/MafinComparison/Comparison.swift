import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// Compares everything that could be used on one collection, cheap systems first. Systems are trained and fitted on
/// `train`, choices are made on `dev`, and each system is measured once.
///
/// Each finished part is recorded on disk (``ComparisonStore``). The same comparison with the same folder resumes after
/// the last recorded part, and a training resumes from its checkpoint.
public final class Comparison {
    /// Progress of a comparison.
    public enum Event {
        /// A part begins.
        case began(name: String, seed: UInt64?)
        /// Progress of a training.
        case training(Contender, seed: UInt64, TrainingEvent)
        /// A part has its rows. `isKept`: they come from an earlier run.
        case made([ComparisonRow], seconds: Double, isKept: Bool)
        /// A training has ended.
        case trained(TrainingRecord)
        /// A system or a part of the report is left out.
        case leftOut(ComparisonOutcome.Omission)
        /// The method that is best on dev was chosen.
        case chosen(TrainingRecord, development: Double)
    }

    /// Data and settings of the trainings.
    public let training: CollectionTraining
    /// The systems to compare, and their times.
    public let plan: ComparisonPlan
    /// The folder that holds finished parts.
    public let store: ComparisonStore

    /// Labels of the measured split.
    public let qrels: Qrels
    let data: RivalData
    let source: BlackBoxSource?
    let isCancelled: () -> Bool
    let onEvent: (Event) -> Void
    var result = ComparisonOutcome()
    /// All rows, including those of systems that were not requested.
    private(set) var rows: [ComparisonRow] = []
    /// Seconds of each system, one number per seed.
    private(set) var secondsOf: [String: [Double]] = [:]
    /// For each training, the seconds beyond the training itself: the last evaluation on dev, encoding the documents, writing the artefact.
    private(set) var overheads: [Double] = []

    /// Prepares a comparison. Nothing is trained yet.
    /// - Parameters:
    ///   - training: data and settings, with the plan's seed, time of one training and mode. Its vectors must include
    ///     the measured queries.
    ///   - source: how to reach the black box again, for the artefact.
    ///   - allowsLeaks: whether to measure also queries whose texts the training learns from or is chosen on.
    ///   - isCancelled: called regularly; `true` cancels. Finished parts stay on disk.
    /// - Throws: ``TrainingError/noQueries(list:reason:)`` if there are no development queries; `RetrievalError.knownQueries` if the
    ///   training knows a query that `qrels` judges, under whatever id, and that is not allowed.
    public init(
        _ training: CollectionTraining, plan: ComparisonPlan, store: ComparisonStore, qrels: Qrels,
        source: BlackBoxSource? = nil, allowsLeaks: Bool = false,
        isCancelled: @escaping () -> Bool = { false }, onEvent: @escaping (Event) -> Void = { _ in }
    ) throws {
        self.training = training
        self.plan = plan
        self.store = store
        self.qrels = qrels
        self.source = source
        self.isCancelled = isCancelled
        self.onEvent = onEvent
        if !allowsLeaks {
            let measured = training.collection.queries(judgedIn: qrels)
            try training.knownQueries.requireNone(among: measured, split: plan.request.split)
        }
        data = try RivalData(training, metric: plan.metric)
    }

    /// Makes and measures every system for which there is time.
    /// - Throws: `CancellationError` when cancelled; errors of training, vectors and files.
    public func run() throws -> ComparisonOutcome {
        for omission in plan.leftOut { leaveOut(omission.name, omission.reason) }
        let lexical = try measureLexical()
        try measureReleased()
        let plain = StandardRivals(blackBox: training.blackBoxSystem, lexical: lexical)
        try fit(plain.rivals, kind: .rival, seed: plan.request.seed, seconds: plan.secondsForRivals)
        // Adapters cost less than trainings, so their first seed comes first. Their other seeds come last.
        let adapters = { [self] (seed: UInt64) in
            try fit(plain.rivals, kind: .adapter, seed: seed, seconds: plan.secondsForAdapters)
        }
        try adapters(plan.request.seed)
        try train()
        choose()
        if let chosen = result.chosen {
            try derive(from: chosen.contender, lexical: lexical)
            // No learning curve when single systems were requested.
            if plan.request.systems == nil { try measureLearningCurve(of: chosen) }
        }
        try plan.seeds.dropFirst().forEach(adapters)
        try store.finish(result.chosen)
        return finished()
    }

    private func finished() -> ComparisonOutcome {
        var result = result
        // The systems that others are compared with or built on are always shown.
        let always = [StandardRivals.blackBoxName, result.chosen?.name]
        let shown = rows.filter { plan.wants($0.name) || always.contains($0.name) }
        let order = shown.enumerated().sorted {
            (ComparedSystem.place(of: $0.element.name), $0.element.name, $0.offset)
                < (ComparedSystem.place(of: $1.element.name), $1.element.name, $1.offset)
        }
        result.rows = order.map(\.element)
        // Omissions name each missing system once. For a system that lacks some of its seeds, the omission gives the
        // number of its seeds.
        let made = Dictionary(grouping: result.rows.filter { Self.isSeeded($0.name) }, by: \.name).mapValues(\.count)
        let reasons = Dictionary(result.omissions.map { ($0.name, $0.reason) }, uniquingKeysWith: { first, _ in first })
        var named: Set<String> = []
        result.omissions.removeAll { made[$0.name] != nil || !named.insert($0.name).inserted }
        for (name, count) in made.sorted(by: { $0.key < $1.key }) where count < plan.seeds.count {
            let reason = reasons[name] ?? "There was no time left."
            result.omissions.append((name, "Only \(count) of \(plan.seeds.count) seeds could be measured. \(reason)"))
        }
        result.seconds = secondsOf.mapValues { $0.reduce(0, +) / Double($0.count) }
        return result
    }

    private static func isSeeded(_ name: String) -> Bool {
        ComparedSystem.named(name).map { [.trained, .derived, .adapter].contains($0.kind) } ?? false
    }

    // MARK: Parts

    var secondsLeft: Double { plan.request.seconds - result.spent }

    func leaveOut(_ name: String, _ reason: String) {
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
        if let training = unit.training {
            overheads.append(max(0, unit.seconds - training.seconds))
            result.trainings.append(training)
            onEvent(.trained(training))
        }
        if let failure = unit.failure { leaveOut(title ?? name, failure) }
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
            name, training.run(of: system, on: qrels), development: data.development(of: system), choices: choices,
            seed: seed)
    }
}
