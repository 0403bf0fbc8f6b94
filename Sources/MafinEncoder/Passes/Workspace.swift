import CMafinKernels

/// Scratch memory of one thread, reused from chunk to chunk and from call to call.
final class Workspace {
    /// Number of rows that go through a run of operations together, and of query rows of one attention tile. It is
    /// small enough for the second-level cache, and a multiple of the rows of every instruction set's product tile.
    static let rowBlock = 96
    /// Number of query rows of one attention tile in a forward pass.
    static let forwardTile = 48

    private let network: Network
    private var tokenCapacity = 0
    private var blockCapacity = 0
    private var lengthCapacity = 0
    private var isForTraining = false

    /// Times the thread's operations; `nil`: not timed.
    var clock: OperationClock?

    /// `(tokens, hidden)`: the residual stream; in the backward pass, inputs that are computed again and the gradient of attention's output.
    private(set) var stream = FloatBuffer(count: 0)
    /// `(rowBlock, hidden)` and `(rowBlock, widest feed-forward layer)`: values between operations of a run, and their gradients. In cooperative
    /// passes they hold all rows.
    private(set) var block = FloatBuffer(count: 0)
    private(set) var wideBlock = FloatBuffer(count: 0)
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
    /// `(longest text, headSize)`: gradients of one head's keys and values, training only.
    private(set) var keyGradient = FloatBuffer(count: 0)
    private(set) var valueGradient = FloatBuffer(count: 0)
    /// `(2 · longest text − 1)`: one head's numbers for distances, and their gradients.
    private(set) var distances = FloatBuffer(count: 0)
    private(set) var distanceGradient = FloatBuffer(count: 0)
    /// Training only: gradients of the stream and of a branch's output, `(tokens, hidden)`, and an activation's output, `(tokens, widest)`.
    private(set) var gradient = FloatBuffer(count: 0)
    private(set) var branchGradient = FloatBuffer(count: 0)
    private(set) var activated = FloatBuffer(count: 0)
    /// Gradients of a section's biases and norms.
    let smallGradients: FloatBuffer
    /// Rows inside a low-rank term, and their gradients.
    private var lowRankRows = FloatBuffer(count: 0)
    /// A block of an image's patches, and a chunk's pooled vectors with their gradients.
    private var patchRows = FloatBuffer(count: 0)
    private var pooledRows = FloatBuffer(count: 0)
    /// Activations that are not kept from the forward to the backward pass.
    private(set) var transient = FloatBuffer(count: 0)

    init(_ network: Network) {
        self.network = network
        smallGradients = FloatBuffer(count: network.smallCount)
    }

    /// Floats for a chunk of `tokens` tokens in training, without attention.
    static func trainingCount(_ network: Network, tokens: Int, longest: Int) -> Int {
        let (hidden, head) = (network.configuration.hiddenSize, network.configuration.headSize)
        let tile = rowBlock * mafin_packed_columns(longest)
        let heads = 2 * mafin_packed_size(longest, head) + 2 * mafin_packed_size(head, longest) + 2 * longest * head
        return tokens * (3 * hidden + network.wideWidth + 2 * network.lowRankWidth)
            + rowBlock * (hidden + network.wideWidth + network.patchWidth) + 3 * tile + heads + (network.hasDistances ? 4 * longest : 0)
    }

    /// Grows the buffers for a chunk of `tokens` tokens whose longest text has `longest` tokens.
    /// - Parameter blockRows: the least number of rows of a block.
    func reserve(tokens: Int, longest: Int, training: Bool, blockRows: Int = rowBlock) {
        let hidden = network.configuration.hiddenSize
        let startsTraining = training && !isForTraining
        isForTraining = isForTraining || training
        if blockRows > blockCapacity {
            blockCapacity = blockRows
            block = FloatBuffer(count: blockRows * hidden)
            wideBlock = FloatBuffer(count: blockRows * network.wideWidth)
        }
        // From the first training pass on, the gradient buffers grow with the other buffers, so that one capacity
        // covers all.
        if tokens > tokenCapacity || startsTraining {
            tokenCapacity = max(tokens, tokenCapacity)
            stream = FloatBuffer(count: tokenCapacity * hidden)
            if isForTraining {
                gradient = FloatBuffer(count: tokenCapacity * hidden)
                branchGradient = FloatBuffer(count: tokenCapacity * hidden)
                activated = FloatBuffer(count: tokenCapacity * network.wideWidth)
            }
        }
        if longest > lengthCapacity || startsTraining {
            lengthCapacity = max(longest, lengthCapacity)
            reserveAttention(lengthCapacity)
        }
    }

    private func reserveAttention(_ length: Int) {
        let tile = min(Self.rowBlock, length) * mafin_packed_columns(length)
        let head = network.configuration.headSize
        attention = FloatBuffer(count: tile)
        packedKeys = FloatBuffer(count: mafin_packed_size(length, head))
        // One buffer serves plain and transposed values.
        packedValues = FloatBuffer(count: max(mafin_packed_size(head, length), mafin_packed_size(length, head)))
        if network.hasDistances { distances = FloatBuffer(count: 2 * length) }
        guard isForTraining else { return }
        droppedAttention = FloatBuffer(count: tile)
        attentionGradient = FloatBuffer(count: tile)
        packedKeyRows = FloatBuffer(count: mafin_packed_size(head, length))
        keyGradient = FloatBuffer(count: length * head)
        valueGradient = FloatBuffer(count: length * head)
        if network.hasDistances { distanceGradient = FloatBuffer(count: 2 * length) }
    }

    /// Memory for a block of patches.
    func patches(count: Int) -> UnsafeMutablePointer<Float> {
        if count > patchRows.count { patchRows = FloatBuffer(count: count) }
        return patchRows.pointer
    }

    /// Memory for pooled vectors and for their gradients.
    func pooled(count: Int) -> (rows: UnsafeMutablePointer<Float>, gradients: UnsafeMutablePointer<Float>) {
        if 2 * count > pooledRows.count { pooledRows = FloatBuffer(count: 2 * count) }
        return (pooledRows.pointer, pooledRows.pointer + count)
    }

    /// Two pieces of memory for rows inside a low-rank term.
    func lowRank(count: Int) -> (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) {
        if 2 * count > lowRankRows.count { lowRankRows = FloatBuffer(count: 2 * count) }
        return (lowRankRows.pointer, lowRankRows.pointer + count)
    }

    /// Activations that the thread's next chunk overwrites.
    /// - Parameter layers: layers with activations of their own; `nil`: all layers share those of one.
    func transientActivations(tokens: Int, keeping layers: Range<Int>? = nil) -> Activations {
        let count = Activations.count(network, tokens: tokens, keeping: layers)
        if count > transient.count { transient = FloatBuffer(count: count) }
        return Activations(network, tokens: tokens, keeping: layers, storage: transient.pointer)
    }
}
