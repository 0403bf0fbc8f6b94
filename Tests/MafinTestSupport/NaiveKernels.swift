import Foundation

/// The kernels in their simplest form, as loops in `Double`: the reference for the fast kernels.
public enum NaiveKernels {
    /// alpha · op(A) · op(B) + beta · C over row-major storage with strides; C is not read if beta is 0.
    public static func product(
        transposeA: Bool, transposeB: Bool, m: Int, n: Int, k: Int, alpha: Float, _ a: [Float], strideA: Int,
        _ b: [Float], strideB: Int, beta: Float, _ c: [Float], strideC: Int
    ) -> [Double] {
        var result = c.map(Double.init)
        for i in 0..<m {
            for j in 0..<n {
                var sum = 0.0
                for p in 0..<k {
                    let left = a[transposeA ? p * strideA + i : i * strideA + p]
                    let right = b[transposeB ? j * strideB + p : p * strideB + j]
                    sum += Double(left) * Double(right)
                }
                let old = beta == 0 ? 0 : Double(beta) * Double(c[i * strideC + j])
                result[i * strideC + j] = Double(alpha) * sum + old
            }
        }
        return result
    }

    /// The standard normal distribution Φ.
    public static func normalDistribution(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }

    /// x · Φ(x).
    public static func gelu(_ x: Double) -> Double { x * normalDistribution(x) }

    /// (v − mean) / √(var + epsilon) of one row, and 1 / √(var + epsilon).
    public static func layerNorm(_ v: [Double], epsilon: Double) -> (normalized: [Double], scale: Double) {
        let mean = v.reduce(0, +) / Double(v.count)
        let variance = v.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(v.count)
        let scale = 1 / (variance + epsilon).squareRoot()
        return (v.map { ($0 - mean) * scale }, scale)
    }

    /// log Σ exp(z).
    public static func logSumExp(_ z: [Double]) -> Double {
        let top = z.max() ?? -.infinity
        return top + log(z.reduce(0) { $0 + exp($1 - top) })
    }

    /// exp(z) / Σ exp(z).
    public static func softmax(_ z: [Double]) -> [Double] {
        let shift = logSumExp(z)
        return z.map { exp($0 - shift) }
    }

    /// ∂(Σ weights · f(x))/∂x by central differences.
    public static func gradient(
        of f: ([Double]) -> [Double], at x: [Double], weights: [Double], step: Double = 1e-5
    ) -> [Double] {
        func value(_ x: [Double]) -> Double { zip(f(x), weights).reduce(0) { $0 + $1.0 * $1.1 } }
        return x.indices.map { index in
            var (above, below) = (x, x)
            above[index] += step
            below[index] -= step
            return (value(above) - value(below)) / (2 * step)
        }
    }

    /// One AdamW step of one weight, as torch.optim.AdamW does it: decay, moments, step.
    public static func adamW(
        weight: inout Double, first: inout Double, second: inout Double, gradient: Double, step: Int,
        learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double
    ) {
        weight *= 1 - learningRate * weightDecay
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient * gradient
        let mean = first / (1 - pow(beta1, Double(step)))
        let square = second / (1 - pow(beta2, Double(step)))
        weight -= learningRate * mean / (square.squareRoot() + epsilon)
    }
}
