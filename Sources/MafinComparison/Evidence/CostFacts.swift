/// The cost of a system compared with the black box alone. Costs that were not measured are `nil`.
public struct CostFacts: Sendable, Equatable, Codable {
    /// A quantity for the black box alone and for the system.
    public struct Change: Sendable, Equatable, Codable {
        /// With the black box alone.
        public var before: Double
        /// With the system.
        public var after: Double
    }

    /// What has to be computed for a query.
    public var query: ComparisonVerdict.QueryCost?
    /// Dimension of the vectors.
    public var dimensions: Change?
    /// Bytes of the vectors in memory.
    public var indexBytes: Change?
    /// Milliseconds of one search through all sources, without the black box's call and the encoder.
    public var searchMilliseconds: Change?
    /// Milliseconds that the local encoder takes for one query, on the machine that measured; `nil` also if there is none.
    public var encoderMilliseconds: Double?
    /// Tokens that must be bought from the black box's provider again. Zero, because its vectors do not change.
    public var tokensToBuyAgain: Int?
    /// Seconds that training and fitting took.
    public var trainingSeconds: Double?
    /// The machine that measured.
    public var machine: String?
}
