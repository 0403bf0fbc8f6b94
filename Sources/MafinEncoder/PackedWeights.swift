import CMafinKernels
import MafinNumerics

/// The layers' weight matrices in the layout of the matrix products. Packed once after each change and shared by all threads.
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
    private var forwardCount = 0
    private var backwardCount = 0
    /// One buffer serves both directions in turn, since a forward pass has ended when the backward pass begins. Two are needed where a
    /// backward pass computes activations again.
    private var forwardBuffer: FloatBuffer?
    private var backwardBuffer: FloatBuffer?
    private var forwardIsCurrent = false
    private var backwardIsCurrent = false

    init(_ configuration: EncoderConfiguration, _ layout: ParameterLayout) {
        let hidden = configuration.hiddenSize
        let intermediate = configuration.intermediateSize
        var forwardCount = 0
        var backwardCount = 0
        func weight(_ source: Int, _ outputs: Int, _ inputs: Int) -> Weight {
            defer {
                forwardCount += mafin_packed_size(outputs, inputs)
                backwardCount += mafin_packed_size(inputs, outputs)
            }
            return Weight(
                source: source, outputs: outputs, inputs: inputs, forward: forwardCount, backward: backwardCount)
        }
        layers = layout.layers.map { layer in
            Layer(
                queryKeyValue: weight(layer.queryKeyValueWeight, 3 * hidden, hidden),
                attentionOutput: weight(layer.attentionOutputWeight, hidden, hidden),
                up: weight(layer.upWeight, intermediate, hidden),
                down: weight(layer.downWeight, hidden, intermediate))
        }
        self.forwardCount = forwardCount
        self.backwardCount = backwardCount
    }

    func invalidate() {
        forwardIsCurrent = false
        backwardIsCurrent = false
    }

    /// Packs what is out of date.
    ///
    /// - Parameters:
    ///   - forward: whether ``forward(_:rows:_:into:)`` will be called.
    ///   - backward: whether ``backward(_:rows:_:into:adding:)`` will be called.
    func prepare(from parameters: FloatBuffer, forward: Bool, backward: Bool) {
        if forward, !forwardIsCurrent {
            let out = buffer(&forwardBuffer, forwardCount, from: &backwardBuffer, unless: backward, &backwardIsCurrent)
            pack { weight in
                mafin_pack(
                    true, weight.outputs, weight.inputs, parameters.pointer + weight.source, weight.inputs,
                    out.pointer + weight.forward)
            }
            forwardIsCurrent = true
        }
        if backward, !backwardIsCurrent {
            let out = buffer(&backwardBuffer, backwardCount, from: &forwardBuffer, unless: forward, &forwardIsCurrent)
            pack { weight in
                mafin_pack(
                    false, weight.inputs, weight.outputs, parameters.pointer + weight.source, weight.inputs,
                    out.pointer + weight.backward)
            }
            backwardIsCurrent = true
        }
    }

    /// A buffer for one direction's weights: its own, the other direction's if that is not needed, or a new one.
    private func buffer(
        _ own: inout FloatBuffer?, _ count: Int, from other: inout FloatBuffer?, unless isNeeded: Bool,
        _ otherIsCurrent: inout Bool
    ) -> FloatBuffer {
        if own == nil, !isNeeded, let taken = other, taken.count >= count {
            own = taken
            other = nil
            otherIsCurrent = false
        }
        let buffer = own ?? FloatBuffer(count: max(forwardCount, backwardCount))
        own = buffer
        return buffer
    }

    private func pack(_ body: @Sendable (Weight) -> Void) {
        let all = layers.flatMap { [$0.queryKeyValue, $0.attentionOutput, $0.up, $0.down] }
        parallelFor(all.count) { body(all[$0]) }
    }

    private var forwardPointer: UnsafeMutablePointer<Float> {
        guard let buffer = forwardBuffer else { preconditionFailure("prepare comes first") }
        return buffer.pointer
    }

    /// y = x · Wᵀ over `rows` rows of x `(rows, inputs)`; y is `(rows, outputs)`.
    func forward(_ weight: Weight, rows: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>) {
        mafin_sgemm_packed(
            false, rows, weight.outputs, weight.inputs, 1, x, weight.inputs, forwardPointer + weight.forward, 0,
            y, weight.outputs)
    }

    /// Some columns of that product, from a multiple of ``columnTile`` on. `y` is the result of all columns.
    func forward(
        _ weight: Weight, columns: Range<Int>, rows: Int, _ x: UnsafePointer<Float>,
        into y: UnsafeMutablePointer<Float>
    ) {
        mafin_sgemm_packed_columns(
            false, rows, weight.outputs, weight.inputs, columns.lowerBound, columns.count, 1, x, weight.inputs,
            forwardPointer + weight.forward, 0, y + columns.lowerBound, weight.outputs)
    }

    /// A part of a product's columns must begin at a multiple of this.
    static var columnTile: Int { mafin_packed_columns(1) }

    /// dx = dy · W, or dx += dy · W if `adding`, over `rows` rows of dy `(rows, outputs)`; dx is `(rows, inputs)`.
    func backward(
        _ weight: Weight, rows: Int, _ dy: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>,
        adding: Bool = false
    ) {
        guard let buffer = backwardBuffer else { preconditionFailure("prepare comes first") }
        mafin_sgemm_packed(
            false, rows, weight.inputs, weight.outputs, 1, dy, weight.outputs, buffer.pointer + weight.backward,
            adding ? 1 : 0, dx, weight.inputs)
    }
}
