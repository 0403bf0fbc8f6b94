import MafinText

/// A run of whole texts of a batch, which one thread takes through all layers.
struct Chunk: Sendable {
    /// The texts, by their number in the batch.
    let texts: Range<Int>
    /// Number of the first token in the batch: dropout masks are functions of it, so that they do not depend on the cut.
    let firstToken: Int
    /// Where each text starts in the chunk, and the chunk's token count at the end.
    let starts: [Int]

    var tokens: Int { starts[starts.count - 1] }
    var longest: Int { zip(starts.dropFirst(), starts).map { $0 - $1 }.max() ?? 0 }

    /// Cuts a batch into chunks of about equal token counts: at least one a thread where there are texts enough, and so many
    /// that their mean is at most `maximumTokens` (which a chunk may exceed by a part of its last text).
    static func cut(_ batch: TokenBatch, threads: Int, maximumTokens: Int) -> [Chunk] {
        let total = batch.ids.count
        guard batch.count > 0 else { return [] }
        let rounds = max(1, (total + threads * maximumTokens - 1) / (threads * maximumTokens))
        let wanted = min(batch.count, threads * rounds)
        var chunks: [Chunk] = []
        var first = 0
        for piece in 1...wanted where first < batch.count {
            // The text whose end is nearest to this piece's share of the tokens closes the chunk.
            let share = total * piece / wanted
            var end = first + 1
            while end < batch.count, batch.offsets[end] < share,
                batch.offsets[end + 1] - share <= share - batch.offsets[end]
            {
                end += 1
            }
            if piece == wanted { end = batch.count }
            let base = batch.offsets[first]
            chunks.append(
                Chunk(texts: first..<end, firstToken: base, starts: (first...end).map { batch.offsets[$0] - base }))
            first = end
        }
        return chunks
    }
}

/// What the backward pass of a chunk needs of its forward pass.
///
/// Layer inputs and GELU outputs are computed again from what is here: that costs one cheap pass and saves a third of the memory.
final class Activations {
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

    let storage: FloatBuffer
    /// The embedding layer norm without its gain and bias, `(tokens, hidden)`, and its 1/σ, `(tokens)`.
    let embeddingNorm: UnsafeMutablePointer<Float>
    let embeddingScale: UnsafeMutablePointer<Float>
    let layers: [Layer]

    /// Floats that one token takes in `layers` layers.
    static func floatsPerToken(_ configuration: EncoderConfiguration, layers: Int) -> Int {
        let hidden = configuration.hiddenSize
        return hidden + 1 + layers * (6 * hidden + configuration.intermediateSize + configuration.headCount + 2)
    }

    /// - Parameters:
    ///   - keeping: layers whose activations are kept apart; one layer's worth is shared by all if this is 1.
    ///   - storage: at least ``floatsPerToken(_:layers:)`` × `tokens` floats.
    init(_ configuration: EncoderConfiguration, tokens: Int, keeping: Int, storage: FloatBuffer) {
        precondition(storage.count >= tokens * Self.floatsPerToken(configuration, layers: keeping))
        self.storage = storage
        var next = storage.pointer
        func take(_ width: Int) -> UnsafeMutablePointer<Float> {
            defer { next += tokens * width }
            return next
        }
        let hidden = configuration.hiddenSize
        embeddingNorm = take(hidden)
        embeddingScale = take(1)
        var kept: [Layer] = []
        for _ in 0..<keeping {
            kept.append(
                Layer(
                    queryKeyValue: take(3 * hidden), logSumExp: take(configuration.headCount), context: take(hidden),
                    attentionNorm: take(hidden), attentionScale: take(1), up: take(configuration.intermediateSize),
                    outputNorm: take(hidden), outputScale: take(1)))
        }
        layers = kept
    }

    /// The place of a layer's activations.
    subscript(layer: Int) -> Layer { layers[layers.count == 1 ? 0 : layer] }
}
