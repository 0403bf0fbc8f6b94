import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval

/// Everything that can be compared on one collection, trained and fitted on `train`, chosen on `dev` and measured once, the cheapest first.
///
/// Each part lies on disk when it is finished (``ComparisonStore``): the same comparison over the same folder goes on behind the last one,
/// and inside a training from its checkpoint.
public final class Comparison {
    /// What a comparison tells while it runs.
    public enum Event {
        /// Something begins.
        case began(name: String, seed: UInt64?)
        /// A training tells.
        case training(Contender, seed: UInt64, TrainingEvent)
        /// Rows were made now, or by an earlier run.
        case made([ComparisonRow], seconds: Double, isKept: Bool)
        /// A training is over.
        case trained(TrainingRecord)
        /// Something is left out.
        case leftOut(ComparisonOutcome.Omission)
        /// The method that is best on dev.
        case chosen(TrainingRecord, development: Double)
    }

    /// What is trained on.
    public let training: CollectionTraining
    /// What is compared.
    public let plan: ComparisonPlan
    /// Where it lies.
    public let store: ComparisonStore

    /// Labels that are measured on.
    public let qrels: Qrels
    let data: RivalData
    /// How the black box is reached again; recorded in the artefact.
    let source: BlackBoxSource?
    let isCancelled: () -> Bool
    let onEvent: (Event) -> Void
    var result = ComparisonOutcome()
    /// All rows, those too that only serve to choose by.
    private(set) var rows: [ComparisonRow] = []
    /// Of each system, one number a seed.
    private(set) var secondsOf: [String: [Double]] = [:]
    /// Of each training, what it took beside its own seconds: the last look at dev, encoding the documents, writing the artefact.
    private(set) var overheads: [Double] = []

    /// Prepares a comparison; nothing is trained yet.
    /// - Parameters:
    ///   - training: with the seed, the time of one training and the mode of the plan; its vectors hold the measured queries too.
    ///   - qrels: labels to measure on.
    ///   - source: how the black box is reached again, for the artefact.
    ///   - isCancelled: asked now and then; what is finished stays.
    /// - Throws: ``TrainingError/noQueries(list:reason:)`` without development queries.
    public init(
        _ training: CollectionTraining, plan: ComparisonPlan, store: ComparisonStore, qrels: Qrels,
        source: BlackBoxSource? = nil,
        isCancelled: @escaping () -> Bool = { false }, onEvent: @escaping (Event) -> Void = { _ in }
    ) throws {
        self.training = training
        self.plan = plan
        self.store = store
        self.qrels = qrels
        self.source = source
        self.isCancelled = isCancelled
        self.onEvent = onEvent
        data = try training.rivalData(metric: plan.metric)
    }

    /// Makes all that fits the time.
    /// - Throws: `CancellationError` when cancelled; what training, vectors and files throw.
    public func run() throws -> ComparisonOutcome {
        for omission in plan.leftOut { leaveOut(omission.name, omission.reason) }
        let lexical = try measureLexical()
        try measureReleased()
        let plain = StandardRivals(blackBox: training.blackBoxSystem, lexical: lexical)
        try fit(plain.rivals, kind: .rival, seed: plan.request.seed, seconds: plan.secondsForRivals)
        // Before the trainings, as they cost less; further seeds of them when all that is built on the trained encoder is made.
        let adapters = { [self] (seed: UInt64) in
            try fit(plain.rivals, kind: .adapter, seed: seed, seconds: plan.secondsForAdapters)
        }
        try adapters(plan.request.seed)
        try train()
        choose()
        if let chosen = result.chosen {
            try derive(from: chosen.contender, lexical: lexical)
            // Who asks for single systems does not ask for the same one five times.
            if plan.request.systems == nil { try measureLearningCurve(of: chosen) }
        }
        try plan.seeds.dropFirst().forEach(adapters)
        try store.finish(result.chosen)
        return finished()
    }

    private func finished() -> ComparisonOutcome {
        var result = result
        // What others are compared with or built on is shown, asked for or not.
        let always = [StandardRivals.blackBoxName, result.chosen?.name]
        let shown = rows.filter { plan.wants($0.name) || always.contains($0.name) }
        let order = shown.enumerated().sorted {
            (ComparedSystem.place(of: $0.element.name), $0.element.name, $0.offset)
                < (ComparedSystem.place(of: $1.element.name), $1.element.name, $1.offset)
        }
        result.rows = order.map(\.element)
        // Of what was made with some seeds only, the others are named, not the system.
        let made = Dictionary(grouping: result.rows.filter { Self.isSeeded($0.name) }, by: \.name).mapValues(\.count)
        let reasons = Dictionary(result.omissions.map { ($0.name, $0.reason) }, uniquingKeysWith: { first, _ in first })
        result.omissions.removeAll { made[$0.name] != nil }
        for (name, count) in made.sorted(by: { $0.key < $1.key }) where count < plan.seeds.count {
            let reason = reasons[name] ?? "The time was used up by what comes before."
            result.omissions.append((name, "\(count) of \(plan.seeds.count) seeds: \(reason)"))
        }
        result.seconds = secondsOf.mapValues { $0.reduce(0, +) / Double($0.count) }
        return result
    }

    /// Whether a system differs from seed to seed.
    private static func isSeeded(_ name: String) -> Bool {
        ComparedSystem.named(name).map { [.trained, .derived, .adapter].contains($0.kind) } ?? false
    }

    // MARK: Parts

    /// Seconds that are left for what is not made yet.
    var secondsLeft: Double { plan.request.seconds - result.spent }

    func leaveOut(_ name: String, _ reason: String) {
        result.omissions.append((name, reason))
        onEvent(.leftOut((name, reason)))
    }

    /// Makes a part, or takes it as an earlier run made it.
    @discardableResult
    func part(
        _ name: String, title: String? = nil, seed: UInt64? = nil, _ body: () throws -> ComparisonUnit
    ) throws -> ComparisonUnit {
        let kept = try store.unit(name)
        var unit: ComparisonUnit
        if let kept {
            unit = kept
        } else {
            if isCancelled() { throw CancellationError() }
            onEvent(.began(name: title ?? name, seed: seed))
            let start = ContinuousClock.now
            unit = try body()
            let time = (ContinuousClock.now - start).components
            unit.seconds = Double(time.seconds) + Double(time.attoseconds) * 1e-18 + (unit.secondsEarlier ?? 0)
            try store.write(unit, name)
        }
        result.spent += unit.seconds
        rows += unit.rows
        // What several share is the time of none.
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
