import CMafinKernels

/// Scratch memory of one thread, reused from chunk to chunk.
final class Workspace {
    /// Rows that go through a layer's dense part together: their feed-forward vectors stay in the second-level cache.
    static let rowBlock = 128
    /// Query rows of one attention tile.
    static let attentionTile = 128

    private let configuration: EncoderConfiguration
    private var tokenCapacity = 0
    private var lengthCapacity = 0
    private var isForTraining = false

    /// `(tokens, hidden)`: a layer's input and output.
    private(set) var hidden = FloatBuffer(count: 0)
    /// `(tokens, hidden)`: the output of a dense layer before its norm.
    private(set) var dense = FloatBuffer(count: 0)
    /// `(tokens, intermediate)`: after GELU.
    private(set) var activated = FloatBuffer(count: 0)
    /// `(attentionTile, longest text)`: attention weights, and in training what dropout left of them, and their gradients.
    private(set) var attention = FloatBuffer(count: 0)
    private(set) var droppedAttention = FloatBuffer(count: 0)
    private(set) var attentionGradient = FloatBuffer(count: 0)
    /// Packed keys and values of one head, as they stand and transposed.
    private(set) var packedKeys = FloatBuffer(count: 0)
    private(set) var packedValues = FloatBuffer(count: 0)
    private(set) var packedKeyRows = FloatBuffer(count: 0)
    /// Gradients, training only: `(tokens, hidden)` of a layer's output, behind dropout and of a context;
    /// `(tokens, intermediate)`; `(tokens, 3 · hidden)`.
    private(set) var gradient = FloatBuffer(count: 0)
    private(set) var droppedGradient = FloatBuffer(count: 0)
    private(set) var contextGradient = FloatBuffer(count: 0)
    private(set) var upGradient = FloatBuffer(count: 0)
    private(set) var queryKeyValueGradient = FloatBuffer(count: 0)

    init(_ configuration: EncoderConfiguration) {
        self.configuration = configuration
    }

    /// Makes room for a chunk of `tokens` tokens whose longest text has `longest`.
    func reserve(tokens: Int, longest: Int, training: Bool) {
        let hiddenSize = configuration.hiddenSize
        let startsTraining = training && !isForTraining
        isForTraining = isForTraining || training
        // Once there are gradients, they grow with the rest, or a capacity would promise room that they do not have.
        if tokens > tokenCapacity || startsTraining {
            tokenCapacity = max(tokens, tokenCapacity)
            hidden = FloatBuffer(count: tokenCapacity * hiddenSize)
            dense = FloatBuffer(count: tokenCapacity * hiddenSize)
            activated = FloatBuffer(count: tokenCapacity * configuration.intermediateSize)
            if isForTraining {
                gradient = FloatBuffer(count: tokenCapacity * hiddenSize)
                droppedGradient = FloatBuffer(count: tokenCapacity * hiddenSize)
                contextGradient = FloatBuffer(count: tokenCapacity * hiddenSize)
                upGradient = FloatBuffer(count: tokenCapacity * configuration.intermediateSize)
                queryKeyValueGradient = FloatBuffer(count: tokenCapacity * 3 * hiddenSize)
            }
        }
        if longest > lengthCapacity || startsTraining {
            lengthCapacity = max(longest, lengthCapacity)
            let tile = min(Self.attentionTile, lengthCapacity) * lengthCapacity
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
}
