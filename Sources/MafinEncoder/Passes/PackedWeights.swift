import CMafinKernels
import MafinNumerics

/// The weight matrices of all linear layers in the layout of the matrix products. They are packed once after each change and shared
/// by all threads.
final class PackedWeights: @unchecked Sendable {
    /// A weight (outputs, inputs), packed for y = x · Wᵀ and, for training, for dx = dy · W.
    struct Weight: Sendable {
        let source: Int
        let outputs: Int
        let inputs: Int
        /// A term that is added before packing.
        let lowRank: LowRank?
    }

    private let weights: [Weight]
    /// Offsets of the packed weights in either direction.
    private let offsets: [(forward: Int, backward: Int)]
    /// One buffer serves both directions in turn, because the forward pass has ended when the backward pass begins. Two
    /// buffers are needed if a backward pass recomputes activations.
    private var forwards = Direction()
    private var backwards = Direction()

    /// All weights, packed for one direction.
    private struct Direction {
        var count = 0
        var buffer: FloatBuffer?
        var isCurrent = false

        var pointer: UnsafeMutablePointer<Float> {
            guard let buffer else { preconditionFailure("prepare comes first") }
            return buffer.pointer
        }
    }

    init(_ weights: [Weight]) {
        self.weights = weights
        var offsets: [(Int, Int)] = []
        for weight in weights {
            offsets.append((forwards.count, backwards.count))
            forwards.count += mafin_packed_size(weight.outputs, weight.inputs)
            backwards.count += mafin_packed_size(weight.inputs, weight.outputs)
        }
        self.offsets = offsets
    }

    /// Floats of the weights in one direction.
    var count: Int { max(forwards.count, backwards.count) }

    func invalidate() {
        forwards.isCurrent = false
        backwards.isCurrent = false
    }

    /// Packs what is out of date.
    ///
    /// - Parameters:
    ///   - forward: whether ``forward(_:columns:rows:_:into:)`` will be called.
    ///   - backward: whether ``backward(_:rows:_:into:adding:)`` will be called.
    func prepare(from parameters: FloatBuffer, forward: Bool, backward: Bool) {
        if forward { pack(parameters, forward: true, &forwards, &backwards, isOtherNeeded: backward) }
        if backward { pack(parameters, forward: false, &backwards, &forwards, isOtherNeeded: forward) }
    }

    /// Packs for one direction. Uses its own buffer, or the other direction's buffer if that is not needed, or a new
    /// one.
    private func pack(
        _ parameters: FloatBuffer, forward: Bool, _ own: inout Direction, _ other: inout Direction, isOtherNeeded: Bool
    ) {
        guard !own.isCurrent else { return }
        if own.buffer == nil, !isOtherNeeded, let taken = other.buffer, taken.count >= own.count {
            own.buffer = taken
            other = Direction(count: other.count)
        }
        let out = own.buffer ?? FloatBuffer(count: max(own.count, other.count))
        own.buffer = out
        own.isCurrent = true
        let (weights, offsets) = (weights, offsets)
        parallelFor(weights.count) { index in
            let weight = weights[index]
            let (columns, depth) = forward ? (weight.outputs, weight.inputs) : (weight.inputs, weight.outputs)
            let packed = out.pointer + (forward ? offsets[index].forward : offsets[index].backward)
            func pack(_ values: UnsafePointer<Float>) {
                mafin_pack(forward, columns, depth, values, weight.inputs, packed)
            }
            guard let lowRank = weight.lowRank else { return pack(parameters.pointer + weight.source) }
            let sum = FloatBuffer(count: weight.outputs * weight.inputs)
            sum.pointer.update(from: parameters.pointer + weight.source, count: sum.count)
            lowRank.add(to: sum.pointer, inputs: weight.inputs, parameters.pointer)
            pack(sum.pointer)
        }
    }

    /// y = x · Wᵀ over `rows` rows of x `(rows, inputs)`; y is `(rows, outputs)`.
    /// - Parameter columns: the columns to compute, which begin at a multiple of ``columnTile``.
    func forward(
        _ index: Int, columns: Range<Int>, rows: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
    ) {
        let weight = weights[index]
        mafin_sgemm_packed_columns(
            false, rows, weight.outputs, weight.inputs, columns.lowerBound, columns.count, 1, x, weight.inputs,
            forwards.pointer + offsets[index].forward, 0, y + columns.lowerBound, weight.outputs)
    }

    /// A part of a product's columns must begin at a multiple of this.
    static var columnTile: Int { mafin_packed_columns(1) }

    /// dx = dy · W, or dx += dy · W if `adding`, over `rows` rows of dy `(rows, outputs)`; dx is `(rows, inputs)`.
    func backward(
        _ index: Int, rows: Int, _ dy: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>, adding: Bool
    ) {
        let weight = weights[index]
        mafin_sgemm_packed(
            false, rows, weight.inputs, weight.outputs, 1, dy, weight.outputs,
            backwards.pointer + offsets[index].backward, adding ? 1 : 0, dx, weight.inputs)
    }
}
