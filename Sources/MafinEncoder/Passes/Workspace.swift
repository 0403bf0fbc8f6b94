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
    /// Rows of a left operand of attention in bfloat16, and a right operand that is used once.
    private(set) var attentionRows = FloatBuffer(count: 0)
    private(set) var packedRows = FloatBuffer(count: 0)
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
    /// Gradients of the table of distances, which all layers add to.
    let distanceTableGradient: FloatBuffer
    /// Rows inside a low-rank term, and their gradients.
    private var lowRankRows = FloatBuffer(count: 0)
    /// A block of an image's patches, and a chunk's pooled vectors with their gradients.
    private var patchRows = FloatBuffer(count: 0)
    private var pooledRows = FloatBuffer(count: 0)
    /// Activations that are not kept from the forward to the backward pass.
    private(set) var transient = FloatBuffer(count: 0)
    private var transientHalved = FloatBuffer(count: 0)
    /// Operands of the gradient of a weight in bfloat16.
    private var gradientRows = FloatBuffer(count: 0)

    init(_ network: Network) {
        self.network = network
        smallGradients = FloatBuffer(count: network.smallCount)
        distanceTableGradient = FloatBuffer(count: network.distances?.count ?? 0)
    }

    /// Floats for a chunk of `tokens` tokens in training, without attention.
    static func trainingCount(_ network: Network, tokens: Int, longest: Int) -> Int {
        let (hidden, head) = (network.configuration.hiddenSize, network.configuration.headSize)
        let sizes = AttentionSizes(length: longest, head: head)
        let heads = 2 * sizes.transposed + 2 * sizes.plain + sizes.plainRows + sizes.rows + 2 * longest * head
        return tokens * (3 * hidden + network.wideWidth + 2 * network.lowRankWidth)
            + rowBlock * (hidden + network.wideWidth + network.patchWidth) + 3 * sizes.tile + heads
            + (network.hasDistances ? 4 * longest : 0)
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
        let sizes = AttentionSizes(length: length, head: network.configuration.headSize)
        attention = FloatBuffer(count: sizes.tile)
        attentionRows = FloatBuffer(count: sizes.rows)
        packedKeys = FloatBuffer(count: sizes.transposed)
        // One buffer serves plain and transposed values.
        packedValues = FloatBuffer(count: max(sizes.plain, sizes.transposed))
        if network.hasDistances { distances = FloatBuffer(count: 2 * length) }
        guard isForTraining else { return }
        droppedAttention = FloatBuffer(count: sizes.tile)
        attentionGradient = FloatBuffer(count: sizes.tile)
        packedRows = FloatBuffer(count: sizes.plainRows)
        packedKeyRows = FloatBuffer(count: sizes.plain)
        keyGradient = FloatBuffer(count: length * sizes.head)
        valueGradient = FloatBuffer(count: length * sizes.head)
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
    /// - Parameters:
    ///   - layers: layers with activations of their own; `nil`: all layers share those of one.
    ///   - shares: if all share, the number of layers whose activations exist at a time.
    func transientActivations(tokens: Int, keeping layers: Range<Int>? = nil, shares: Int = 1) -> Activations {
        let count = Activations.count(network, tokens: tokens, keeping: layers, shares: shares)
        if count > transient.count { transient = FloatBuffer(count: count) }
        return Activations(network, tokens: tokens, keeping: layers, shares: shares, storage: transient.pointer)
    }

    /// The same in bfloat16, in memory of their own.
    func transientHalves(tokens: Int, keeping layers: Range<Int>) -> HalvedActivations {
        let count = HalvedActivations.count(network, tokens: tokens, keeping: layers)
        if count > transientHalved.count { transientHalved = FloatBuffer(count: count) }
        return HalvedActivations(network, tokens: tokens, keeping: layers, storage: transientHalved.pointer)
    }

    /// Memory for the operands of a weight's gradient in bfloat16.
    func gradientOperands(left: Int, right: Int) -> (UnsafeMutablePointer<UInt16>, UnsafeMutablePointer<UInt16>) {
        // Each begins at a cache line.
        let offset = (left + 31) / 32 * 32
        let floats = (offset + right + 1) / 2
        if floats > gradientRows.count { gradientRows = FloatBuffer(count: floats) }
        return (gradientRows.bfloat16, gradientRows.bfloat16 + offset)
    }
}

/// Floats of the buffers of one head of attention, enough for products in single precision and in bfloat16.
private struct AttentionSizes {
    let head: Int
    /// Weights of one tile of queries; a row is as long as the longest text.
    let tile: Int
    /// Keys or values as a right operand, transposed and plain.
    let transposed: Int
    let plain: Int
    /// One tile's rows as a right operand, `(rows, headSize)`.
    let plainRows: Int
    /// A left operand: rows of one tile, as long as a head or as the text, or the text's columns, as long as the tile has rows.
    let rows: Int

    init(length: Int, head: Int) {
        func floats(_ halves: Int) -> Int { (halves + 1) / 2 }
        self.head = head
        let height = min(Workspace.rowBlock, length)
        tile = height * max(mafin_packed_columns(length), (length + 15) / 16 * 16)
        transposed = max(mafin_packed_size(length, head), floats(mafin_bfloat16_packed_size(length, head)))
        plain = max(mafin_packed_size(head, length), floats(mafin_bfloat16_packed_size(head, length)))
        plainRows = floats(mafin_bfloat16_packed_size(head, height))
        rows = floats(
            [(height, head), (height, length), (length, height)].map { mafin_bfloat16_rows_size($0.0, $0.1) }.max() ?? 0
        )
    }
}
