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

    let chunk: Chunk
    let input: Input
    let parameters: UnsafePointer<Float>
    let packed: PackedWeights
    let dropout: Dropout
    let activations: Activations
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
        _ chunk: Chunk, input: Input, parameters: UnsafePointer<Float>, packed: PackedWeights,
        dropout: Dropout,
        _ activations: Activations, _ workspace: Workspace, scratch: Workspace,
        inputs: (layer: Int, rows: UnsafePointer<Float>)? = nil
    ) {
        self.chunk = chunk
        self.input = input
        self.parameters = parameters
        self.packed = packed
        self.dropout = dropout
        self.activations = activations
        self.workspace = workspace
        self.scratch = scratch
        self.inputs = inputs
    }

    var clock: OperationClock? { scratch.clock }

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
