import MafinBlackBox
import MafinMethod
import MafinPipeline
import MafinRetrieval

/// What is compared, and with how much time: decided before anything is trained, and the same when a comparison goes on.
public struct ComparisonPlan: Sendable, Codable, Equatable {
    /// What is asked for.
    public struct Request: Sendable, Codable, Equatable {
        /// The split to measure on.
        public var split = JudgedSplits.Part.test.rawValue
        /// Metrics of the tables; the first decides.
        public var metrics = Metric.standard
        /// Names of ``ComparedSystem/all``; `nil`: all that fit the time.
        public var systems: [String]?
        /// Trainings of each method.
        public var seeds = 3
        /// The first seed; the others follow it.
        public var seed: UInt64 = 1
        /// Seconds for everything that is trained or fitted.
        public var seconds = 1_800.0
        /// How to train as asked for; `nil`: chosen from the data and the time.
        public var mode: ModeChoice.Mode?
        /// Options that are compared only for being the same, by name: what an encoder begins with, objective and so on.
        public var facts: [String: String] = [:]

        /// All systems, three seeds, half an hour.
        public init() {}
    }

    /// What was asked for.
    public var request: Request
    /// SHA-256 of texts and labels, by role.
    public var data: [String: String]
    /// Whose vectors the first half is.
    public var blackBox: BlackBoxIdentity
    /// Methods that are trained, the most wanted first.
    public var contenders: [Contender]
    /// Trainings of each.
    public var seeds: [UInt64]
    /// Seconds planned for each training; it has more where what comes before leaves more, or less.
    public var secondsEach: Double
    /// What the time does not allow, and why.
    public var leftOut: [Omission]
    /// How encoders are trained; `nil` until it is chosen.
    public var mode: ModeChoice.Mode?
    /// Why.
    public var modeReason: String?

    /// Something that is left out.
    public struct Omission: Sendable, Codable, Equatable {
        /// A system.
        public var name: String
        /// Why.
        public var reason: String
    }

    /// The metric that decides.
    public var metric: Metric { request.metrics.first ?? .nDCG(cutoff: 10) }

    /// The share of the time that is planned for trainings where other systems want some too: those built on the result, adapters, the
    /// learning curve. What these do not need goes to the trainings, what they need beyond it is taken from them.
    static let trainingShare = 0.85
    /// Seconds for the adapters of one seed at most; without trainings, all there is.
    var secondsForAdapters: Double { contenders.isEmpty ? request.seconds : 0.2 * request.seconds }

    /// Seconds for all that is fitted without gradients; seldom more than a few are needed.
    var secondsForRivals: Double { contenders.isEmpty ? request.seconds : 0.1 * request.seconds }

    /// Below it a training is not worth beginning: seeds are left out first, then methods.
    static let leastSeconds = 20.0

    /// Seconds of each training of a round (one seed of all methods), of `left` in all: equal shares of the trainings that are to come, and two
    /// for the learning curve.
    /// - Parameter overhead: seconds that a training takes beside its own; `nil`: not known yet.
    /// - Returns: `nil` where a further seed would be cut too short to count.
    func secondsOfTraining(round: Int, left: Double, overhead: Double?) -> Double? {
        let shares = contenders.count * (seeds.count - round) + (request.systems == nil ? 2 : 0)
        let share = left / Double(max(1, shares))
        let seconds = share - (overhead ?? 0.1 * share)
        let least = min(secondsEach, Self.leastSeconds)
        if round == 0 { return max(seconds, least) }
        return seconds < 0.5 * least ? nil : seconds
    }

    /// The methods, the most wanted first: what is to be shipped, what it has to beat, the paper's forms, and ours beyond them.
    static let contenders: [Contender] = [.mafin, .tunedAlone, .lambdaMafin, .paperMafin, .hybridMafin, .normMafin]

