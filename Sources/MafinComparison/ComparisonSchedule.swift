import MafinMethod
import MafinPipeline

/// Decides what a comparison makes next: what is expected to help most for each second.
///
/// First everything that needs no gradients; then one full training of the best method, and at once what is built on it;
/// then a stand-in, and the sums that ask the black box for nothing; then adapters; then further seeds; then what joint
/// training adds and the variants; last the seeds of those that can still win.
///
/// Decisions depend only on what has been measured. So a resumed comparison, which reads its measurements from disk,
/// decides the same.
struct ComparisonSchedule {
    /// A part that is made or left out as a whole.
    enum Step: Hashable {
        case rival(String)
        case training(Contender, UInt64)
        /// A system that is built on a method's encoder.
        case derived(String, Contender, UInt64)
        case adapter(String, UInt64)
        /// A stand-in, and the sums with it.
        case standIn(UInt64)

        /// The name of the system in the omissions.
        var system: String {
            switch self {
            case .rival(let name), .derived(let name, _, _), .adapter(let name, _): name
            case .training(let contender, _): contender.joinedName
            case .standIn: OfflineSums.standInName
            }
        }

        /// The seed; `nil` for a system that has only one.
        var seed: UInt64? {
            switch self {
            case .rival: nil
            case .training(_, let seed), .derived(_, _, let seed), .adapter(_, let seed), .standIn(let seed): seed
            }
        }
    }

    enum Decision: Equatable {
        /// - seconds: the time that it may take.
        case make(Step, seconds: Double)
        case leaveOut(Step, reason: String)
    }

    /// What is known of a part that was made.
    struct Measured {
        /// Seconds of the part as a whole.
        var seconds: Double
        /// Why it has no result.
        var failure: String?
        /// Seconds of one pass over the labels, evaluations included; `nil` unless an encoder was trained.
        var secondsPerPass: Double?
        /// Figures on dev; `nil` if it has none.
        var development: DevelopmentFigures?
    }

    let plan: ComparisonPlan
    /// Whether a training must be able to make one pass. Only the query tower must: its passes are short.
    var needsPass = true
    /// Seconds of one pass, estimated before anything is trained.
    var estimatedSecondsPerPass: Double?
    /// Seconds of each training, once they are fixed.
    var trainingSeconds: Double?
    /// Seconds that were spent so far.
    private(set) var spent: Double
    private var made: [Step: Measured] = [:]
    private var leftOut: [Step: String] = [:]
    /// For each variant, why it gets no further seeds.
    private var settled: [Contender: String] = [:]

    init(_ plan: ComparisonPlan, spent: Double = 0) {
        self.plan = plan
        self.spent = spent
    }

    /// The next decision; `nil`: nothing is left to decide.
    func next() -> Decision? {
        steps.first { made[$0] == nil && leftOut[$0] == nil }.map(decide)
    }

    mutating func record(_ measured: Measured, of step: Step) {
        made[step] = measured
        spent += measured.seconds
        guard case .training(let contender, first) = step, let base, contender != base,
            let mine = measured.development, let best = made[.training(base, first)]?.development
        else { return }
        let difference = mine.minus(best)
        guard !difference.isBetter else { return }
        settled[contender] =
            "On dev it \(difference.isWorse ? "is worse than" : "does not differ from") \(base.joinedName) "
            + "(\(difference.text)), so one seed is enough."
    }

    mutating func leaveOut(_ step: Step, reason: String) { leftOut[step] = reason }

    // MARK: The order

    private var first: UInt64 { plan.request.seed }
    private var left: Double { plan.request.seconds - spent }

    /// The method on which other systems are built: the most important one whose training did not fail. The encoder
    /// tuned alone is a rival, and comes last.
    var base: Contender? {
        let order = plan.contenders.filter { $0 != .tunedAlone } + plan.contenders.filter { $0 == .tunedAlone }
        return order.first { made[.training($0, first)]?.failure == nil } ?? order.first
    }

    private func wanted(_ kind: ComparedSystem.Kind) -> [String] {
        ComparedSystem.all.filter { $0.kind == kind && plan.wants($0.name) }.map(\.name)
    }

    /// The systems that are built on a method. The composition has no prefix, so only one method has it.
    private func derived(from contender: Contender, _ seed: UInt64) -> [Step] {
        wanted(.derived).compactMap { name in
            if name == ComparedSystem.composition {
                return contender == base ? .derived(name, contender, seed) : nil
            }
            let suffix = name.dropFirst(ComparedSystem.chosenPrefix.count)
            return .derived(contender.joinedName + suffix, contender, seed)
        }
    }

    private var steps: [Step] {
        var steps = wanted(.rival).map(Step.rival)
        let adapters = wanted(.adapter)
        let later = plan.seeds.dropFirst()
        func standIn(_ seed: UInt64) -> [Step] { plan.wantsStandIn ? [.standIn(seed)] : [] }
        if let base { steps += [.training(base, first)] + derived(from: base, first) }
        steps += standIn(first) + adapters.map { .adapter($0, first) }
        for seed in later {
            if let base { steps += [.training(base, seed)] + derived(from: base, seed) }
            steps += standIn(seed)
        }
        if let base {
            let others = plan.contenders.filter { $0 != base }
            steps += others.map { .training($0, first) }
            for seed in plan.seeds {
                for other in others {
                    if seed != first { steps.append(.training(other, seed)) }
                    if canWin(other) { steps += derived(from: other, seed) }
                }
            }
        }
        for seed in later { steps += adapters.map { .adapter($0, seed) } }
        return steps
    }

    /// Whether a variant was better on dev than the method on which systems are built.
    private func canWin(_ contender: Contender) -> Bool {
        contender != .tunedAlone && made[.training(contender, first)]?.development != nil && settled[contender] == nil
    }

