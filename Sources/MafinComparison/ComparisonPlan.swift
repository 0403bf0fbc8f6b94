import MafinBlackBox
import MafinMethod
import MafinPipeline
import MafinRetrieval

/// The systems that are compared, and their times. The plan is fixed before anything is trained, and a resumed
/// comparison must have the same plan.
public struct ComparisonPlan: Sendable, Codable, Equatable {
    /// What the user requests.
    public struct Request: Sendable, Codable, Equatable {
        /// The split to measure on.
        public var split = JudgedSplits.Part.test.rawValue
        /// Metrics of the tables. The first one decides.
        public var metrics = Metric.standard
        /// Names of systems in ``ComparedSystem/all``; `nil`: all that fit into the time.
        public var systems: [String]?
        /// Number of trainings of each method.
        public var seeds = 3
        /// The first seed. The others are the next numbers.
        public var seed: UInt64 = 1
        /// Seconds for everything that is trained or fitted.
        public var seconds = 1_800.0
        /// The requested training mode; `nil`: chosen from the data and the time.
        public var mode: ModeChoice.Mode?
        /// Other options that a resumed comparison must share, by name: the encoder's weights, the objective and so on.
        public var facts: [String: String] = [:]

        /// All systems, three seeds, half an hour.
        public init() {}
    }

    /// What the user requested.
    public var request: Request
    /// SHA-256 of texts and labels, by role.
    public var data: [String: String]
    /// The black box.
    public var blackBox: BlackBoxIdentity
    /// Methods that are trained. The most important come first.
    public var contenders: [Contender]
    /// Seeds of each method's trainings.
    public var seeds: [UInt64]
    /// Seconds planned for each training. The actual time depends on the time that earlier parts take.
    public var secondsEach: Double
    /// Systems for which there is no time, and why.
    public var leftOut: [Omission]
    /// How encoders are trained; `nil` until it is chosen.
    public var mode: ModeChoice.Mode?
    /// The reason for the mode.
    public var modeReason: String?

    /// A system that is left out.
    public struct Omission: Sendable, Codable, Equatable {
        /// Its name.
        public var name: String
        /// Why.
        public var reason: String
    }

    /// The metric that decides.
    public var metric: Metric { request.metrics.first ?? .nDCG(cutoff: 10) }

    /// Share of the time for trainings. The rest is for adapters, systems built on the best method and the learning
    /// curve. Trainings get what these do not need.
    static let trainingShare = 0.85
    /// Largest number of seconds for the adapters of one seed; all the time if nothing is trained.
    var secondsForAdapters: Double { contenders.isEmpty ? request.seconds : 0.2 * request.seconds }

    /// Largest number of seconds for rivals that are fitted without gradients. They seldom need more than a few.
    var secondsForRivals: Double { contenders.isEmpty ? request.seconds : 0.1 * request.seconds }

    /// The shortest useful training, in seconds. If there is not enough time, seeds are dropped first, then methods.
    static let leastSeconds = 20.0

    /// Seconds of each training of a round, that is, of one seed of all methods. Each training to come gets an equal
    /// share of `left`, and the learning curve gets two shares.
    /// - Parameter overhead: seconds that the part of a training takes beyond the training itself; `nil`: not known
    ///   yet.
    /// - Returns: `nil` if another seed would be too short to be useful.
    func secondsOfTraining(round: Int, left: Double, overhead: Double?) -> Double? {
        let shares = contenders.count * (seeds.count - round) + (request.systems == nil ? 2 : 0)
        let share = left / Double(max(1, shares))
        let seconds = share - (overhead ?? 0.1 * share)
        let least = min(secondsEach, Self.leastSeconds)
        if round == 0 { return max(seconds, least) }
        return seconds < 0.5 * least ? nil : seconds
    }

    /// All methods, the most important first: the method to ship, the method to beat, the paper's forms, then our other
    /// forms.
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
        // Derived systems need a trained method, even if none was requested by name.
        if needsChosen, !contenders.contains(where: { $0 != .tunedAlone }) { contenders.insert(.mafin, at: 0) }
        var seeds = request.seeds
        let isAlone = wanted.map { names in
            !needsChosen && !ComparedSystem.all.contains { $0.kind == .adapter && names.contains($0.name) }
        }
        let seconds = request.seconds * (isAlone == true ? 1 : Self.trainingShare)
        func each() -> Double { seconds / Double(max(1, contenders.count) * seeds) }
        var leftOut: [Omission] = []
        func leaveOut(_ name: String, _ reason: String) { leftOut.append(Omission(name: name, reason: reason)) }
        while seeds > 1, each() < Self.leastSeconds { seeds -= 1 }
        if seeds < request.seeds, !contenders.isEmpty {
            let possible = seeds == 1 ? "one" : "\(seeds)"
            leaveOut(
                "seeds", "\(request.seeds) seeds were requested; there is time for \(possible) of each method.")
        }
        while contenders.count > 1, each() < Self.leastSeconds {
            leaveOut(
                contenders.removeLast().joinedName,
                "There is no time to train it for \(Int(Self.leastSeconds)) seconds too.")
        }
        self.contenders = contenders
        self.seeds = (0..<UInt64(seeds)).map { request.seed &+ $0 }
        self.leftOut = leftOut
        secondsEach = each()
    }

    /// Whether a system was requested. A derived system may have been named with the prefix `mafin` or with its method.
    public func wants(_ name: String) -> Bool {
        guard let wanted = request.systems else { return true }
        return wanted.contains(name) || ComparedSystem.named(name).map { wanted.contains($0.name) } ?? false
    }

    /// The first difference between this plan, with which a folder was begun, and the present one: (name, then, now).
    /// `nil` if they agree.
    public func difference(from now: ComparisonPlan) -> (name: String, then: String, now: String)? {
        func text(_ names: [String]?) -> String { names?.joined(separator: ",") ?? "all" }
        let (a, b) = (request, now.request)
        typealias Setting = (name: String, then: String, now: String)
        func pairs(_ then: [String: String], _ now: [String: String], _ title: String = "") -> [Setting] {
            Set(then.keys).union(now.keys).sorted().map { (title + $0, then[$0] ?? "none", now[$0] ?? "none") }
        }
        let settings: [Setting] =
            [
                ("--split", a.split, b.split),
                ("--metrics", text(a.metrics.map(\.description)), text(b.metrics.map(\.description))),
                ("--systems", text(a.systems), text(b.systems)), ("--seeds", "\(a.seeds)", "\(b.seeds)"),
                ("--seed", "\(a.seed)", "\(b.seed)"), ("--time in seconds", "\(a.seconds)", "\(b.seconds)"),
                ("--mode", a.mode?.rawValue ?? "none", b.mode?.rawValue ?? "none"),
            ] + pairs(a.facts, b.facts) + pairs(data, now.data, "SHA-256 of ")
        return settings.first { $0.then != $0.now }
            ?? blackBox.differences(from: now.blackBox).first.map { ("the black box", $0, "\(now.blackBox.model)") }
    }
}
