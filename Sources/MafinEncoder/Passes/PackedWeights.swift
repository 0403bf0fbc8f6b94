import CMafinKernels
import MafinNumerics

/// The weight matrices of all linear layers in the layout of the matrix products of one precision. They are packed once after each change
/// and shared by all threads.
final class PackedWeights: @unchecked Sendable {
    /// A weight (outputs, inputs), packed for y = x · Wᵀ and, for training, for dx = dy · W.
    struct Weight: Sendable {
        let source: Int
        let outputs: Int
        let inputs: Int
        /// A term that is added before packing.
        let lowRank: LowRank?
    }

    /// The numbers of the products.
    let precision: Precision
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

    init(_ weights: [Weight], _ precision: Precision) {
        self.precision = precision
        self.weights = weights
        var offsets: [(Int, Int)] = []
        for weight in weights {
            offsets.append((forwards.count, backwards.count))
            forwards.count += precision.packedSize(columns: weight.outputs, depth: weight.inputs)
            backwards.count += precision.packedSize(columns: weight.inputs, depth: weight.outputs)
        }
        self.offsets = offsets
    }

    /// Room for the weights in one direction, in floats.
    var count: Int { max(forwards.count, backwards.count) }

    func invalidate() {
        forwards.isCurrent = false
        backwards.isCurrent = false
    }

    /// Packs what is out of date.
    ///
    /// - Parameters:
    ///   - forward: whether ``forward(_:columns:rows:_:_:into:)`` will be called.
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
        let (weights, offsets, precision) = (weights, offsets, precision)
        parallelFor(weights.count) { index in
            let weight = weights[index]
            let (columns, depth) = forward ? (weight.outputs, weight.inputs) : (weight.inputs, weight.outputs)
            let packed = out.pointer + (forward ? offsets[index].forward : offsets[index].backward)
            func pack(_ values: UnsafePointer<Float>) {
                precision.pack(
                    transposed: forward, columns: columns, depth: depth, values, stride: weight.inputs, into: packed)
            }
            guard let lowRank = weight.lowRank else { return pack(parameters.pointer + weight.source) }
            let sum = FloatBuffer(count: weight.outputs * weight.inputs)
            sum.pointer.update(from: parameters.pointer + weight.source, count: sum.count)
            lowRank.add(to: sum.pointer, inputs: weight.inputs, parameters.pointer)
            pack(sum.pointer)
        }
    }

    /// What is done with a product before it is written.
    struct Epilogue {
        /// Added to every row; the number of the first column that is computed is added to the address.
        var bias: UnsafePointer<Float>?
        var gelu = false
    }

    /// y = x · Wᵀ over `rows` rows of x `(rows, inputs)`; y is `(rows, outputs)`.
    /// - Parameters:
    ///   - columns: the columns to compute, which begin at a multiple of ``columnTile``.
    ///   - epilogue: what follows; nothing in single precision, where operations of their own do it.
    func forward(
        _ index: Int, columns: Range<Int>, rows: Int, _ x: UnsafePointer<Float>, _ epilogue: Epilogue = Epilogue(),
        into y: UnsafeMutablePointer<Float>
    ) {
        let weight = weights[index]
        let (first, count) = (columns.lowerBound, columns.count)
        let packed = forwards.pointer + offsets[index].forward
        var last = mafin_epilogue()
        last.bias = epilogue.bias.map { $0 + first }
        last.gelu = epilogue.gelu
        switch precision {
        case .float32:
            mafin_sgemm_packed_columns(
                false, rows, weight.outputs, weight.inputs, first, count, 1, x, weight.inputs, packed, 0, y + first,
                weight.outputs)
        case .bfloat16:
            mafin_bfloat16_linear(
                rows, weight.inputs, first, count, x, weight.inputs, UnsafePointer(packed.bfloat16), &last,
                y + first, weight.outputs)
        case .int8:
            mafin_int8_linear(
                rows, weight.outputs, weight.inputs, first, count, x, weight.inputs, packed, &last, y + first,
                weight.outputs)
        }
    }

    /// A part of a product's columns must begin at a multiple of this, whatever the precision.
    static var columnTile: Int { max(16, mafin_packed_columns(1)) }

    /// dx = dy · W, or dx += dy · W if `adding`, over `rows` rows of dy `(rows, outputs)`; dx is `(rows, inputs)`.
    func backward(
        _ index: Int, rows: Int, _ dy: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>, adding: Bool
    ) {
        let weight = weights[index]
        let packed = backwards.pointer + offsets[index].backward
        switch precision {
        case .float32:
            mafin_sgemm_packed(
                false, rows, weight.inputs, weight.outputs, 1, dy, weight.outputs, packed, adding ? 1 : 0, dx,
                weight.inputs)
        case .bfloat16:
            var last = mafin_epilogue()
            if adding { (last.residual, last.residual_stride) = (UnsafePointer(dx), weight.inputs) }
            mafin_bfloat16_linear(
                rows, weight.outputs, 0, weight.inputs, dy, weight.outputs, UnsafePointer(packed.bfloat16),
                &last, dx, weight.inputs)
        case .int8: preconditionFailure("bytes are not for training")
        }
    }
}

extension Precision {
    /// Floats that hold a packed operand, `(depth, columns)`.
    fileprivate func packedSize(columns: Int, depth: Int) -> Int {
        // Operands of whole cache lines begin at cache lines.
        switch self {
        case .float32: mafin_packed_size(columns, depth)
        case .bfloat16: (mafin_bfloat16_packed_size(columns, depth) * MemoryLayout<UInt16>.stride + 63) / 64 * 16
        case .int8: (mafin_int8_packed_size(columns, depth) + 63) / 64 * 16
        }
    }

    /// Packs a weight `(outputs, inputs)` as the right operand of a product, `(depth, columns)`.
    fileprivate func pack(
        transposed: Bool, columns: Int, depth: Int, _ values: UnsafePointer<Float>, stride: Int,
        into packed: UnsafeMutablePointer<Float>
    ) {
        switch self {
        case .float32: mafin_pack(transposed, columns, depth, values, stride, packed)
        case .bfloat16:
            mafin_bfloat16_pack(
                transposed, columns, depth, values, stride, packed.bfloat16)
        case .int8: mafin_int8_pack(transposed, columns, depth, values, stride, packed)
        }
    }
}
