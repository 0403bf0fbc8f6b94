/// The activations of a chunk's forward pass that its backward pass needs.
///
/// Layer inputs and GELU outputs are not kept. They are recomputed, which is cheap and saves a third of the memory.
struct Activations: @unchecked Sendable {
    struct Layer {
        /// Queries, keys and values side by side: `(tokens, 3 · hidden)`.
        var queryKeyValue: UnsafeMutablePointer<Float>
        /// Log of each attention row's sum of exponentials: `(heads, tokens)`.
        var logSumExp: UnsafeMutablePointer<Float>
        /// Attention's output before its dense layer: `(tokens, hidden)`.
        var context: UnsafeMutablePointer<Float>
        /// The first layer norm without its gain and bias, `(tokens, hidden)`, and its 1/σ, `(tokens)`.
        var attentionNorm: UnsafeMutablePointer<Float>
        var attentionScale: UnsafeMutablePointer<Float>
        /// Before GELU: `(tokens, intermediate)`.
        var up: UnsafeMutablePointer<Float>
        /// The second layer norm without its gain and bias, `(tokens, hidden)`, and its 1/σ, `(tokens)`.
        var outputNorm: UnsafeMutablePointer<Float>
        var outputScale: UnsafeMutablePointer<Float>
    }

    /// The embedding layer norm without its gain and bias, `(tokens, hidden)`, and its 1/σ, `(tokens)`.
    let embeddingNorm: UnsafeMutablePointer<Float>
    let embeddingScale: UnsafeMutablePointer<Float>
    private let layers: [Layer]
    private let first: Int

    /// Number of floats for `tokens` tokens in `layers` layers.
    static func count(_ configuration: EncoderConfiguration, tokens: Int, layers: Int) -> Int {
        let once = aligned(tokens * configuration.hiddenSize) + aligned(tokens)
        let each =
            aligned(3 * tokens * configuration.hiddenSize) + aligned(tokens * configuration.headCount)
            + 3 * aligned(tokens * configuration.hiddenSize) + 2 * aligned(tokens)
            + aligned(tokens * configuration.intermediateSize)
        return once + layers * each
    }

    /// Rows begin at cache lines, so that no vector is stored across two of them.
    private static func aligned(_ count: Int) -> Int { (count + 15) / 16 * 16 }

    /// - Parameters:
    ///   - keeping: layers with activations of their own; `nil`: all layers share those of one.
    ///   - storage: at least ``count(_:tokens:layers:)`` floats for that many layers, or for one layer.
    init(
        _ configuration: EncoderConfiguration, tokens: Int, keeping: Range<Int>?, storage: UnsafeMutablePointer<Float>
    ) {
        first = keeping?.lowerBound ?? 0
        var next = storage
        func take(_ width: Int) -> UnsafeMutablePointer<Float> {
            defer { next += Self.aligned(tokens * width) }
            return next
        }
        let hidden = configuration.hiddenSize
        embeddingNorm = take(hidden)
        embeddingScale = take(1)
        layers = (keeping ?? 0..<1).map { _ in
            Layer(
                queryKeyValue: take(3 * hidden), logSumExp: take(configuration.headCount), context: take(hidden),
                attentionNorm: take(hidden), attentionScale: take(1), up: take(configuration.intermediateSize),
                outputNorm: take(hidden), outputScale: take(1))
        }
    }

    /// The activations of a layer.
    subscript(layer: Int) -> Layer { layers.count == 1 ? layers[0] : layers[layer - first] }
}
