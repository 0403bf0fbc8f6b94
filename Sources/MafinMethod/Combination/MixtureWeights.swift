/// The scale of both halves in the logits: `z = blackBox · s_bb + local · s_θ`.
///
/// Both weights are at least zero and not both zero. The same two numbers in the words of the paper: `z = s/τ` with
/// `s = (1−λ) s_bb + λ s_θ`, `λ = local / (blackBox + local)`, `τ = 1 / (blackBox + local)`.
public struct MixtureWeights: Sendable, Codable, Hashable {
    /// Weight of the black box's score in the logit: `a = (1−λ)/τ`.
    public var blackBox: Float
    /// Weight of the local encoder's score in the logit: `b = λ/τ`.
    public var local: Float

    /// A scale by its two weights.
    public init(blackBox: Float, local: Float) {
        precondition(blackBox >= 0 && local >= 0, "a negative weight on a half: (\(blackBox), \(local))")
        precondition(
            blackBox + local > 0 && (blackBox + local).isFinite, "weights (\(blackBox), \(local)) are no scale")
        self.blackBox = blackBox
        self.local = local
    }

    /// A scale by mixing weight and temperature.
    /// - Parameters:
    ///   - lambda: share of the local half, in 0…1.
    ///   - temperature: τ, above zero.
    public init(lambda: Float, temperature: Float) {
        precondition((0...1).contains(lambda), "λ = \(lambda) is not in 0…1")
        precondition(temperature > 0, "temperature \(temperature) is not above zero")
        self.init(blackBox: (1 - lambda) / temperature, local: lambda / temperature)
    }

    /// λ: the share of the local half in the mixed score, in 0…1.
    public var lambda: Float { local / (blackBox + local) }

    /// τ: what the mixed score is divided by to give the logit.
    public var temperature: Float { 1 / (blackBox + local) }

    /// The scale of the paper's Mafin: λ = ½. The temperature .05 is ours, as the paper's is not known.
    public static let paper = MixtureWeights(lambda: 0.5, temperature: 0.05)

    /// This scale, with a larger local weight if λ is below `minimum`; the black box's weight is kept.
    package func withLambda(atLeast minimum: Float) -> MixtureWeights {
        guard lambda < minimum else { return self }
        return MixtureWeights(blackBox: blackBox, local: blackBox * minimum / (1 - minimum))
    }
}
