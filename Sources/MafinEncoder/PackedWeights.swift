import CMafinKernels
import MafinNumerics

/// The layers' weight matrices in the layout of the matrix products. They are packed once after each change and shared
/// by all threads.
final class PackedWeights: @unchecked Sendable {
    /// A weight (outputs, inputs), packed for y = x · Wᵀ and, for training, for dx = dy · W.
    struct Weight: Sendable {
        var source: Int
        var outputs: Int
        var inputs: Int
        var forward: Int
        var backward: Int
    }

    struct Layer: Sendable {
        var queryKeyValue: Weight
        var attentionOutput: Weight
        var up: Weight
        var down: Weight
    }

    private(set) var layers: [Layer] = []
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

    init(_ configuration: EncoderConfiguration, _ layout: ParameterLayout) {
        let hidden = configuration.hiddenSize
        let intermediate = configuration.intermediateSize
        func weight(_ source: Int, _ outputs: Int, _ inputs: Int) -> Weight {
            defer {
                forwards.count += mafin_packed_size(outputs, inputs)
                backwards.count += mafin_packed_size(inputs, outputs)
            }
            return Weight(
                source: source, outputs: outputs, inputs: inputs, forward: forwards.count, backward: backwards.count)
        }
        layers = layout.layers.map { layer in
            Layer(
                queryKeyValue: weight(layer.queryKeyValueWeight, 3 * hidden, hidden),
                attentionOutput: weight(layer.attentionOutputWeight, hidden, hidden),
                up: weight(layer.upWeight, intermediate, hidden),
                down: weight(layer.downWeight, hidden, intermediate))
        }
    }

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
        let all = layers.flatMap { [$0.queryKeyValue, $0.attentionOutput, $0.up, $0.down] }
        parallelFor(all.count) { index in
            let weight = all[index]
            let (columns, depth) = forward ? (weight.outputs, weight.inputs) : (weight.inputs, weight.outputs)
            mafin_pack(
                forward, columns, depth, parameters.pointer + weight.source, weight.inputs,
                out.pointer + (forward ? weight.forward : weight.backward))
        }
    }

    /// y = x · Wᵀ over `rows` rows of x `(rows, inputs)`; y is `(rows, outputs)`.
    /// - Parameter columns: the columns to compute, which begin at a multiple of ``columnTile``; `nil`: all.
    func forward(
        _ weight: Weight, columns: Range<Int>? = nil, rows: Int, _ x: UnsafePointer<Float>,
        into y: UnsafeMutablePointer<Float>
    ) {
        let columns = columns ?? 0..<weight.outputs
        mafin_sgemm_packed_columns(
            false, rows, weight.outputs, weight.inputs, columns.lowerBound, columns.count, 1, x, weight.inputs,
            forwards.pointer + weight.forward, 0, y + columns.lowerBound, weight.outputs)
    }

    /// A part of a product's columns must begin at a multiple of this.
    static var columnTile: Int { mafin_packed_columns(1) }

    /// dx = dy · W, or dx += dy · W if `adding`, over `rows` rows of dy `(rows, outputs)`; dx is `(rows, inputs)`.
    func backward(
        _ weight: Weight, rows: Int, _ dy: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>,
        adding: Bool = false
    ) {
        mafin_sgemm_packed(
            false, rows, weight.inputs, weight.outputs, 1, dy, weight.outputs, backwards.pointer + weight.backward,
            adding ? 1 : 0, dx, weight.inputs)
    }
}
