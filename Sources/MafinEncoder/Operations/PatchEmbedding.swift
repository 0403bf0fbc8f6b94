import CMafinKernels

/// The first rows of a vision network: an image's patches through a linear layer, behind the class token, each with its position
/// (Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", eq. 1).
///
/// The linear layer is a convolution whose stride is its kernel: a patch of p × p pixels in 3 channels is a row of 3 · p² numbers.
struct PatchEmbedding: Sendable {
    let width: Int
    let shape: ImageShape
    /// Offset of the class token, `(width)`.
    let classToken: Int
    /// Offset of the linear layer's weight, `(width, 3 · patch²)`, its index among packed weights, and the offset of its bias.
    let weight: Int
    let index: Int
    let bias: Int?
    let positions: ImagePositions
    /// The norm of the rows, in slots of its own; `nil`: none.
    let norm: Normalization?

    /// Sets the stream to the rows of the chunk's images.
    func forward(_ frame: Frame) {
        let stream = frame.workspace.stream.pointer
        let rows = norm.map { frame.kept($0.normalized) } ?? stream
        for image in 0..<frame.chunk.texts.count {
            let first = rows + frame.chunk.starts[image] * width
            first.update(from: frame.parameters + classToken, count: width)
            forEachBlock(of: image, frame) { patches, x in
                let y = first + (1 + patches.lowerBound) * width
                frame.packed.forward(index, columns: 0..<width, rows: patches.count, x, into: y)
                if let bias { mafin_add_bias(patches.count, width, y, frame.parameters + bias) }
            }
            positions.add(frame.parameters, to: first, width: width)
        }
        // In place: the normalised rows overwrite the rows.
        norm?.forward(
            0..<frame.chunk.tokens, rows, inputBias: nil, residual: nil, Dropout.noMask, frame, into: stream)
        drop(stream, frame)
    }

    /// Adds to the gradients of the parameters from ∂L/∂output, which is in the stream's gradient.
    /// - Parameter isAdding: whether the weight's gradient is added to what is there instead of overwriting it.
    func backward(_ frame: Frame, gradients: UnsafeMutablePointer<Float>, isAdding: Bool) {
        let d = frame.workspace.gradient.pointer
        drop(d, frame)
        norm?.backward(0..<frame.chunk.tokens, d, frame)
        var beta: Float = isAdding ? 1 : 0
        for image in 0..<frame.chunk.texts.count {
            let first = d + frame.chunk.starts[image] * width
            mafin_axpy(width, 1, first, gradients + classToken)
            positions.accumulate(first, width: width, into: gradients)
            if let bias { mafin_column_sum(shape.patches, width, first + width, gradients + bias) }
            forEachBlock(of: image, frame) { patches, x in
                mafin_sgemm(
                    true, false, width, shape.patchWidth, patches.count, 1,
                    first + (1 + patches.lowerBound) * width, width, x, shape.patchWidth, beta, gradients + weight,
                    shape.patchWidth)
                beta = 1
            }
        }
    }

    private func drop(_ rows: UnsafeMutablePointer<Float>, _ frame: Frame) {
        let mask = frame.dropout.mask(.embeddings, firstRow: frame.chunk.firstToken)
        if mask.threshold > 0 { mafin_apply_dropout(frame.chunk.tokens, width, rows, mask, rows) }
    }

    /// Calls `body` with blocks of an image's patches and their pixels, `(patches, 3 · patch²)`.
    private func forEachBlock(
        of image: Int, _ frame: Frame, _ body: (Range<Int>, UnsafePointer<Float>) -> Void
    ) {
        guard case .pixels(let pixels) = frame.input else { preconditionFailure("this network reads images") }
        let rows = frame.scratch.patches(count: Workspace.rowBlock * shape.patchWidth)
        for first in stride(from: 0, to: shape.patches, by: Workspace.rowBlock) {
            let patches = first..<min(first + Workspace.rowBlock, shape.patches)
            shape.unfold(pixels + image * shape.floats, patches, into: rows)
            body(patches, rows)
        }
    }
}

/// The square images that a vision network reads, and how they are cut into patches.
public struct ImageShape: Sendable, Equatable {
    /// Pixels of a side of an image. What is left of it if patches do not divide it is not read.
    public let side: Int
    /// Pixels of a side of a patch.
    public let patch: Int

    init(side: Int, patch: Int) {
        precondition(patch >= 1 && side >= patch, "an image has at least one patch")
        (self.side, self.patch) = (side, patch)
    }

    /// Colours.
    static let channels = 3

    /// Patches along a side.
    var grid: Int { side / patch }
    var patches: Int { grid * grid }
    /// Rows of the stream: the class token and the patches.
    public var tokens: Int { 1 + patches }
    /// Numbers of an image, `(3, side, side)`.
    public var floats: Int { Self.channels * side * side }
    /// Numbers of a patch, `(3, patch, patch)`.
    var patchWidth: Int { Self.channels * patch * patch }

    /// Copies patches, counted row by row, to rows of numbers in the order of a convolution's weight.
    func unfold(
        _ pixels: UnsafePointer<Float>, _ patches: Range<Int>, into rows: UnsafeMutablePointer<Float>
    ) {
        var out = rows
        for number in patches {
            let corner = pixels + (number / grid * side + number % grid) * patch
            for channel in 0..<Self.channels {
                for y in 0..<patch {
                    out.update(from: corner + (channel * side + y) * side, count: patch)
                    out += patch
                }
            }
        }
    }
}
