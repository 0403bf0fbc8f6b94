/// What a system costs beyond the black box alone. What was not measured is `nil`.
public struct CostFacts: Sendable, Equatable, Codable {
    /// A quantity for the black box alone and for the system.
    public struct Change: Sendable, Equatable, Codable {
        /// With the black box alone.
        public var before: Double
        /// With the system.
        public var after: Double
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
}
