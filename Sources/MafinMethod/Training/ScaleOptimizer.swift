import Foundation

/// Adam on the two numbers of a learned scale: the logit of λ and the logarithm of τ, so that λ stays in 0…1 and τ above 0.
struct ScaleOptimizer: Sendable, Codable, Equatable {
    private var logit: Double
    private var logTemperature: Double
    private var firstMoments: [Double] = [0, 0]
    private var secondMoments: [Double] = [0, 0]
    private var steps = 0

    /// λ is kept this far from 0 and 1 at the start: at the ends its logit has no finite value.
    static let margin = 1e-4

    init(scale: MixtureWeights) {
        let lambda = min(max(Double(scale.lambda), Self.margin), 1 - Self.margin)
        logit = log(lambda / (1 - lambda))
        logTemperature = log(Double(scale.temperature))
    }

    var scale: MixtureWeights {
        MixtureWeights(lambda: Float(1 / (1 + exp(-logit))), temperature: Float(exp(logTemperature)))
    }

    /// ∂L/∂(logit of λ) and ∂L/∂(log τ) from ∂L/∂a and ∂L/∂b, with a = (1−λ)/τ, b = λ/τ.
    static func gradient(scale: MixtureWeights, blackBox: Double, local: Double) -> (
        logit: Double, logTemperature: Double
    ) {
        let lambda = Double(scale.lambda)
        let temperature = Double(scale.temperature)
        return (
            (local - blackBox) / temperature * lambda * (1 - lambda),
            -(Double(scale.blackBox) * blackBox + Double(scale.local) * local)
        )
    }

    /// One step of Adam (β₁ = .9, β₂ = .999, ε = 1e-8, no decay).
    mutating func update(blackBox: Double, local: Double, learningRate: Double) {
        let gradient = Self.gradient(scale: scale, blackBox: blackBox, local: local)
        steps += 1
        func move(_ index: Int, _ gradient: Double) -> Double {
            firstMoments[index] = 0.9 * firstMoments[index] + 0.1 * gradient
            secondMoments[index] = 0.999 * secondMoments[index] + 0.001 * gradient * gradient
            let first = firstMoments[index] / (1 - pow(0.9, Double(steps)))
            let second = secondMoments[index] / (1 - pow(0.999, Double(steps)))
            return learningRate * first / (second.squareRoot() + 1e-8)
        }
        logit -= move(0, gradient.logit)
        logTemperature -= move(1, gradient.logTemperature)
    }
}
