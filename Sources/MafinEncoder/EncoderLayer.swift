import CMafinKernels

/// One transformer layer over a chunk: attention and feed-forward, each followed by dropout, the residual and layer norm
/// (Devlin et al. 2019).
struct EncoderLayer {
    let index: Int
    let configuration: EncoderConfiguration
    let parameters: UnsafePointer<Float>
    let offsets: ParameterLayout.Layer
    let packed: PackedWeights
    let dropout: Dropout

    private var hidden: Int { configuration.hiddenSize }
    private var intermediate: Int { configuration.intermediateSize }
    private var attention: Attention { Attention(configuration: configuration, layer: index, dropout: dropout) }

    private func forEachRowBlock(_ tokens: Int, _ body: (_ first: Int, _ rows: Int) -> Void) {
        for first in stride(from: 0, to: tokens, by: Workspace.rowBlock) {
            body(first, min(Workspace.rowBlock, tokens - first))
        }
    }

    /// From the layer's input to its output, both in `workspace.hidden`; fills `saved`.
    func forward(_ chunk: Chunk, _ saved: Activations.Layer, _ workspace: Workspace) {
        let weights = packed.layers[index]
        let x = workspace.hidden.pointer
        let dense = workspace.dense.pointer
        let activated = workspace.activated.pointer
        forEachRowBlock(chunk.tokens) { first, rows in
            let queryKeyValue = saved.queryKeyValue + first * 3 * hidden
            packed.forward(weights.queryKeyValue, rows: rows, x + first * hidden, into: queryKeyValue)
            mafin_add_bias(rows, 3 * hidden, queryKeyValue, parameters + offsets.queryKeyValueBias)
        }
        attention.forward(chunk, saved, workspace)
        forEachRowBlock(chunk.tokens) { first, rows in
            let x = x + first * hidden
            let dense = dense + first * hidden
            let row = chunk.firstToken + first
            packed.forward(weights.attentionOutput, rows: rows, saved.context + first * hidden, into: dense)
            mafin_residual_layer_norm(
                rows, hidden, dense, parameters + offsets.attentionOutputBias, x,
                dropout.mask(.attentionOutput(layer: index), firstRow: row), configuration.layerNormEpsilon,
                saved.attentionNorm + first * hidden, saved.attentionScale + first)
            affine(rows, saved.attentionNorm + first * hidden, offsets.attentionNormGain, offsets.attentionNormBias, x)
            let up = saved.up + first * intermediate
            packed.forward(weights.up, rows: rows, x, into: up)
            mafin_bias_gelu(rows, intermediate, up, parameters + offsets.upBias, activated)
            packed.forward(weights.down, rows: rows, activated, into: dense)
            mafin_residual_layer_norm(
                rows, hidden, dense, parameters + offsets.downBias, x,
                dropout.mask(.output(layer: index), firstRow: row), configuration.layerNormEpsilon,
                saved.outputNorm + first * hidden, saved.outputScale + first)
            affine(rows, saved.outputNorm + first * hidden, offsets.outputNormGain, offsets.outputNormBias, x)
        }
    }