    // MARK: Decisions

    private func decide(_ step: Step) -> Decision {
        let reason: String?
        let seconds: Double
        switch step {
        case .rival:
            seconds = min(left, plan.secondsForRivals - sum { if case .rival = $0 { true } else { false } })
            reason = seconds > 0 ? nil : "Cheaper systems used up the time."
        case .training(let contender, let seed):
            seconds = trainingSeconds ?? secondsOfFirstTraining
            reason = reasonAgainst(training: contender, seed, seconds: seconds)
        case .derived(let name, let contender, let seed):
            // The first training has left time for them. If it took longer than it should, they get it all the same.
            seconds = contender == base && seed == first ? max(left, reserve) : left
            reason = reasonAgainst(derived: name, contender, seed)
        case .standIn(let seed):
            // Where the passes and not the time end an encoder's training, they would end the stand-in's too. Fitting the
            // sums comes on top.
            let took = base.flatMap { made[.training($0, first)] }.flatMap { $0.failure == nil ? $0.seconds : nil }
            seconds = min(
                plan.secondsOfStandIn(beside: trainingSeconds), took ?? .infinity,
                max(left - reserve, seed == first ? plan.leastSeconds : 0))
            reason = reasonAgainst(standIn: seed, seconds: seconds)
        case .adapter(let name, let seed):
            seconds =
                seed == first
                ? min(left, plan.secondsForAdapters - sum { if case .adapter(_, first) = $0 { true } else { false } })
                : left
            reason = reasonAgainst(adapter: name, seed, seconds: seconds)
        }
        return reason.map { .leaveOut(step, reason: $0) } ?? .make(step, seconds: seconds)
    }

    /// Seconds that were spent on some of the parts. They are added in the order of the parts, so that a resumed
    /// comparison computes the same sum.
    private func sum(over isIncluded: (Step) -> Bool) -> Double {
        steps.filter(isIncluded).reduce(0) { $0 + (made[$1]?.seconds ?? 0) }
    }

    private var secondsOfFirstTraining: Double {
        plan.secondsOfTraining(
            left: left, reserve: Double([!wanted(.derived).isEmpty, plan.wantsStandIn].count { $0 }) * reserve,
            secondsPerPass: estimatedSecondsPerPass)
    }

    /// Seconds for the systems that are built on one encoder, or on one stand-in. They have more sources than those without
    /// it.
    private var reserve: Double {
        max(1.5 * (made[.rival("composition-without-encoder")]?.seconds ?? 0), plan.leastSeconds)
    }

    private func reasonAgainst(training contender: Contender, _ seed: UInt64, seconds: Double) -> String? {
        if seed != first, contender != base {
            if let failure = made[.training(contender, first)]?.failure ?? leftOut[.training(contender, first)] {
                return failure
            }
            // A request by name is also a request for its seeds.
            if plan.request.systems == nil, let reason = settled[contender] { return reason }
        }
        let trained = base.flatMap { made[.training($0, first)] }
        let pass = trained?.secondsPerPass ?? estimatedSecondsPerPass
        if needsPass, let pass, seconds < pass {
            return
                "A pass over the training queries takes about \(Self.text(pass)), and a training would have \(Self.text(seconds))."
        }
        if let trained, trained.failure == nil {
            let derived =
                contender == base ? sum { if case .derived(_, contender, first) = $0 { true } else { false } } : 0
            return reasonForTime(trained.seconds + derived, "A training")
        }
        // The first training, or one after others have failed.
        if pass == nil, seconds < plan.leastSeconds {
            return "A training would have only \(Self.text(seconds))."
        }
        return reasonForTime(seconds, "A training")
    }

    private func reasonAgainst(derived name: String, _ contender: Contender, _ seed: UInt64) -> String? {
        guard let training = made[.training(contender, seed)] else {
            return leftOut[.training(contender, seed)] ?? "Its encoder was not trained."
        }
        if let failure = training.failure { return failure }
        guard contender != base || seed != first, let base else { return nil }
        let before = made[
            .derived(name.firstIndex(of: "+").map { base.joinedName + name[$0...] } ?? name, base, first)]
        return before?.failure ?? reasonForTime(before?.seconds ?? 0, name)
    }

    private func reasonAgainst(standIn seed: UInt64, seconds: Double) -> String? {
        if seed != first {
            guard let known = made[.standIn(first)] else {
                return leftOut[.standIn(first)] ?? "There was no time left."
            }
            return known.failure ?? reasonForTime(known.seconds, "A stand-in")
        }
        return reasonForTime(seconds, "A stand-in")
    }

    private func reasonAgainst(adapter name: String, _ seed: UInt64, seconds: Double) -> String? {
        if seed != first, let known = made[.adapter(name, first)] {
            return known.failure ?? reasonForTime(known.seconds, name)
        }
        if seed != first { return leftOut[.adapter(name, first)] ?? "There was no time left." }
        // Those that follow the linear one are not faster.
        let before = made.filter { if case .adapter = $0.key { true } else { false } }.map(\.value.seconds).max()
        let cost = max(before ?? 0, plan.leastSeconds)
        return seconds >= cost
            ? nil : "It takes \(Self.text(cost)) or more, and there were \(Self.text(seconds)) for it."
    }

    private func reasonForTime(_ cost: Double, _ what: String) -> String? {
        if left <= 0 { return "There was no time left." }
        return left >= cost
            ? nil : "\(what) takes about \(Self.text(cost)), and only \(Self.text(left)) were left."
    }

    private static func text(_ seconds: Double) -> String {
        let rounded = Int(max(0, seconds).rounded())
        return "\(rounded) \(rounded == 1 ? "second" : "seconds")"
    }
}
