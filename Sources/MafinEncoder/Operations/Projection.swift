import CMafinKernels

/// embedding = pooled · Wᵀ: the linear layer behind the pooling, into the space that CLIP's images share with its texts.
struct Projection: Sendable {
    /// Offset of the weight, `(outputs, inputs)`.
    let weight: Int
    let outputs: Int
    let inputs: Int
    let isTrained: Bool

    /// - Parameters:
    ///   - pooled: `(rows, inputs)`;  y: `(rows, outputs)`
    func forward(
        _ rows: Int, _ pooled: UnsafePointer<Float>, _ parameters: UnsafePointer<Float>,
        into y: UnsafeMutablePointer<Float>
    ) {
        mafin_sgemm(false, true, rows, outputs, inputs, 1, pooled, inputs, parameters + weight, inputs, 0, y, outputs)
    }

    /// dpooled = dy · W.
    func backward(
        _ rows: Int, _ dy: UnsafePointer<Float>, _ parameters: UnsafePointer<Float>,
        into dpooled: UnsafeMutablePointer<Float>
    ) {
        mafin_sgemm(
            false, false, rows, inputs, outputs, 1, dy, outputs, parameters + weight, inputs, 0, dpooled, inputs)
    }

    /// dW += dyᵀ · pooled, or dW = dyᵀ · pooled unless `isAdding`.
    func accumulate(
        _ rows: Int, dy: UnsafePointer<Float>, pooled: UnsafePointer<Float>, isAdding: Bool,
        into gradients: UnsafeMutablePointer<Float>
    ) {
        mafin_sgemm(
            true, false, outputs, inputs, rows, 1, dy, outputs, pooled, inputs, isAdding ? 1 : 0, gradients + weight,
            inputs)
    }
}
