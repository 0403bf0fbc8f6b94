import CMafinKernels

/// Multi-head self-attention of each text of a chunk over itself: context = dropout(softmax(q · kᵀ / √headSize)) · v
/// (Vaswani et al. 2017, eq. 1).
///
/// Queries are processed in tiles, so that a text's full matrix of attention weights is never in memory. The backward pass
/// recomputes the weights from the saved log-sum-exp (Dao et al. 2022, algorithm 4, here for a CPU's caches).
struct Attention {
    let configuration: EncoderConfiguration
    let layer: Int
    let dropout: Dropout

    private var headSize: Int { configuration.headSize }
    private var hidden: Int { configuration.hiddenSize }
    /// Floats from one token's queries to the next's.
    private var stride: Int { 3 * hidden }
    private var scale: Float { 1 / Float(headSize).squareRoot() }

    /// - Parameters:
    ///   - saved: `queryKeyValue` is read; `context` and `logSumExp` are written.
    ///   - heads: the heads to compute; `nil`: all.
    func forward(_ chunk: Chunk, _ saved: Activations.Layer, _ workspace: Workspace, heads: Range<Int>? = nil) {
        for text in 0..<chunk.texts.count {
            for head in heads ?? 0..<configuration.headCount {
                forward(chunk, saved, workspace, text: text, head: head)
            }
        }
    }

    private func forward(_ chunk: Chunk, _ saved: Activations.Layer, _ workspace: Workspace, text: Int, head: Int) {
        let keys = workspace.packedKeys.pointer
        let values = workspace.packedValues.pointer
        let weights = workspace.attention.pointer
        let scales = workspace.attentionScale.pointer
        let clock = workspace.clock
        let start = chunk.starts[text]
        let length = chunk.starts[text + 1] - start
        // Rows are padded to whole tiles of the products: partial tiles cost more than a few columns of zeros.
        let columns = mafin_packed_columns(length)
        let query = saved.queryKeyValue + start * stride + head * headSize
        clock.time(.packing, floats: 4 * length * headSize) {
            mafin_pack(true, length, headSize, query + hidden, stride, keys)
            mafin_pack(false, headSize, length, query + 2 * hidden, stride, values)
        }
        let logSumExp = saved.logSumExp + head * chunk.tokens + start
        let context = saved.context + start * hidden + head * headSize
        for first in Swift.stride(from: 0, to: length, by: Workspace.forwardTile) {
            let rows = min(Workspace.forwardTile, length - first)
            let product = 2 * rows * length * headSize
            let size = rows * length + (rows + length) * headSize
            clock.time(.scores, operations: product, floats: size) {
                mafin_sgemm_packed(
                    false, rows, columns, headSize, scale, query + first * stride, stride, keys, 0, weights, columns)
            }
            let mask = dropout.mask(
                .attention(layer: layer, head: head), firstRow: chunk.firstToken + start + first)
            clock.time(.softmax, floats: 2 * rows * length) {
                mafin_softmax(rows, length, columns, weights, scales, logSumExp + first)
                if mask.threshold > 0 { mafin_apply_dropout(rows, columns, weights, mask, weights) }
            }
            clock.time(.context, operations: product, floats: size) {
                mafin_sgemm_packed(
                    false, rows, headSize, length, 1, weights, columns, values, 0, context + first * hidden, hidden)
                mafin_scale_rows(rows, headSize, hidden, scales, context + first * hidden)
            }
        }
    }

    /// Computes the gradients of queries, keys and values from ∂L/∂context, which is in `saved.context`. They overwrite
    /// queries, keys and values.
    func backward(_ chunk: Chunk, _ saved: Activations.Layer, _ workspace: Workspace) {
        let keys = workspace.packedKeys.pointer
        let keyRows = workspace.packedKeyRows.pointer
        let values = workspace.packedValues.pointer
        let clock = workspace.clock
        for text in 0..<chunk.texts.count {
            let start = chunk.starts[text]
            let length = chunk.starts[text + 1] - start
            for head in 0..<configuration.headCount {
                let query = saved.queryKeyValue + start * stride + head * headSize
                clock.time(.packing, floats: 6 * length * headSize) {
                    mafin_pack(true, length, headSize, query + hidden, stride, keys)
                    mafin_pack(false, headSize, length, query + hidden, stride, keyRows)
                    mafin_pack(true, length, headSize, query + 2 * hidden, stride, values)
                }
                for first in Swift.stride(from: 0, to: length, by: Workspace.rowBlock) {
                    backward(
                        chunk, saved, workspace, text: text, head: head,
                        rows: first..<min(first + Workspace.rowBlock, length))
                }
            }
        }
    }

    /// The backward pass of one tile of queries.
    private func backward(
        _ chunk: Chunk, _ saved: Activations.Layer, _ workspace: Workspace, text: Int, head: Int, rows tile: Range<Int>
    ) {
        let start = chunk.starts[text]
        let length = chunk.starts[text + 1] - start
        let (first, rows) = (tile.lowerBound, tile.count)
        let columns = mafin_packed_columns(length)
        let product = 2 * rows * length * headSize
        let size = rows * length + (rows + length) * headSize
        let clock = workspace.clock
        let weights = workspace.attention.pointer
        let dweights = workspace.attentionGradient.pointer
        let query = saved.queryKeyValue + start * stride + head * headSize
        let drows = saved.context + (start + first) * hidden + head * headSize
        // Keys and values have been packed. The first tile overwrites them with their gradients, the others add to these.
        let adding: Float = first == 0 ? 0 : 1

        clock.time(.scoresAgain, operations: product, floats: size) {
            mafin_sgemm_packed(
                false, rows, columns, headSize, scale, query + first * stride, stride, workspace.packedKeys.pointer, 0,
                weights, columns)
        }
        let mask = dropout.mask(.attention(layer: layer, head: head), firstRow: chunk.firstToken + start + first)
        var used = weights
        clock.time(.softmaxAgain, floats: 2 * rows * length) {
            mafin_softmax_again(
                rows, length, columns, weights, saved.logSumExp + head * chunk.tokens + start + first)
            if mask.threshold > 0 {
                used = workspace.droppedAttention.pointer
                mafin_apply_dropout(rows, columns, weights, mask, used)
            }
        }
        // dv += weightsᵀ · dcontext
        clock.time(.valueGradient, operations: product, floats: size + length * headSize) {
            mafin_sgemm(
                true, false, length, headSize, rows, 1, used, columns, drows, hidden, adding, query + 2 * hidden,
                stride)
        }
        // dweights = dcontext · vᵀ, then through dropout, softmax and the scale
        clock.time(.weightGradient, operations: product, floats: size) {
            mafin_sgemm_packed(
                false, rows, columns, headSize, 1, drows, hidden, workspace.packedValues.pointer, 0, dweights, columns)
        }
        clock.time(.softmaxBackward, floats: 3 * rows * length) {
            mafin_softmax_backward(rows, length, columns, weights, dweights, mask, scale)
        }
        // dk += dscoresᵀ · q; dq = dscores · k. dq overwrites the queries, which are not read again.
        clock.time(.keyGradient, operations: product, floats: size + length * headSize) {
            mafin_sgemm(
                true, false, length, headSize, rows, 1, dweights, columns, query + first * stride, stride, adding,
                query + hidden, stride)
        }
        clock.time(.queryGradient, operations: product, floats: size) {
            mafin_sgemm_packed(
                false, rows, headSize, length, 1, dweights, columns, workspace.packedKeyRows.pointer, 0,
                query + first * stride, stride)
        }
    }
}