    /// Plans a comparison.
    public init(_ request: Request, data: [String: String], blackBox: BlackBoxIdentity) {
        precondition(request.seeds >= 1 && request.seconds > 0, "\(request.seeds) seeds in \(request.seconds) s")
        self.request = request
        self.data = data
        self.blackBox = blackBox
        let wanted = request.systems.map(Set.init)
        func isWanted(_ name: String) -> Bool { wanted?.contains(name) ?? true }
        let needsChosen = ComparedSystem.all.contains { $0.kind == .derived && isWanted($0.name) }
        var contenders = Self.contenders.filter { $0.rowNames.contains(where: isWanted) }
        // What others are built on is trained, whether or not it was asked for by name.
        if needsChosen, !contenders.contains(where: { $0 != .tunedAlone }) { contenders.insert(.mafin, at: 0) }
        var seeds = request.seeds
        let isAlone = wanted.map { names in
            !needsChosen && !ComparedSystem.all.contains { $0.kind == .adapter && names.contains($0.name) }
        }
        let seconds = request.seconds * (isAlone == true ? 1 : Self.trainingShare)
        func each() -> Double { seconds / Double(max(1, contenders.count) * seeds) }
        var leftOut: [Omission] = []
        while seeds > 1, each() < Self.leastSeconds { seeds -= 1 }
        if seeds < request.seeds, !contenders.isEmpty {
            leftOut.append(
                Omission(
                    name: "seeds",
                    reason:
                        "\(request.seeds) were asked for; the time is enough for \(seeds == 1 ? "one" : "\(seeds)") of each method."
                ))
        }
        while contenders.count > 1, each() < Self.leastSeconds {
            let left = contenders.removeLast()
            leftOut.append(
                Omission(
                    name: left.joinedName,
                    reason: "The time is not enough to train it too for \(Int(Self.leastSeconds)) seconds."))
        }
        self.contenders = contenders
        self.seeds = (0..<UInt64(seeds)).map { request.seed &+ $0 }
        self.leftOut = leftOut
        secondsEach = each()
    }

    /// Whether a row is wanted. A derived one is asked for with `mafin` or with its method in front.
    public func wants(_ name: String) -> Bool {
        guard let wanted = request.systems else { return true }
        return wanted.contains(name) || ComparedSystem.named(name).map { wanted.contains($0.name) } ?? false
    }

    /// The first thing in which a plan differs from the one that a folder was begun with: (name, then, now).
    public func difference(from now: ComparisonPlan) -> (name: String, then: String, now: String)? {
        func text(_ names: [String]?) -> String { names?.joined(separator: ",") ?? "all" }
        let (a, b) = (request, now.request)
        if a.split != b.split { return ("--split", a.split, b.split) }
        if a.metrics != b.metrics {
            return ("--metrics", text(a.metrics.map(\.description)), text(b.metrics.map(\.description)))
        }
        if a.systems != b.systems { return ("--systems", text(a.systems), text(b.systems)) }
        if a.seeds != b.seeds { return ("--seeds", "\(a.seeds)", "\(b.seeds)") }
        if a.seed != b.seed { return ("--seed", "\(a.seed)", "\(b.seed)") }
        if a.seconds != b.seconds { return ("--time in seconds", "\(a.seconds)", "\(b.seconds)") }
        if a.mode != b.mode { return ("--mode", a.mode?.rawValue ?? "none", b.mode?.rawValue ?? "none") }
        for name in Set(a.facts.keys).union(b.facts.keys).sorted() where a.facts[name] != b.facts[name] {
            return (name, a.facts[name] ?? "none", b.facts[name] ?? "none")
        }
        for role in Set(data.keys).union(now.data.keys).sorted() where data[role] != now.data[role] {
            return ("SHA-256 of \(role)", data[role] ?? "none", now.data[role] ?? "none")
        }
        return blackBox.differences(from: now.blackBox).first.map { ("the black box", $0, "\(now.blackBox.model)") }
    }
}
