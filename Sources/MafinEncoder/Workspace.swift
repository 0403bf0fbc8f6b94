import CMafinKernels

/// Scratch memory of one thread, reused from chunk to chunk and from call to call.
final class Workspace {
    /// Number of rows that go through a layer's dense part together, and of query rows of one attention tile. It is
    /// small enough for the second-level cache, and a multiple of the rows of every instruction set's product tile.
    static let rowBlock = 96
    /// Number of query rows of one attention tile in a forward pass.
    static let forwardTile = 48

    private let configuration: EncoderConfiguration
    private var tokenCapacity = 0
    private var lengthCapacity = 0
    private var isForTraining = false

    /// Times the thread's operations; `nil`: not timed.
    var clock: OperationClock?

    /// `(tokens, hidden)`: a layer's input and output.
    private(set) var hidden = FloatBuffer(count: 0)
    /// `(rowBlock, hidden)`: the output of a dense layer before its norm.
    let dense: FloatBuffer
    /// After GELU: `(rowBlock, intermediate)`, or `(tokens, intermediate)` in training and cooperative passes.
    private(set) var activated = FloatBuffer(count: 0)
    /// `(rowBlock, longest text)`: attention weights; in training also the weights after dropout, and the gradients.
    private(set) var attention = FloatBuffer(count: 0)
    private(set) var droppedAttention = FloatBuffer(count: 0)
    private(set) var attentionGradient = FloatBuffer(count: 0)
    /// `(rowBlock)`: factors that make a row's attention weights sum to 1.
    let attentionScale = FloatBuffer(count: rowBlock)
    /// Packed keys and values of one head, plain and transposed.
    private(set) var packedKeys = FloatBuffer(count: 0)
    private(set) var packedValues = FloatBuffer(count: 0)
    private(set) var packedKeyRows = FloatBuffer(count: 0)
    /// Gradients, training only: of a layer's output before and after dropout, `(tokens, hidden)`; after GELU, `(rowBlock, intermediate)`.
    private(set) var gradient = FloatBuffer(count: 0)
    private(set) var droppedGradient = FloatBuffer(count: 0)
    private(set) var activatedGradient = FloatBuffer(count: 0)
    /// Gradients of a layer's biases and norms: `(9 · hidden + intermediate)`.
    let smallGradients: FloatBuffer
    /// Activations that are not kept from the forward to the backward pass.
    private(set) var transient = FloatBuffer(count: 0)

    init(_ configuration: EncoderConfiguration) {
        self.configuration = configuration
        dense = FloatBuffer(count: Self.rowBlock * configuration.hiddenSize)
        smallGradients = FloatBuffer(count: 9 * configuration.hiddenSize + configuration.intermediateSize)
    }

    /// Grows the buffers for a chunk of `tokens` tokens whose longest text has `longest` tokens.
    /// - Parameter activatedRows: the least number of rows of `activated`.
    func reserve(tokens: Int, longest: Int, training: Bool, activatedRows: Int = rowBlock) {
        let hiddenSize = configuration.hiddenSize
        let startsTraining = training && !isForTraining
        isForTraining = isForTraining || training
        // From the first training pass on, the gradient buffers grow with the other buffers, so that one capacity
        // covers all.
        if tokens > tokenCapacity || startsTraining {
            tokenCapacity = max(tokens, tokenCapacity)
            hidden = FloatBuffer(count: tokenCapacity * hiddenSize)
            if isForTraining {
                gradient = FloatBuffer(count: tokenCapacity * hiddenSize)
                droppedGradient = FloatBuffer(count: tokenCapacity * hiddenSize)
                activatedGradient = FloatBuffer(count: Self.rowBlock * configuration.intermediateSize)
            }
        }
        let activatedCount =
            max(activatedRows, isForTraining ? tokenCapacity : Self.rowBlock) * configuration.intermediateSize
        if activatedCount > activated.count { activated = FloatBuffer(count: activatedCount) }
        if longest > lengthCapacity || startsTraining {
            lengthCapacity = max(longest, lengthCapacity)
            let tile = min(Self.rowBlock, lengthCapacity) * mafin_packed_columns(lengthCapacity)
            let head = configuration.headSize
            attention = FloatBuffer(count: tile)
            packedKeys = FloatBuffer(count: mafin_packed_size(lengthCapacity, head))
            // One buffer serves plain and transposed values.
            packedValues = FloatBuffer(
                count: max(mafin_packed_size(head, lengthCapacity), mafin_packed_size(lengthCapacity, head)))
            if isForTraining {
                droppedAttention = FloatBuffer(count: tile)
                attentionGradient = FloatBuffer(count: tile)
                packedKeyRows = FloatBuffer(count: mafin_packed_size(head, lengthCapacity))
            }
        }
    }

    /// Activations that the thread's next chunk overwrites.
    /// - Parameter layers: layers with activations of their own; `nil`: all layers share those of one.
    func transientActivations(tokens: Int, keeping layers: Range<Int>? = nil) -> Activations {
        let count = Activations.count(configuration, tokens: tokens, layers: layers?.count ?? 1)
        if count > transient.count { transient = FloatBuffer(count: count) }
        return Activations(configuration, tokens: tokens, keeping: layers, storage: transient.pointer)
    }
}
