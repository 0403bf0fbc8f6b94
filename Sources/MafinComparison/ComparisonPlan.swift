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
        /// The expected share, in 0…1, of queries whose answers no training label names; `nil`: the default.
        public var newDocuments: Double?
        /// Whether no stand-in is trained, and the systems that ask the black box for nothing are left out; `nil`: no.
        public var leavesOutStandIn: Bool?
        /// The language of the documents, for BM25 and TF-IDF; `nil`: English, as in plans of earlier versions.
        public var language: Language?
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
    /// Methods that may be trained. The most important come first.
    public var contenders: [Contender]
    /// Seeds of each method's trainings.
    public var seeds: [UInt64]
    /// Seconds of each training, if all seeds of it are to be made. The actual time is known after the cheap systems.
    public var secondsEach: Double
    /// How encoders are trained; `nil` until it is chosen.
    public var mode: ModeChoice.Mode?
    /// The reason for the mode.
    public var modeReason: String?

    /// How texts are split into words.
    var analyzer: TextAnalyzer { TextAnalyzer(language: request.language ?? .english) }

    /// The metric that decides.
    public var metric: Metric { request.metrics.first ?? .nDCG(cutoff: 10) }

    /// Largest number of seconds for rivals that are fitted without gradients. They seldom need more than a few.
    var secondsForRivals: Double { contenders.isEmpty ? request.seconds : 0.3 * request.seconds }

    /// Largest number of seconds for the adapters of one seed.
    var secondsForAdapters: Double { contenders.isEmpty ? request.seconds : 0.15 * request.seconds }

    /// The shortest useful training or adapter, in seconds, if nothing else is known of it.
    var leastSeconds: Double { min(20, request.seconds / 10) }

    /// Number of passes over the labels that a training should be able to make before further seeds are planned. On
    /// the collections that were measured, the dev figure peaks between two and eight passes.
    static let usefulPasses = 4.0

    /// Seconds of a stand-in's training, divided by those of an encoder's.
    static let standInShare = 0.5

    /// Whether a system that asks the black box for nothing is wanted.
    var wantsStandIn: Bool { ComparedSystem.all.contains { $0.kind == .offline && wants($0.name) } }

    /// Seconds of a stand-in's training if there is enough time.
    /// - Parameter training: seconds of an encoder's training; `nil`: none is planned.
    func secondsOfStandIn(beside training: Double?) -> Double {
        guard let training, !contenders.isEmpty else { return 0.8 * request.seconds / Double(seeds.count) }
        return Self.standInShare * training
    }

    /// Seconds of each training. All trainings get the same, or they could not be compared.
    ///
    /// Each seed gets its share of 60 % of the time, or with a stand-in of 75 %, a third of it for the stand-in; the rest
    /// is for variants and the learning curve. If a training could not make ``usefulPasses`` in it, as many seeds are planned as can make them; if none can, one training gets
    /// nearly all the time. One good encoder is worth more than several poor ones. Without `--systems` only the best
    /// method is planned for, because variants seldom add anything. With it, all requested methods are.
    /// - Parameters:
    ///   - left: seconds that are left for everything.
    ///   - reserve: seconds for the systems that are built on one trained encoder.
    ///   - secondsPerPass: seconds of one pass over the labels; `nil`: not known.
    func secondsOfTraining(left: Double, reserve: Double, secondsPerPass: Double?) -> Double {
        let methods = Double(request.systems == nil ? 1 : max(1, contenders.count))
        let hasAdapters = ComparedSystem.all.contains { $0.kind == .adapter && wants($0.name) }
        let parts = methods + (wantsStandIn ? Self.standInShare : 0)
        let all = (left - Double(seeds.count) * reserve) / (Double(seeds.count) * parts)
        let share = (request.systems == nil || hasAdapters ? wantsStandIn ? 0.75 : 0.6 : 0.9) * all
        // The rest is for the end of a training: encoding, the last evaluations, the artefact.
        let most = 0.85 * (left - reserve - (wantsStandIn ? leastSeconds : 0)) / methods
        guard let secondsPerPass else { return max(0, share, 0.7 * most) }
        let useful = Self.usefulPasses * secondsPerPass
        if share >= useful { return share }
        let adapters = hasAdapters ? secondsForAdapters / methods : 0
        let several = stride(from: seeds.count, to: 1, by: -1).map {
            (most - adapters) * methods / (parts * Double($0))
        }
        return max(0, several.first { $0 >= useful } ?? most)
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
        self.contenders = contenders
        seeds = (0..<UInt64(request.seeds)).map { request.seed &+ $0 }
        secondsEach = 0
        secondsEach = secondsOfTraining(left: request.seconds, reserve: 0, secondsPerPass: 0)
    }

    /// Whether a system was requested. A derived system may have been named with the prefix `mafin` or with its method.
    public func wants(_ name: String) -> Bool {
        if ComparedSystem.isOffline(name), request.leavesOutStandIn == true { return false }
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
                (
                    "--new-documents", a.newDocuments.map { "\($0)" } ?? "default",
                    b.newDocuments.map { "\($0)" } ?? "default"
                ),
                ("--no-stand-in", "\(a.leavesOutStandIn == true)", "\(b.leavesOutStandIn == true)"),
                ("--language", (a.language ?? .english).rawValue, (b.language ?? .english).rawValue),
                ("--mode", a.mode?.rawValue ?? "none", b.mode?.rawValue ?? "none"),
            ] + pairs(a.facts, b.facts) + pairs(data, now.data, "SHA-256 of ")
        return settings.first { $0.then != $0.now }
            ?? blackBox.differences(from: now.blackBox).first.map { ("the black box", $0, "\(now.blackBox.model)") }
    }
}
