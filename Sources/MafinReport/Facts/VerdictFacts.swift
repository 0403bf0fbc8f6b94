import MafinPipeline

/// Whether it pays, in words, with the costs and the command that ships it.
public struct VerdictFacts: Sendable, Equatable, Codable {
    /// The answer.
    public var decision: Verdict.Decision
    /// Name of the system that the answer is about.
    public var system: String
    /// Why, in one or two sentences with the figures.
    public var reason: String
    /// What else a careful reader wants to know, a sentence each.
    public var notes: [String]?
    /// What it costs to use.
    public var costs: CostFacts?
    /// The command line that puts it to use.
    public var command: String?

    /// A verdict from its parts.
    public init(
        decision: Verdict.Decision, system: String, reason: String, notes: [String]? = nil, costs: CostFacts? = nil,
        command: String? = nil
    ) {
        self.decision = decision
        self.system = system
        self.reason = reason
        self.notes = notes
        self.costs = costs
        self.command = command
    }
}

/// What a system costs beyond the black box alone. What was not measured is `nil`.
public struct CostFacts: Sendable, Equatable, Codable {
    /// A quantity for the black box alone and for the system.
    public struct Change: Sendable, Equatable, Codable {
        /// With the black box alone.
        public var before: Double
        /// With the system.
        public var after: Double

        /// A change.
        public init(before: Double, after: Double) {
            self.before = before
            self.after = after
        }
    }

    /// Numbers in a vector.
    public var dimensions: Change?
    /// Bytes of the index in memory.
    public var indexBytes: Change?
    /// Milliseconds of one search in the index.
    public var searchMilliseconds: Change?
    /// Milliseconds that the local encoder takes for one query, on the machine that measured.
    public var encoderMilliseconds: Double?
    /// Tokens that must be bought from the black box's provider again. Zero: its vectors stay as they are.
    public var tokensToBuyAgain: Int?
    /// Seconds that training took.
    public var trainingSeconds: Double?
    /// What the measurements were taken on.
    public var machine: String?

    /// Costs from their parts.
    public init(
        dimensions: Change? = nil, indexBytes: Change? = nil, searchMilliseconds: Change? = nil,
        encoderMilliseconds: Double? = nil, tokensToBuyAgain: Int? = nil, trainingSeconds: Double? = nil,
        machine: String? = nil
    ) {
        self.dimensions = dimensions
        self.indexBytes = indexBytes
        self.searchMilliseconds = searchMilliseconds
        self.encoderMilliseconds = encoderMilliseconds
        self.tokensToBuyAgain = tokensToBuyAgain
        self.trainingSeconds = trainingSeconds
        self.machine = machine
    }
}
