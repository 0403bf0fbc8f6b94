import CMafinKernels

/// One step of a network: its forward and its backward pass, side by side.
///
/// A network is a list of operations on the residual stream. Most work on any rows (tokens) alone, so a chunk goes through a
/// run of them in blocks of rows that stay in a core's cache. Attention needs whole texts.
protocol Operation: Sendable {
    /// Whether a row of the output depends only on the same row of the input.
    var isRowwise: Bool { get }
    /// How threads share the operation when they share one chunk.
    var sharing: Sharing { get }
    /// Whether a branch ends here: what the backward pass kept for it is free afterwards.
    var endsBranch: Bool { get }

    /// Computes the given rows of the output.
    ///
    /// - Parameter columns: the columns of the output to compute; `nil`: all. An operation that shares rows or nothing gets `nil`. Attention
    ///   counts heads, not columns.
    func forward(_ rows: Range<Int>, columns: [Range<Int>]?, _ frame: Frame)

    /// Computes the gradient of the given rows of the input from that of the output, and adds to the chunk's gradients of biases and norms.
    ///
    /// Gradients may overwrite what was kept of the forward pass.
    func backward(_ rows: Range<Int>, _ frame: Frame)

    /// Adds the chunk's gradients of the weight matrices. Called once after ``backward(_:_:)`` has had all rows.
    func accumulate(_ frame: Frame, into sink: GradientSink)
}

extension Operation {
    var isRowwise: Bool { true }
    var sharing: Sharing { .rows }
    var endsBranch: Bool { false }
    func accumulate(_ frame: Frame, into sink: GradientSink) {}
}

/// How threads share an operation of one chunk.
enum Sharing: Sendable {
    /// Each thread takes some rows.
    case rows
    /// Each thread takes some of `count` columns of the output, at multiples of `grain`.
    case columns(count: Int, grain: Int)
    /// Each thread takes some of `count` columns, or heads. A unit reads only the columns of the input that `inputs` gives, so the thread can
    /// compute them first, without waiting for others.
    case columnsWithInput(count: Int, grain: Int, inputs: @Sendable (Range<Int>) -> [Range<Int>])
}

/// Where a value of the network is while a chunk goes through it.
enum Place: Sendable, Equatable {
    /// The residual stream, `(tokens, hidden)`. The backward pass uses its memory for inputs that it computes again.
    case stream
    /// A slot of the layer, kept from the forward to the backward pass.
    case kept(Int)
    /// Scratch memory for one block of rows: as wide as the stream, or as wide as a feed-forward layer.
    case block, wideBlock
    /// The gradient of the stream, `(tokens, hidden)`.
    case streamGradient
    /// The gradient of what a branch adds to the stream, `(tokens, hidden)`.
    case branchGradient
    /// The output of an activation, computed again in the backward pass, for all rows.
    case activated
}

/// Everything that operations find while one thread takes one chunk through the network.
final class Frame {
    /// The inputs of a chunk.
    enum Input {
        /// Token ids.
        case tokens(UnsafePointer<Int32>)
        /// Normalised pixels, `(images, 3, side, side)`.
        case pixels(UnsafePointer<Float>)
    }

    /// What a pass is for.
    enum Purpose: Sendable { case embedding, training }

    let purpose: Purpose
    let chunk: Chunk
    let input: Input
    let parameters: UnsafePointer<Float>
    /// The weights, in the precision of the pass.
    let packed: PackedWeights
    let dropout: Dropout
    let activations: Activations
    /// Where a training pass in bfloat16 keeps activations; `nil`: ``activations`` are kept, or none.
    let halved: HalvedActivations?
    /// The memory of the network's values.
    let workspace: Workspace
    /// The thread's own memory. It is another one only when threads share a chunk.
    let scratch: Workspace
    /// The first layer that is trained and its input, for the rows of the chunk; `nil` if no layer is frozen.
    let inputs: (layer: Int, rows: UnsafePointer<Float>)?
    /// The layer that runs.
    var layer = 0
    /// The first row of the block that runs.
    var blockStart = 0

    init(
        _ purpose: Purpose, _ chunk: Chunk, input: Input, parameters: UnsafePointer<Float>, packed: PackedWeights,
        dropout: Dropout,
        _ activations: Activations, _ workspace: Workspace, scratch: Workspace,
        halved: HalvedActivations? = nil, inputs: (layer: Int, rows: UnsafePointer<Float>)? = nil
    ) {
        self.purpose = purpose
        self.chunk = chunk
        self.input = input
        self.parameters = parameters
        self.packed = packed
        self.dropout = dropout
        self.activations = activations
        self.workspace = workspace
        self.scratch = scratch
        self.halved = halved
        self.inputs = inputs
    }

    var clock: OperationClock? { scratch.clock }

    /// Whether a product includes the bias and the activation that follow it. In single precision they are operations of their own, and
    /// a backward pass needs the activation's input.
    var fusesActivations: Bool { packed.precision != .float32 && purpose == .embedding }

    /// Whether attention multiplies bfloat16. Beside bytes it does where that is faster, because its operands change with every text.
    var attendsInBFloat16: Bool {
        switch packed.precision {
        case .float32: false
        case .bfloat16: true
        case .int8: mafin_bfloat16_is_fast()
        }
    }

    /// Whether queries, keys and values are rounded to the numbers that are kept of them, so that the backward pass computes the weights of
    /// attention again from the same numbers.
    var roundsKept: Bool { packed.precision == .bfloat16 && purpose == .training }

    /// The beginning of a slot of the running layer.
    func kept(_ slot: Int) -> UnsafeMutablePointer<Float> { activations[layer, slot] }

    /// A row of a value with `width` columns.
    func row(_ row: Int, of place: Place, width: Int) -> UnsafeMutablePointer<Float> {
        switch place {
        case .stream: workspace.stream.pointer + row * width
        case .kept(let slot): kept(slot) + row * width
        case .block: workspace.block.pointer + (row - blockStart) * width
        case .wideBlock: workspace.wideBlock.pointer + (row - blockStart) * width
        case .streamGradient: workspace.gradient.pointer + row * width
        case .branchGradient: workspace.branchGradient.pointer + row * width
        case .activated: workspace.activated.pointer + row * width
        }
    }

    /// The place of a chunk's gradient of a bias or norm, at its offset in the running layer.
    func smallGradient(_ offset: Int) -> UnsafeMutablePointer<Float> { workspace.smallGradients.pointer + offset }
}

/// The index of a bias or norm: its offset among all parameters, and among the small gradients of its layer.
struct SmallParameter: Sendable {
    let offset: Int
    let count: Int
    let gradient: Int
}