    /// From ∂L/∂output to ∂L/∂input, both in `workspace.gradient`; adds to the layer's parameter gradients.
    ///
    /// - Parameters:
    ///   - gradients: the gradient of every parameter, at the parameters' own offsets.
    ///   - input: writes the layer's input, `(tokens, hidden)`, to where it is told.
    func backward(
        _ chunk: Chunk, _ saved: Activations.Layer, _ workspace: Workspace, gradients: UnsafeMutablePointer<Float>,
        input: (UnsafeMutablePointer<Float>) -> Void
    ) {
        let weights = packed.layers[index]
        let tokens = chunk.tokens
        let d = workspace.gradient.pointer
        let dropped = workspace.droppedGradient.pointer
        let dup = workspace.upGradient.pointer
        let activated = workspace.activated.pointer
        let middle = workspace.hidden.pointer
        let dcontext = workspace.contextGradient.pointer
        forEachRowBlock(tokens) { first, rows in
            let d = d + first * hidden
            let dropped = dropped + first * hidden
            let up = saved.up + first * intermediate
            let dup = dup + first * intermediate
            mafin_layer_norm_backward(
                rows, hidden, d, saved.outputNorm + first * hidden, saved.outputScale + first,
                parameters + offsets.outputNormGain, gradients + offsets.outputNormGain,
                gradients + offsets.outputNormBias)
            drop(rows, d, .output(layer: index), chunk.firstToken + first, into: dropped)
            mafin_column_sum(rows, hidden, dropped, gradients + offsets.downBias)
            packed.backward(weights.down, rows: rows, dropped, into: dup)
            mafin_gelu_backward(rows * intermediate, up, dup)
            mafin_gelu(rows * intermediate, up, activated + first * intermediate)
            mafin_column_sum(rows, intermediate, dup, gradients + offsets.upBias)
            packed.backward(weights.up, rows: rows, dup, into: d, adding: true)
            affine(
                rows, saved.attentionNorm + first * hidden, offsets.attentionNormGain, offsets.attentionNormBias,
                middle + first * hidden)
        }
        weightGradient(tokens, dropped, hidden, activated, intermediate, gradients + offsets.downWeight)
        weightGradient(tokens, dup, intermediate, middle, hidden, gradients + offsets.upWeight)
        forEachRowBlock(tokens) { first, rows in
            let d = d + first * hidden
            let dropped = dropped + first * hidden
            mafin_layer_norm_backward(
                rows, hidden, d, saved.attentionNorm + first * hidden, saved.attentionScale + first,
                parameters + offsets.attentionNormGain, gradients + offsets.attentionNormGain,
                gradients + offsets.attentionNormBias)
            drop(rows, d, .attentionOutput(layer: index), chunk.firstToken + first, into: dropped)
            mafin_column_sum(rows, hidden, dropped, gradients + offsets.attentionOutputBias)
            packed.backward(weights.attentionOutput, rows: rows, dropped, into: dcontext + first * hidden)
        }
        weightGradient(tokens, dropped, hidden, saved.context, hidden, gradients + offsets.attentionOutputWeight)
        attention.backward(chunk, saved, workspace)
        let dqkv = workspace.queryKeyValueGradient.pointer
        forEachRowBlock(tokens) { first, rows in
            let dqkv = dqkv + first * 3 * hidden
            mafin_column_sum(rows, 3 * hidden, dqkv, gradients + offsets.queryKeyValueBias)
            packed.backward(weights.queryKeyValue, rows: rows, dqkv, into: d + first * hidden, adding: true)
        }
        input(middle)
        weightGradient(tokens, dqkv, 3 * hidden, middle, hidden, gradients + offsets.queryKeyValueWeight)
    }

    /// The layer's output again, from what was saved of it.
    func output(tokens: Int, _ saved: Activations.Layer, into y: UnsafeMutablePointer<Float>) {
        affine(tokens, saved.outputNorm, offsets.outputNormGain, offsets.outputNormBias, y)
    }

    private func affine(
        _ rows: Int, _ normalized: UnsafePointer<Float>, _ gain: Int, _ bias: Int, _ y: UnsafeMutablePointer<Float>
    ) {
        mafin_affine(
            rows, hidden, normalized, parameters + gain, parameters + bias, Dropout.none.mask(.embeddings, firstRow: 0),
            y)
    }

    private func drop(
        _ rows: Int, _ x: UnsafePointer<Float>, _ site: Dropout.Site, _ row: Int, into out: UnsafeMutablePointer<Float>
    ) {
        let mask = dropout.mask(site, firstRow: row)
        if mask.threshold > 0 {
            mafin_apply_dropout(rows, hidden, x, mask, out)
        } else {
            out.update(from: x, count: rows * hidden)
        }
    }

    /// dW += dyᵀ · x, `(outputs, inputs)`.
    private func weightGradient(
        _ rows: Int, _ dy: UnsafePointer<Float>, _ outputs: Int, _ x: UnsafePointer<Float>, _ inputs: Int,
        _ dweight: UnsafeMutablePointer<Float>
    ) {
        mafin_sgemm(true, false, outputs, inputs, rows, 1, dy, outputs, x, inputs, 1, dweight, inputs)
    }
}
