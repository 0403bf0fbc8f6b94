import CMafinKernels
import Foundation

/// Settings of the optimiser AdamW (Loshchilov and Hutter 2019, algorithm 2).
public struct AdamWOptions: Sendable, Codable, Equatable {
    /// Decay rate of the mean of the gradients: β₁.
    public var beta1: Float
    /// Decay rate of the mean of the squared gradients: β₂.
    public var beta2: Float
    /// Added to the root of the second moment.
    public var epsilon: Float
    /// λ: in a step a weight is multiplied by 1 − learning rate · λ.
    public var weightDecay: Float

    /// PyTorch's defaults.
    public init(beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8, weightDecay: Float = 0.01) {
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
    }

    /// The parameters of the kernel for one step. Gradients are not scaled.
    /// - Parameter step: the number of the step to make. The first is 1.
    package func settings(step: Int, learningRate: Float) -> mafin_adamw {
        mafin_adamw(
            learning_rate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
            decay: Float(1 - Double(learningRate) * Double(weightDecay)),
            correction1: Float(1 - pow(Double(beta1), Double(step))),
            correction2: Float(1 - pow(Double(beta2), Double(step))), gradient_scale: 1)
    }
}

/// AdamW over one flat array of weights, for small models. Every weight decays.
public struct AdamW: Sendable, Codable, Equatable {
    /// β₁, β₂, ε and the weight decay.
    public let options: AdamWOptions
    /// Number of steps that were made.
    public private(set) var step = 0
    private var first: [Float]
    private var second: [Float]

    /// An optimiser for `count` weights. All moments are 0.
    public init(count: Int, options: AdamWOptions = AdamWOptions()) {
        self.options = options
        first = [Float](repeating: 0, count: count)
        second = first
    }

    /// Makes one step.
    /// - Parameters:
    ///   - weights: the weights, which are changed in place.
    ///   - gradient: the gradient of the weights, of the same length.
    public mutating func update(_ weights: inout [Float], gradient: [Float], learningRate: Float) {
        precondition(
            weights.count == first.count && gradient.count == first.count,
            "\(weights.count) weights and \(gradient.count) gradients for moments of \(first.count)")
        step += 1
        let settings = options.settings(step: step, learningRate: learningRate)
        weights.withUnsafeMutableBufferPointer { weights in
            first.withUnsafeMutableBufferPointer { first in
                second.withUnsafeMutableBufferPointer { second in
                    gradient.withUnsafeBufferPointer { gradient in
                        guard let w = weights.baseAddress, let m = first.baseAddress, let v = second.baseAddress,
                            let g = gradient.baseAddress
                        else { return }
                        let pointers = UnsafeTransfer((w: w, m: m, v: v, g: g))
                        parallelRanges(gradient.count, grain: 16_384) { range in
                            let (w, m, v, g) = pointers.value
                            let offset = range.lowerBound
                            mafin_adamw_update(range.count, settings, g + offset, w + offset, m + offset, v + offset)
                        }
                    }
                }
            }
        }
    }
}
