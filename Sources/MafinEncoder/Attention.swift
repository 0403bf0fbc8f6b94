import CMafinKernels

/// Multi-head self-attention of each text of a chunk over itself: context = dropout(softmax(q · kᵀ / √headSize)) · v
/// (Vaswani et al. 2017, eq. 1).
///
/// Queries go in tiles, so that no text's full matrix of attention weights is ever in memory; the backward pass makes the
/// weights again from the saved log-sum-exp (Dao et al. 2022, algorithm 4, on a CPU's caches).
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
    func forward(_ chunk: Chunk, _ saved: Activations.Layer, _ workspace: Workspace) {
        let tile = Workspace.attentionTile
        let keys = workspace.packedKeys.pointer
        let values = workspace.packedValues.pointer
        let weights = workspace.attention.pointer
        for text in 0..<chunk.texts.count {
            let start = chunk.starts[text]
            let length = chunk.starts[text + 1] - start
            for head in 0..<configuration.headCount {
                let query = saved.queryKeyValue + start * stride + head * headSize
                mafin_pack(true, length, headSize, query + hidden, stride, keys)
                mafin_pack(false, headSize, length, query + 2 * hidden, stride, values)
                let logSumExp = saved.logSumExp + head * chunk.tokens + start
                let context = saved.context + start * hidden + head * headSize
                for first in Swift.stride(from: 0, to: length, by: tile) {
                    let rows = min(tile, length - first)
                    mafin_sgemm_packed(
                        false, rows, length, headSize, scale, query + first * stride, stride, keys, 0, weights, length)
                    mafin_softmax(rows, length, weights, logSumExp + first)
                    let mask = dropout.mask(
                        .attention(layer: layer, head: head), firstRow: chunk.firstToken + start + first)
                    if mask.threshold > 0 { mafin_apply_dropout(rows, length, weights, mask, weights) }
                    mafin_sgemm_packed(
                        false, rows, headSize, length, 1, weights, length, values, 0, context + first * hidden, hidden)
                }
            }
        }
    }

    /// Sets `workspace.queryKeyValueGradient` from `workspace.contextGradient`.
    func backward(_ chunk: Chunk, _ saved: Activations.Layer, _ workspace: Workspace) {
        let tile = Workspace.attentionTile
        let keys = workspace.packedKeys.pointer
        let keyRows = workspace.packedKeyRows.pointer
        let values = workspace.packedValues.pointer
        let weights = workspace.attention.pointer
        let dropped = workspace.droppedAttention.pointer
        let dweights = workspace.attentionGradient.pointer
        for text in 0..<chunk.texts.count {
            let start = chunk.starts[text]
            let length = chunk.starts[text + 1] - start
            for head in 0..<configuration.headCount {
                let query = saved.queryKeyValue + start * stride + head * headSize
                let dquery = workspace.queryKeyValueGradient.pointer + start * stride + head * headSize
                mafin_pack(true, length, headSize, query + hidden, stride, keys)
                mafin_pack(false, headSize, length, query + hidden, stride, keyRows)
                mafin_pack(true, length, headSize, query + 2 * hidden, stride, values)
                let logSumExp = saved.logSumExp + head * chunk.tokens + start
                let dcontext = workspace.contextGradient.pointer + start * hidden + head * headSize
                for first in Swift.stride(from: 0, to: length, by: tile) {
                    let rows = min(tile, length - first)
                    let adding: Float = first == 0 ? 0 : 1
                    mafin_sgemm_packed(
                        false, rows, length, headSize, scale, query + first * stride, stride, keys, 0, weights, length)
                    mafin_softmax_again(rows, length, weights, logSumExp + first)
                    let mask = dropout.mask(
                        .attention(layer: layer, head: head), firstRow: chunk.firstToken + start + first)
                    var used = weights
                    if mask.threshold > 0 {
                        mafin_apply_dropout(rows, length, weights, mask, dropped)
                        used = dropped
                    }
                    let drows = dcontext + first * hidden
                    // dv += weightsᵀ · dcontext
                    mafin_sgemm(
                        true, false, length, headSize, rows, 1, used, length, drows, hidden, adding,
                        dquery + 2 * hidden, stride)
                    // dweights = dcontext · vᵀ, then through dropout, softmax and the scale
                    mafin_sgemm_packed(
                        false, rows, length, headSize, 1, drows, hidden, values, 0, dweights, length)
                    mafin_softmax_backward(rows, length, weights, dweights, mask, scale)
                    // dq = dscores · k;  dk += dscoresᵀ · q
                    mafin_sgemm_packed(
                        false, rows, headSize, length, 1, dweights, length, keyRows, 0, dquery + first * stride, stride)
                    mafin_sgemm(
                        true, false, length, headSize, rows, 1, dweights, length, query + first * stride, stride,
                        adding, dquery + hidden, stride)
                }
            }
        }
    }
}
