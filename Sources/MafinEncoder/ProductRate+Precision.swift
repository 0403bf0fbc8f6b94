import CMafinKernels
import Foundation
import MafinNumerics

extension ProductRate {
    /// Measures the products of one layer's linear layers in a precision, and takes the best of several repetitions.
    ///
    /// In bfloat16 both operands are converted beforehand. In int8 the left one is converted in the product, as the encoder does it.
    /// - Parameters:
    ///   - rows: number of rows of the left operand, over all threads.
    ///   - seconds: duration of the measurement.
    ///   - training: whether to measure the two products of the backward pass too.
    /// - Precondition: nothing is trained in int8.
    public static func measure(
        _ architecture: Architecture, rows: Int = 1024, seconds: Double, training: Bool, precision: Precision
    ) -> ProductRate {
        guard precision != .float32 else {
            return measure(architecture, rows: rows, seconds: seconds, training: training)
        }
        precondition(precision == .bfloat16 || !training, "nothing is trained in \(precision.rawValue)")
        let weights = architecture.network().weights
        let own = max(1, rows / Parallelism.threads)
        let shapes = weights.suffix(weights.count / architecture.configuration.layerCount).flatMap { layer in
            [(rows: own, columns: layer.outputs, depth: layer.inputs)]
                + (training
                    ? [(own, layer.inputs, layer.outputs), (layer.outputs, layer.inputs, own)] : [])
        }
        var (operations, wall, processor) = (0.0, 0.0, 0.0)
        for (rows, columns, depth) in shapes {
            let product = LowPrecisionProduct(rows: rows, columns: columns, depth: depth, precision)
            let best = product.best(seconds: seconds / Double(shapes.count))
            operations += 2 * Double(rows * columns * depth * Parallelism.threads)
            wall += best.wall
            processor += best.processor
        }
        return ProductRate(perSecond: operations / wall, perProcessorSecond: operations / processor)
    }
}

/// A product of which every thread has its own rows and result. The right operand is shared.
private final class LowPrecisionProduct: @unchecked Sendable {
    private let (rows, columns, depth): (Int, Int, Int)
    private let precision: Precision
    private let packed: FloatBuffer
    private let workers: [(rows: FloatBuffer, result: FloatBuffer)]

    init(rows: Int, columns: Int, depth: Int, _ precision: Precision) {
        (self.rows, self.columns, self.depth, self.precision) = (rows, columns, depth, precision)
        var random = RandomGenerator(seed: 1)
        func filled(_ count: Int) -> FloatBuffer {
            let buffer = FloatBuffer(count: count)
            for index in 0..<count { buffer.pointer[index] = random.uniform() - 0.5 }
            return buffer
        }
        /// Room for 16-bit numbers.
        func halves(_ count: Int) -> FloatBuffer { FloatBuffer(count: (count + 1) / 2) }
        let right = filled(columns * depth)
        let left = filled(rows * depth)
        if precision == .bfloat16 {
            packed = halves(mafin_bfloat16_packed_size(columns, depth))
            mafin_bfloat16_pack(true, columns, depth, right.pointer, depth, Self.halves(packed))
            workers = (0..<Parallelism.threads).map { _ in
                let own = halves(mafin_bfloat16_rows_size(rows, depth))
                mafin_bfloat16_rows(false, rows, depth, 1, left.pointer, depth, Self.halves(own))
                return (own, FloatBuffer(count: rows * columns))
            }
        } else {
            packed = FloatBuffer(count: (mafin_int8_packed_size(columns, depth) + 3) / 4)
            mafin_int8_pack(true, columns, depth, right.pointer, depth, packed.pointer)
            workers = (0..<Parallelism.threads).map { _ in
                (filled(rows * depth), FloatBuffer(count: rows * columns))
            }
        }
    }

    private static func halves(_ buffer: FloatBuffer) -> UnsafeMutablePointer<UInt16> {
        UnsafeMutableRawPointer(buffer.pointer).assumingMemoryBound(to: UInt16.self)
    }

    /// Seconds of the fastest repetition: elapsed time, and processor time of all threads.
    func best(seconds: Double) -> (wall: Double, processor: Double) {
        var best = (wall: Double.infinity, processor: Double.infinity)
        let end = ContinuousClock.now + .seconds(seconds)
        repeat {
            let start = (ContinuousClock.now, OperationClock.processNow())
            parallelFor(workers.count) { self.multiply(self.workers[$0]) }
            best.wall = min(best.wall, (ContinuousClock.now - start.0) / .seconds(1))
            best.processor = min(best.processor, OperationClock.processNow() - start.1)
        } while ContinuousClock.now < end
        return best
    }

    private func multiply(_ worker: (rows: FloatBuffer, result: FloatBuffer)) {
        var nothing = mafin_epilogue()
        if precision == .bfloat16 {
            mafin_bfloat16_multiply(
                rows, depth, 0, columns, Self.halves(worker.rows), Self.halves(packed), &nothing, worker.result.pointer,
                columns)
        } else {
            mafin_int8_linear(
                rows, columns, depth, 0, columns, worker.rows.pointer, depth, packed.pointer, &nothing,
                worker.result.pointer, columns)
        }
    }
}
