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
        /// Progress of a stand-in's training.
        case trainingStandIn(seed: UInt64, TrainingEvent)
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
    /// The labels and vectors that systems are fitted to.
    package let data: RivalData
    let source: BlackBoxSource?
    let isCancelled: () -> Bool
    let onEvent: (Event) -> Void
    var result = ComparisonOutcome()
    /// All rows, including those of systems that were not requested.
    var rows: [ComparisonRow] = []
    /// Seconds of each system, one number per seed.
    var secondsOf: [String: [Double]] = [:]

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
        data = try RivalData(training, metric: plan.metric, newDocuments: plan.request.newDocuments)
    }

    /// Makes and measures every system for which there is time, in the order of ``ComparisonSchedule``.
    /// - Throws: `CancellationError` when cancelled; errors of training, vectors and files.
    public func run() throws -> ComparisonOutcome {
        // Of a finished comparison too: an earlier version did not write all of it.
        try store.write(
            ComparisonStore.Common(
                blackBoxSource: source, blackBoxDimension: training.data.blackBoxDocuments.columns,
                data: training.dataRecords, knownQueries: training.knownQueries.lines,
                tooFewNewSets: training.tooFewNewSets))
        let lexical = try measureLexical()
        try measureReleased()
        var schedule = try schedule()
        while let decision = schedule.next() {
            switch decision {
            case .leaveOut(let step, let reason) where try !isRecorded(step):
                schedule.leaveOut(step, reason: reason)
                leaveOut(step, reason)
            case .make(let step, _) where try store.isFinished && !isRecorded(step):
                schedule.leaveOut(step, reason: "It was not measured.")
                leaveOut(step, "It was not measured.")
            case .leaveOut(let step, _):
                schedule.record(try make(step, seconds: 0, lexical, base: schedule.base), of: step)
            case .make(let step, let seconds):
                if case .training = step, schedule.trainingSeconds == nil {
                    schedule.trainingSeconds = seconds
                    try store.write(ComparisonUnit(trainingSeconds: seconds), Self.timeUnit(plan.request.seed))
                }
                schedule.record(try make(step, seconds: seconds, lexical, base: schedule.base), of: step)
            }
        }
        store.prune(rows)
        choose(after: schedule)
        // No learning curve when single systems were requested.
        if plan.request.systems == nil, let chosen = result.chosen { try measureLearningCurve(of: chosen) }
        let outcome = finished()
        try store.finish(ComparisonVerdict.candidate(of: outcome))
        return outcome
    }

    /// Records that no system of a step is measured.
    private func leaveOut(_ step: ComparisonSchedule.Step, _ reason: String) {
        let names = if case .standIn = step { wantedOfflineSums } else { [step.system] }
        for name in names { leaveOut(name, reason) }
    }

    private func isRecorded(_ step: ComparisonSchedule.Step) throws -> Bool { try store.unit(part(of: step)) != nil }

    /// The name of a step's record.
    func part(of step: ComparisonSchedule.Step) -> String {
        let seed = step.seed ?? plan.request.seed
        guard case .training(let contender, _) = step else { return "\(step.system).\(seed)" }
        return "\(contender.rawValue).\(seed)"
    }

    /// The schedule, with what is known before anything is trained.
    private func schedule() throws -> ComparisonSchedule {
        var schedule = ComparisonSchedule(plan, spent: result.spent)
        schedule.needsPass = training.choice.mode == .query
        schedule.trainingSeconds = try store.unit(Self.timeUnit(plan.request.seed))?.trainingSeconds
        // Recorded, because a resumed comparison must decide the same, and another measurement would differ.
        let name = Self.timeUnit("pass")
        schedule.estimatedSecondsPerPass = try store.unit(name)?.trainingSeconds
        if schedule.estimatedSecondsPerPass == nil, schedule.trainingSeconds == nil, !plan.contenders.isEmpty,
            !store.isFinished
        {
            let seconds = tokensPerPass / max(try training.tokensPerSecond(), 1e-9)
            try store.write(ComparisonUnit(trainingSeconds: seconds), name)
            schedule.estimatedSecondsPerPass = seconds
        }
        return schedule
    }

    /// Makes one part, or reads its record.
    /// - Parameter base: the method on which systems are built.
    private func make(
        _ step: ComparisonSchedule.Step, seconds: Double, _ lexical: SourceSystem?, base: Contender?
    ) throws -> ComparisonSchedule.Measured {
        let before = result.spent
        let unit: ComparisonUnit
        var system: String?
        var current: (Contender, UInt64)?
        switch step {
        case .rival, .adapter:
            unit = try fit(step, seconds: seconds) {
                StandardRivals(blackBox: training.blackBoxSystem, lexical: lexical).rivals
            }
        case .training(let contender, let seed):
            unit = try train(contender, seed: seed, seconds: seconds)
            (system, current) = (contender.joinedName, (contender, seed))
        case .derived(_, let contender, let seed):
            current = (contender, seed)
            unit = try fit(step, seconds: seconds, encoder: contender) {
                var rivals = StandardRivals(
                    blackBox: training.blackBoxSystem, lexical: lexical,
                    joined: try systems(of: contender, seed: seed))
                rivals.weights = Dictionary(rows.compactMap { row in row.weights.map { (row.name, $0) } }) { $1 }
                return rivals.rivals
            }
        case .standIn(let seed):
            // Its encoder encodes documents in the modes that train them.
            current = base.map { ($0, seed) }
            unit = try trainStandIn(seed: seed, seconds: seconds, beside: base, lexical)
        }
        // Files of other seeds are removed only now: the record of this part is on disk.
        store.prune(rows, except: current)
        return ComparisonSchedule.Measured(
            seconds: result.spent - before, failure: unit.failure,
            secondsPerPass: unit.training?.secondsPerPass(of: tokensPerPass),
            development: system.flatMap { name in
                unit.rows.first { $0.name == name }.map { row in
                    DevelopmentFigures(
                        mean: row.development, values: unit.developmentValues?[name]?.map(Double.init) ?? [])
                }
            })
    }

    /// Tokens of one pass over the training labels.
    private var tokensPerPass: Double {
        let estimate = training.choice.estimate
        return switch training.choice.mode {
        case .query: estimate.query
        case .block: estimate.block
        case .pair: estimate.pair
        }
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
        result.partition = partition
        // Omissions name each missing system once. For a system that lacks some of its seeds, the omission gives the
        // number of its seeds.
        let made = Dictionary(grouping: result.rows.filter { Self.isSeeded($0.name) }, by: \.name).mapValues(\.count)
        let reasons = Dictionary(result.omissions.map { ($0.name, $0.reason) }, uniquingKeysWith: { first, _ in first })
        result.omissions.removeAll { made[$0.name] != nil }
        for (name, count) in made.sorted(by: { $0.key < $1.key }) where count < plan.seeds.count {
            // A training gives several rows. Its reason has the name of the joined vectors.
            guard let reason = reasons[name] else { continue }
            result.omissions.append(
                (name, "\(count) of \(plan.seeds.count) seeds \(count == 1 ? "was" : "were") measured. \(reason)"))
        }
        result.seconds = secondsOf.mapValues { $0.reduce(0, +) / Double($0.count) }
        return result
    }

    private static func isSeeded(_ name: String) -> Bool {
        ComparedSystem.named(name).map { [.trained, .derived, .adapter, .offline].contains($0.kind) } ?? false
    }

    /// The measured queries by whether the labels that were learned from or chosen on name all their documents.
    private var partition: QueryPartition {
        let index = training.data.index
        let documents = training.collection.documentIds
        let learned = Qrels(
            (index.trainQueries + index.devQueries).flatMap { query in
                index.labels[query].map { (training.queries[query].id, documents[$0.column], 1) }
            })
        return QueryPartition(
            qrels, learned: [learned], identity: ContentIdentity(training.collection, labelledBy: [learned, qrels]))
    }
}
