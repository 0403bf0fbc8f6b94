import CMafinKernels
import Foundation
import MafinNumerics

/// AdamW over one flat array of weights, for models small enough to need no arena; the same update as the encoder's.
public struct FlatAdamW: Sendable {
    /// β₁, β₂, ε and the decay, which pulls every weight toward 0.
    public let options: AdamWOptions
    /// Steps done.
    public private(set) var step = 0
    private var first: [Float]
    private var second: [Float]

    /// Moments of `count` weights, all 0.
    public init(count: Int, options: AdamWOptions = AdamWOptions()) {
        self.options = options
        first = [Float](repeating: 0, count: count)
        second = first
    }

    /// One step.
    /// - Parameters:
    ///   - weights: changed in place.
    ///   - gradient: of the same length.
    public mutating func update(_ weights: inout [Float], gradient: [Float], learningRate: Float) {
        precondition(
            weights.count == first.count && gradient.count == first.count,
            "\(weights.count) weights and \(gradient.count) gradients for moments of \(first.count)")
        step += 1
        let settings = mafin_adamw(
            learning_rate: learningRate, beta1: options.beta1, beta2: options.beta2, epsilon: options.epsilon,
            decay: Float(1 - Double(learningRate) * Double(options.weightDecay)),
            correction1: Float(1 - pow(Double(options.beta1), Double(step))),
            correction2: Float(1 - pow(Double(options.beta2), Double(step))), gradient_scale: 1)
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
