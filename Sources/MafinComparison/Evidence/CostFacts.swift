/// The cost of a system compared with the black box alone. Costs that were not measured are `nil`.
public struct CostFacts: Sendable, Equatable, Codable {
    /// A quantity for the black box alone and for the system.
    public struct Change: Sendable, Equatable, Codable {
        /// With the black box alone.
        public var before: Double
        /// With the system.
        public var after: Double
    }

    /// Dimension of the vectors.
    public var dimensions: Change?
    /// Bytes of the index in memory.
    public var indexBytes: Change?
    /// Milliseconds of one search in the index.
    public var searchMilliseconds: Change?
    /// Milliseconds that the local encoder takes for one query, on the machine that measured.
    public var encoderMilliseconds: Double?
    /// Tokens that must be bought from the black box's provider again. Zero, because its vectors do not change.
    public var tokensToBuyAgain: Int?
    /// Seconds that training took.
    public var trainingSeconds: Double?
    /// The machine that measured.
    public var machine: String?
}
