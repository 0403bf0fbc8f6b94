import Foundation
import MafinNumerics

/// A scale that is trained with the encoder: AdamW without decay on the logit of λ and the logarithm of τ, so that λ stays in 0…1 and τ
/// above 0. In training the weights of both scores are called their scale, because weights are those of encoders here.
struct LearnedScale: Sendable, Codable, Equatable {
    /// The logit of λ, the logarithm of τ.
    private var parameters: [Float]
    private var optimizer = AdamW(count: 2, options: AdamWOptions(weightDecay: 0))

    /// λ starts at least this far from 0 and 1, where its logit is not finite.
    static let margin: Float = 1e-4

    init(scale: MixtureWeights) {
        let lambda = min(max(scale.lambda, Self.margin), 1 - Self.margin)
        parameters = [log(lambda / (1 - lambda)), log(scale.temperature)]
    }

    var scale: MixtureWeights {
        MixtureWeights(
            lambda: 1 / (1 + exp(-parameters[0])), temperature: max(exp(parameters[1]), .leastNormalMagnitude))
    }

    /// ∂L/∂(logit of λ) and ∂L/∂(log τ) from ∂L/∂a and ∂L/∂b, with a = (1−λ)/τ, b = λ/τ.
    static func gradient(scale: MixtureWeights, blackBox: Double, local: Double) -> (
        logit: Double, logTemperature: Double
    ) {
        let lambda = Double(scale.lambda)
        return (
            (local - blackBox) / Double(scale.temperature) * lambda * (1 - lambda),
            -(Double(scale.blackBox) * blackBox + Double(scale.local) * local)
        )
    }

    /// One step.
    mutating func update(blackBox: Double, local: Double, learningRate: Double) {
        let gradient = Self.gradient(scale: scale, blackBox: blackBox, local: local)
        optimizer.update(
            &parameters, gradient: [Float(gradient.logit), Float(gradient.logTemperature)],
            learningRate: Float(learningRate))
    }
}
