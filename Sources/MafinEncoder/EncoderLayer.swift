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
    var attention: Attention { Attention(configuration: configuration, layer: index, dropout: dropout) }

    private func forEachRowBlock(_ tokens: Int, _ body: (_ first: Int, _ rows: Int) -> Void) {
        for first in stride(from: 0, to: tokens, by: Workspace.rowBlock) {
            body(first, min(Workspace.rowBlock, tokens - first))
        }
    }

    /// From the layer's input to its output, both in `workspace.hidden`; fills `saved`. ``CooperativeForward`` says why it has its own.
    func forward(_ chunk: Chunk, _ saved: Activations.Layer, _ workspace: Workspace) {
        let weights = packed.layers[index]
        let x = workspace.hidden.pointer
        let clock = workspace.clock
        forEachRowBlock(chunk.tokens) { first, rows in
            let queryKeyValue = saved.queryKeyValue + first * 3 * hidden
            product(.queryKeyValue, clock, rows, weights.queryKeyValue) {
                packed.forward(weights.queryKeyValue, rows: rows, x + first * hidden, into: queryKeyValue)
                mafin_add_bias(rows, 3 * hidden, queryKeyValue, parameters + offsets.queryKeyValueBias)
            }
        }
        attention.forward(chunk, saved, workspace)
        let dense = workspace.dense.pointer
        let activated = workspace.activated.pointer
        forEachRowBlock(chunk.tokens) { first, rows in
            let x = x + first * hidden
            let row = chunk.firstToken + first
            product(.attentionOutput, clock, rows, weights.attentionOutput) {
                packed.forward(weights.attentionOutput, rows: rows, saved.context + first * hidden, into: dense)
            }
            clock.time(.layerNorm, floats: 4 * rows * hidden) {
                mafin_residual_layer_norm(
                    rows, hidden, dense, parameters + offsets.attentionOutputBias, x,
                    dropout.mask(.attentionOutput(layer: index), firstRow: row), configuration.layerNormEpsilon,
                    saved.attentionNorm + first * hidden, saved.attentionScale + first)
                affine(
                    rows, saved.attentionNorm + first * hidden, offsets.attentionNormGain, offsets.attentionNormBias, x)
            }
            let up = saved.up + first * intermediate
            product(.up, clock, rows, weights.up) { packed.forward(weights.up, rows: rows, x, into: up) }
            clock.time(.gelu, floats: 3 * rows * intermediate) {
                mafin_bias_gelu(rows, intermediate, up, parameters + offsets.upBias, activated)
            }
            product(.down, clock, rows, weights.down) {
                packed.forward(weights.down, rows: rows, activated, into: dense)
            }
            clock.time(.layerNorm, floats: 4 * rows * hidden) {
                mafin_residual_layer_norm(
                    rows, hidden, dense, parameters + offsets.downBias, x,
                    dropout.mask(.output(layer: index), firstRow: row), configuration.layerNormEpsilon,
                    saved.outputNorm + first * hidden, saved.outputScale + first)
                affine(rows, saved.outputNorm + first * hidden, offsets.outputNormGain, offsets.outputNormBias, x)
            }
        }
    }

    /// From ∂L/∂output to ∂L/∂input, both in `workspace.gradient`; adds to the layer's parameter gradients. Gradients overwrite the
    /// activations in `saved`.
    ///
    /// - Parameters:
    ///   - sink: where the gradients of the parameters go.
    ///   - input: writes the layer's input, `(tokens, hidden)`, to its argument.
    func backward(
        _ chunk: Chunk, _ saved: Activations.Layer, _ workspace: Workspace, into sink: GradientSink,
        input: (UnsafeMutablePointer<Float>) -> Void
    ) {
        let weights = packed.layers[index]
        let tokens = chunk.tokens
        let clock = workspace.clock
        let d = workspace.gradient.pointer
        let dropped = workspace.droppedGradient.pointer
        let middle = workspace.hidden.pointer
        let small = SmallGradients(workspace, configuration)
        func weightGradient(
            _ operation: Operation, _ weight: PackedWeights.Weight, _ dy: UnsafePointer<Float>,
            _ x: UnsafePointer<Float>, and others: (UnsafeMutablePointer<Float>) -> Void = { _ in }
        ) {
            sink.add { gradients in
                // dW += dyᵀ · x, `(outputs, inputs)`.
                product(operation, clock, tokens, weight) {
                    mafin_sgemm(
                        true, false, weight.outputs, weight.inputs, tokens, 1, dy, weight.outputs, x, weight.inputs,
                        sink.isAdding ? 1 : 0, gradients + weight.source, weight.inputs)
                }
                others(gradients)
            }
        }
        feedForwardBackward(chunk, saved, workspace, small)
        weightGradient(.downGradient, weights.down, dropped, workspace.activated.pointer)
        weightGradient(.upGradient, weights.up, saved.up, middle)
        forEachRowBlock(tokens) { first, rows in
            let d = d + first * hidden
            let dropped = dropped + first * hidden
            layerNormBackward(
                clock, rows, d, saved.attentionNorm + first * hidden, saved.attentionScale + first,
                offsets.attentionNormGain, gain: small.attentionNormGain, bias: small.attentionNormBias)
            drop(clock, rows, d, .attentionOutput(layer: index), chunk.firstToken + first, into: dropped)
            columnSum(clock, rows, hidden, dropped, small.attentionOutputBias)
        }
        weightGradient(.attentionOutputGradient, weights.attentionOutput, dropped, saved.context)
        forEachRowBlock(tokens) { first, rows in
            product(.attentionOutputBackward, clock, rows, weights.attentionOutput) {
                packed.backward(
                    weights.attentionOutput, rows: rows, dropped + first * hidden, into: saved.context + first * hidden)
            }
        }
        attention.backward(chunk, saved, workspace)
        let dqkv = saved.queryKeyValue
        forEachRowBlock(tokens) { first, rows in
            let dqkv = dqkv + first * 3 * hidden
            columnSum(clock, rows, 3 * hidden, dqkv, small.queryKeyValueBias)
            product(.queryKeyValueBackward, clock, rows, weights.queryKeyValue) {
                packed.backward(weights.queryKeyValue, rows: rows, dqkv, into: d + first * hidden, adding: true)
            }
        }
        clock.time(.layerNorm, floats: 2 * tokens * hidden) { input(middle) }
        weightGradient(.queryKeyValueGradient, weights.queryKeyValue, dqkv, middle) { gradients in
            small.add(to: gradients, offsets)
        }
    }

    /// From the gradient of the layer's output to that of its first norm's output, in `workspace.gradient`. Leaves the operands of the
    /// weights' gradients: `droppedGradient`, `saved.up`, `activated`, and the first norm's output in `hidden`.
    private func feedForwardBackward(
        _ chunk: Chunk, _ saved: Activations.Layer, _ workspace: Workspace, _ small: SmallGradients
    ) {
        let weights = packed.layers[index]
        let clock = workspace.clock
        forEachRowBlock(chunk.tokens) { first, rows in
            let d = workspace.gradient.pointer + first * hidden
            let dropped = workspace.droppedGradient.pointer + first * hidden
            let dup = saved.up + first * intermediate
            let dactivated = workspace.activatedGradient.pointer
            layerNormBackward(
                clock, rows, d, saved.outputNorm + first * hidden, saved.outputScale + first, offsets.outputNormGain,
                gain: small.outputNormGain, bias: small.outputNormBias)
            drop(clock, rows, d, .output(layer: index), chunk.firstToken + first, into: dropped)
            columnSum(clock, rows, hidden, dropped, small.downBias)
            product(.downBackward, clock, rows, weights.down) {
                packed.backward(weights.down, rows: rows, dropped, into: dactivated)
            }
            clock.time(.geluBackward, floats: 4 * rows * intermediate) {
                mafin_gelu_backward(
                    rows * intermediate, dactivated, dup, workspace.activated.pointer + first * intermediate)
            }
            columnSum(clock, rows, intermediate, dup, small.upBias)
            product(.upBackward, clock, rows, weights.up) {
                packed.backward(weights.up, rows: rows, dup, into: d, adding: true)
            }
            clock.time(.layerNorm, floats: 2 * rows * hidden) {
                affine(
                    rows, saved.attentionNorm + first * hidden, offsets.attentionNormGain, offsets.attentionNormBias,
                    workspace.hidden.pointer + first * hidden)
            }
        }
    }

    /// Recomputes the layer's output from what was saved of it.
    func output(tokens: Int, _ saved: Activations.Layer, into y: UnsafeMutablePointer<Float>) {
        affine(tokens, saved.outputNorm, offsets.outputNormGain, offsets.outputNormBias, y)
    }

    func affine(
        _ rows: Int, _ normalized: UnsafePointer<Float>, _ gain: Int, _ bias: Int, _ y: UnsafeMutablePointer<Float>
    ) {
        mafin_affine(
            rows, hidden, normalized, parameters + gain, parameters + bias, Dropout.none.mask(.embeddings, firstRow: 0),
            y)
    }

    private func layerNormBackward(
        _ clock: OperationClock?, _ rows: Int, _ d: UnsafeMutablePointer<Float>, _ normalized: UnsafePointer<Float>,
        _ scale: UnsafePointer<Float>, _ parameter: Int, gain: UnsafeMutablePointer<Float>,
        bias: UnsafeMutablePointer<Float>
    ) {
        clock.time(.layerNormBackward, floats: 3 * rows * hidden) {
            mafin_layer_norm_backward(
                rows, hidden, d, normalized, scale, parameters + parameter, gain, bias)
        }
    }

    private func drop(
        _ clock: OperationClock?, _ rows: Int, _ x: UnsafePointer<Float>, _ site: Dropout.Site, _ row: Int,
        into out: UnsafeMutablePointer<Float>
    ) {
        clock.time(.layerNormBackward, floats: 2 * rows * hidden) {
            let mask = dropout.mask(site, firstRow: row)
            if mask.threshold > 0 {
                mafin_apply_dropout(rows, hidden, x, mask, out)
            } else {
                out.update(from: x, count: rows * hidden)
            }
        }
    }

    private func columnSum(
        _ clock: OperationClock?, _ rows: Int, _ width: Int, _ x: UnsafePointer<Float>,
        _ sum: UnsafeMutablePointer<Float>
    ) {
        clock.time(.biasGradients, floats: rows * width) { mafin_column_sum(rows, width, x, sum) }
    }

    /// Times a product of `rows` rows with a weight, or the product for the weight's gradient.
    private func product(
        _ operation: Operation, _ clock: OperationClock?, _ rows: Int, _ weight: PackedWeights.Weight,
        _ body: () -> Void
    ) {
        let size = weight.outputs * weight.inputs
        clock.time(
            operation, operations: 2 * rows * size, floats: size + rows * (weight.outputs + weight.inputs), body)
    }
}

