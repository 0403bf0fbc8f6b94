import Foundation

/// Student's t distribution, as far as the planning of a test needs it.
enum StudentT {
    /// The value below which a variable of the distribution lies with probability `p`, to about ten digits.
    ///
    /// The distribution function is integrated over θ with t = √ν tan θ, where its density is cos^(ν−1) θ up to a constant and smooth, and inverted
    /// by bisection: planning needs a few of them, and no table of coefficients is easier to check.
    static func quantile(_ p: Double, degreesOfFreedom: Double) -> Double {
        precondition(p > 0 && p < 1 && degreesOfFreedom > 0, "no quantile \(p) with \(degreesOfFreedom) degrees")
        guard p != 0.5 else { return 0 }
        guard p > 0.5 else { return -quantile(1 - p, degreesOfFreedom: degreesOfFreedom) }
        // A solution is bracketed by angles: θ = π/2 is t = ∞.
        let whole = exp(
            0.5 * log(Double.pi) + lgamma(degreesOfFreedom / 2) - lgamma((degreesOfFreedom + 1) / 2))
        let wanted = (p - 0.5) * whole
        var (low, high) = (0.0, Double.pi / 2)
        for _ in 0..<60 {
            let middle = (low + high) / 2
            if integral(to: middle, degreesOfFreedom) < wanted { low = middle } else { high = middle }
        }
        return degreesOfFreedom.squareRoot() * tan((low + high) / 2)
    }

    /// `∫₀^angle cos^(ν−1) θ dθ` by Simpson's rule. The integrand is negligible beyond 12/√ν, so the steps need not go further.
    private static func integral(to angle: Double, _ degreesOfFreedom: Double) -> Double {
        let end = min(angle, 12 / degreesOfFreedom.squareRoot())
        let steps = 400
        let width = end / Double(steps)
        var sum = 0.0
        for step in 0...steps {
            let weight: Double = step == 0 || step == steps ? 1 : step.isMultiple(of: 2) ? 2 : 4
            sum += weight * pow(max(0, cos(Double(step) * width)), degreesOfFreedom - 1)
        }
        return sum * width / 3
    }
}
