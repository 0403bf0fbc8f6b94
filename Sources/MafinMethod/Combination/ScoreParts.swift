/// What each half adds to a joined score.
public struct ScoreParts: Sendable, Equatable, Codable {
    /// The black box's part: `(1−λ) s_bb`.
    public var blackBox: Double
    /// The local half's part: `λ s_θ`.
    public var local: Double

    /// A score in its two parts.
    public init(blackBox: Double, local: Double) {
        self.blackBox = blackBox
        self.local = local
    }

    /// The joined score.
    public var total: Double { blackBox + local }
}
