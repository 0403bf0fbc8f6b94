import CMafinKernels
import Foundation
import MafinNumerics

/// The speed of this machine for matrix products of the sizes of an encoder's linear layers. Embedding and training
/// cannot be faster.
public struct ProductRate: Sendable {
    /// Floating-point operations per second of elapsed time, on all threads.
    public var perSecond: Double
    /// Floating-point operations per second of one thread's processor time. Other processes do not affect it.
    public var perProcessorSecond: Double

    /// Measures the products of one layer's linear layers, and takes the best of several repetitions.
    ///
    /// Every thread has its own rows. The packed weights are shared.
    /// - Parameters:
    ///   - rows: number of rows of the left operand, over all threads.
    ///   - seconds: duration of the measurement.
    ///   - training: whether to measure the two products of the backward pass too.
    public static func measure(
        _ architecture: Architecture, rows: Int = 1024, seconds: Double, training: Bool
    ) -> ProductRate {
        let weights = architecture.network().weights
        let shapes = weights.suffix(weights.count / architecture.configuration.layerCount)
            .map { (outputs: $0.outputs, inputs: $0.inputs) }
        let kinds: [Kind] = training ? [.forward, .inputs, .weights] : [.forward]
        let share = seconds / Double(shapes.count * kinds.count)
        var (operations, wall, processor) = (0.0, 0.0, 0.0)
        for (outputs, inputs) in shapes {
            let operands = Operands(rows: max(1, rows / Parallelism.threads), outputs: outputs, inputs: inputs)
            for kind in kinds {
                let best = operands.best(kind, seconds: share)
                operations += 2 * Double(operands.rows * Parallelism.threads * outputs * inputs)
                wall += best.wall
                processor += best.processor
            }
        }
        return ProductRate(perSecond: operations / wall, perProcessorSecond: operations / processor)
    }

    private enum Kind { case forward, inputs, weights }

    /// Operands and results of every thread.
    private final class Operands: @unchecked Sendable {
        let rows: Int
        private let outputs: Int
        private let inputs: Int
        private let workers: [(x: FloatBuffer, y: FloatBuffer, weights: FloatBuffer)]
        private let forward: FloatBuffer
        private let backward: FloatBuffer

        init(rows: Int, outputs: Int, inputs: Int) {
            (self.rows, self.outputs, self.inputs) = (rows, outputs, inputs)
            var random = RandomGenerator(seed: 1)
            func filled(_ count: Int) -> FloatBuffer {
                let buffer = FloatBuffer(count: count)
                for index in 0..<count { buffer.pointer[index] = random.uniform() - 0.5 }
                return buffer
            }
            workers = (0..<Parallelism.threads).map { _ in
                (filled(rows * inputs), filled(rows * outputs), filled(outputs * inputs))
            }
            forward = FloatBuffer(count: mafin_packed_size(outputs, inputs))
            backward = FloatBuffer(count: mafin_packed_size(inputs, outputs))
            mafin_pack(true, outputs, inputs, workers[0].weights.pointer, inputs, forward.pointer)
            mafin_pack(false, inputs, outputs, workers[0].weights.pointer, inputs, backward.pointer)
        }

        /// Seconds of the fastest repetition: elapsed time, and processor time of all threads.
        func best(_ kind: Kind, seconds: Double) -> (wall: Double, processor: Double) {
            var best = (wall: Double.infinity, processor: Double.infinity)
            let end = ContinuousClock.now + .seconds(seconds)
            repeat {
                let start = (ContinuousClock.now, OperationClock.processNow())
                parallelFor(workers.count) { self.multiply(kind, self.workers[$0]) }
                best.wall = min(best.wall, (ContinuousClock.now - start.0) / .seconds(1))
                best.processor = min(best.processor, OperationClock.processNow() - start.1)
            } while ContinuousClock.now < end
            return best
        }

        private func multiply(_ kind: Kind, _ worker: (x: FloatBuffer, y: FloatBuffer, weights: FloatBuffer)) {
            switch kind {
            case .forward:
                mafin_sgemm_packed(
                    false, rows, outputs, inputs, 1, worker.x.pointer, inputs, forward.pointer, 0, worker.y.pointer,
                    outputs)
            case .inputs:
                mafin_sgemm_packed(
                    false, rows, inputs, outputs, 1, worker.y.pointer, outputs, backward.pointer, 0, worker.x.pointer,
                    inputs)
            case .weights:
                mafin_sgemm(
                    true, false, outputs, inputs, rows, 1, worker.y.pointer, outputs, worker.x.pointer, inputs, 0,
                    worker.weights.pointer, inputs)
            }
        }
    }
}
