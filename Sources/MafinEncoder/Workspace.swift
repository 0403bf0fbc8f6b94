import CMafinKernels

/// Scratch memory of one thread, reused from chunk to chunk and from call to call.
final class Workspace {
    /// Rows that go through a layer's dense part together, and query rows of one attention tile: their vectors stay in the
    /// second-level cache. A multiple of the rows of every instruction set's product tile.
    static let rowBlock = 96
    /// Query rows of one attention tile when nothing is kept of it: half as many stay nearer.
    static let forwardTile = 48

    private let configuration: EncoderConfiguration
    private var tokenCapacity = 0
    private var lengthCapacity = 0
    private var isForTraining = false

    /// Times the thread's operations, if that is wanted.
    var clock: OperationClock?

    /// `(tokens, hidden)`: a layer's input and output.
    private(set) var hidden = FloatBuffer(count: 0)
    /// `(rowBlock, hidden)`: the output of a dense layer before its norm.
    let dense: FloatBuffer
    /// `(rowBlock, intermediate)` or, for training and teams, `(tokens, intermediate)`: after GELU.
    private(set) var activated = FloatBuffer(count: 0)
    /// `(rowBlock, longest text)`: attention weights, and in training what dropout left of them, and their gradients.
    private(set) var attention = FloatBuffer(count: 0)
    private(set) var droppedAttention = FloatBuffer(count: 0)
    private(set) var attentionGradient = FloatBuffer(count: 0)
    /// `(rowBlock)`: what brings attention weights to a sum of 1.
    let attentionScale = FloatBuffer(count: rowBlock)
    /// Packed keys and values of one head, as they stand and transposed.
    private(set) var packedKeys = FloatBuffer(count: 0)
    private(set) var packedValues = FloatBuffer(count: 0)
    private(set) var packedKeyRows = FloatBuffer(count: 0)
    /// Gradients, training only: `(tokens, hidden)` of a layer's output, and behind dropout; `(rowBlock, intermediate)`.
    private(set) var gradient = FloatBuffer(count: 0)
    private(set) var droppedGradient = FloatBuffer(count: 0)
    private(set) var activatedGradient = FloatBuffer(count: 0)
    /// Of a layer's biases and norms: `(9 · hidden + intermediate)`.
    let smallGradients: FloatBuffer
    /// Activations of a chunk that are not kept from its forward to its backward pass.
    private(set) var transient = FloatBuffer(count: 0)

    init(_ configuration: EncoderConfiguration) {
        self.configuration = configuration
        dense = FloatBuffer(count: Self.rowBlock * configuration.hiddenSize)
        smallGradients = FloatBuffer(count: 9 * configuration.hiddenSize + configuration.intermediateSize)
    }

    /// Makes room for a chunk of `tokens` tokens whose longest text has `longest`.
    /// - Parameter activatedRows: rows that `activated` has at least.
    func reserve(tokens: Int, longest: Int, training: Bool, activatedRows: Int = rowBlock) {
        let hiddenSize = configuration.hiddenSize
        let startsTraining = training && !isForTraining
        isForTraining = isForTraining || training
        // Once there are gradients, they grow with the rest, or a capacity would promise room that they do not have.
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
            // The same room serves values as they stand and transposed.
            packedValues = FloatBuffer(
                count: max(mafin_packed_size(head, lengthCapacity), mafin_packed_size(lengthCapacity, head)))
            if isForTraining {
                droppedAttention = FloatBuffer(count: tile)
                attentionGradient = FloatBuffer(count: tile)
                packedKeyRows = FloatBuffer(count: mafin_packed_size(head, lengthCapacity))
            }
        }
    }

    /// Room for activations that are gone when the thread takes its next chunk.
    /// - Parameter layers: which are kept apart; `nil`: one layer's worth is shared by all.
    func transientActivations(tokens: Int, keeping layers: Range<Int>? = nil) -> Activations {
        let count = Activations.count(configuration, tokens: tokens, layers: layers?.count ?? 1)
        if count > transient.count { transient = FloatBuffer(count: count) }
        return Activations(configuration, tokens: tokens, keeping: layers, storage: transient.pointer)
    }
}
