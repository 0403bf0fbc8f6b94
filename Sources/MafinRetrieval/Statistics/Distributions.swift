import Foundation
import MafinNumerics

/// The parts of Student's t distribution that tests and their planning need.
enum StudentT {
    /// The `p`-quantile of the distribution, to about ten digits.
    ///
    /// With t = √ν tan θ the density over θ is proportional to cos^(ν−1) θ, which is smooth. It is integrated
    /// numerically, and the integral is inverted by bisection. Only few quantiles are needed, and this is easier to
    /// verify than tables of coefficients.
    static func quantile(_ p: Double, degreesOfFreedom: Double) -> Double {
        precondition(p > 0 && p < 1 && degreesOfFreedom > 0, "no quantile \(p) with \(degreesOfFreedom) degrees")
        guard p != 0.5 else { return 0 }
        guard p > 0.5 else { return -quantile(1 - p, degreesOfFreedom: degreesOfFreedom) }
        // Bisection over angles; θ = π/2 is t = ∞.
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

    /// A random draw: a standard normal variable, divided by the root of the mean square of `degreesOfFreedom` others.
    static func draw(_ degreesOfFreedom: Int, _ generator: inout RandomGenerator) -> Double {
        let normal = Double(generator.normal())
        var squares = 0.0
        for _ in 0..<degreesOfFreedom {
            let value = Double(generator.normal())
            squares += value * value
        }
        return normal / (squares / Double(degreesOfFreedom)).squareRoot()
    }

    /// `∫₀^angle cos^(ν−1) θ dθ` by Simpson's rule. The integral ends at 12/√ν, because the integrand is negligible
    /// beyond.
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

/// The standard deviation of a sample (divisor n − 1); `nil` for fewer than two values.
func standardDeviation(_ values: [Double]) -> Double? {
    guard values.count > 1 else { return nil }
    let mean = values.reduce(0, +) / Double(values.count)
    return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)).squareRoot()
}