/// One chunk's gradients of a layer's biases and norms, until the chunk may add them.
private struct SmallGradients {
    let queryKeyValueBias: UnsafeMutablePointer<Float>
    let attentionOutputBias: UnsafeMutablePointer<Float>
    let attentionNormGain: UnsafeMutablePointer<Float>
    let attentionNormBias: UnsafeMutablePointer<Float>
    let upBias: UnsafeMutablePointer<Float>
    let downBias: UnsafeMutablePointer<Float>
    let outputNormGain: UnsafeMutablePointer<Float>
    let outputNormBias: UnsafeMutablePointer<Float>
    private let widths: (hidden: Int, intermediate: Int)

    /// All 0, in the workspace's memory for them.
    init(_ workspace: Workspace, _ configuration: EncoderConfiguration) {
        let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
        widths = (hidden, intermediate)
        workspace.smallGradients.clear()
        let start = workspace.smallGradients.pointer
        queryKeyValueBias = start
        attentionOutputBias = start + 3 * hidden
        attentionNormGain = start + 4 * hidden
        attentionNormBias = start + 5 * hidden
        downBias = start + 6 * hidden
        outputNormGain = start + 7 * hidden
        outputNormBias = start + 8 * hidden
        upBias = start + 9 * hidden
        precondition(workspace.smallGradients.count == 9 * hidden + intermediate)
    }

    func add(to gradients: UnsafeMutablePointer<Float>, _ offsets: ParameterLayout.Layer) {
        let (hidden, intermediate) = widths
        mafin_axpy(3 * hidden, 1, queryKeyValueBias, gradients + offsets.queryKeyValueBias)
        mafin_axpy(hidden, 1, attentionOutputBias, gradients + offsets.attentionOutputBias)
        mafin_axpy(hidden, 1, attentionNormGain, gradients + offsets.attentionNormGain)
        mafin_axpy(hidden, 1, attentionNormBias, gradients + offsets.attentionNormBias)
        mafin_axpy(intermediate, 1, upBias, gradients + offsets.upBias)
        mafin_axpy(hidden, 1, downBias, gradients + offsets.downBias)
        mafin_axpy(hidden, 1, outputNormGain, gradients + offsets.outputNormGain)
        mafin_axpy(hidden, 1, outputNormBias, gradients + offsets.outputNormBias)
    }
}
