import CMafinKernels

/// y = x · Wᵀ + b, with an optional low-rank term (``LowRank``).
struct Linear: Operation {
    /// The use of a linear layer, for the table of times.
    enum Role: Sendable {
        case queryKeyValue, attentionOutput, up, down
    }

    /// How the backward pass gets the input again. Indirect as ``InputEmbedding``.
    indirect enum InputAgain: Sendable {
        /// It was kept, or an activation's backward pass has computed it.
        case present
        /// The output of the embeddings.
        case embeddings(TokenEmbedding)
        /// The output of a norm of the given layer.
        case norm(Normalization, layer: Int)
    }

    let role: Role
    /// Index of its packed weight.
    let index: Int
    let weight: Int
    let outputs: Int
    let inputs: Int
    let bias: SmallParameter?
    /// Whether it adds its bias. Otherwise the next operation does, in the same pass over memory.
    var addsBias = true
    /// Whether the next operation is a GELU, which a product in lower precision includes.
    var isBeforeGELU = false
    let lowRank: LowRank?
    let isTrainable: Bool

    let input: Place
    var output = Place.block
    /// Where the backward pass finds its input.
    let savedInput: Place
    let inputAgain: InputAgain
    var outputGradient = Place.branchGradient
    let inputGradient: Place

    var sharing: Sharing { .columns(count: outputs, grain: PackedWeights.columnTile) }

    func forward(_ rows: Range<Int>, columns: [Range<Int>]?, _ frame: Frame) {
        let x = frame.row(rows.lowerBound, of: input, width: inputs)
        let fusesGELU = isBeforeGELU && frame.fusesActivations
        let y = frame.row(rows.lowerBound, of: fusesGELU ? .wideBlock : output, width: outputs)
        let added = (addsBias || fusesGELU ? bias : nil).map { frame.parameters + $0.offset }
        timed(role.times.forward, rows.count, frame.clock) {
            for columns in columns ?? [0..<outputs] {
                guard frame.packed.precision == .float32 else {
                    frame.packed.forward(
                        index, columns: columns, rows: rows.count, x, .init(bias: added, gelu: fusesGELU), into: y)
                    continue
                }
                frame.packed.forward(index, columns: columns, rows: rows.count, x, into: y)
                guard let added else { continue }
                let values = added + columns.lowerBound
                if columns.count == outputs {
                    mafin_add_bias(rows.count, outputs, y, values)
                } else {
                    for row in 0..<rows.count {
                        mafin_add_bias(1, columns.count, y + row * outputs + columns.lowerBound, values)
                    }
                }
            }
        }
    }

    func backward(_ rows: Range<Int>, _ frame: Frame) {
        let dy = frame.row(rows.lowerBound, of: outputGradient, width: outputs)
        if isTrainable, let bias {
            frame.clock.time(.biasGradients, floats: rows.count * outputs) {
                mafin_column_sum(rows.count, outputs, dy, frame.smallGradient(bias.gradient))
            }
        }
        timed(role.times.backward, rows.count, frame.clock) {
            frame.packed.backward(
                index, rows: rows.count, dy, into: frame.row(rows.lowerBound, of: inputGradient, width: inputs),
                adding: inputGradient == .streamGradient)
        }
        frame.clock.time(.layerNorm, floats: 2 * rows.count * inputs) { computeInputAgain(rows, frame) }
    }

    private func computeInputAgain(_ rows: Range<Int>, _ frame: Frame) {
        let x = frame.row(rows.lowerBound, of: savedInput, width: inputs)
        let isFirst: Bool
        switch inputAgain {
        case .present: return
        case .embeddings: isFirst = true
        case .norm(_, let layer): isFirst = layer < frame.layer
        }
        if isFirst, let frozen = frame.inputs, frozen.layer == frame.layer {
            x.update(from: frozen.rows + rows.lowerBound * inputs, count: rows.count * inputs)
            return
        }
        switch inputAgain {
        case .present: break
        case .embeddings(let embedding): embedding.output(rows, frame, into: x)
        case .norm(let norm, let layer): norm.output(rows, layer: layer, frame, into: x)
        }
    }

    /// dW += dyᵀ · x, `(outputs, inputs)`.
    func accumulate(_ frame: Frame, into sink: GradientSink) {
        let tokens = frame.chunk.tokens
        let dy = frame.row(0, of: outputGradient, width: outputs)
        let x = frame.row(0, of: savedInput, width: inputs)
        if let lowRank {
            lowRank.accumulate(dy: dy, x: x, outputs: outputs, inputs: inputs, frame, into: sink)
        }
        guard isTrainable else { return }
        guard frame.packed.precision == .float32 else { return accumulateBFloat16(dy: dy, x: x, frame, into: sink) }
        sink.add { gradients in
            timed(role.times.gradient, tokens, frame.clock) {
                mafin_sgemm(
                    true, false, outputs, inputs, tokens, 1, dy, outputs, x, inputs, sink.isAdding ? 1 : 0,
                    gradients + weight, inputs)
            }
        }
    }

    private func accumulateBFloat16(
        dy: UnsafePointer<Float>, x: UnsafePointer<Float>, _ frame: Frame, into sink: GradientSink
    ) {
        let tokens = frame.chunk.tokens
        let (left, right) = frame.workspace.gradientOperands(
            left: mafin_bfloat16_rows_size(outputs, tokens), right: mafin_bfloat16_packed_size(inputs, tokens))
        // The operands are converted before it is this chunk's turn to add.
        frame.clock.time(.packing, floats: tokens * (outputs + inputs)) {
            mafin_bfloat16_rows(true, outputs, tokens, 1, dy, outputs, left)
            mafin_bfloat16_pack(false, inputs, tokens, x, inputs, right)
        }
        sink.add { gradients in
            timed(role.times.gradient, tokens, frame.clock) {
                let out = gradients + weight
                var last = mafin_epilogue()
                if sink.isAdding { (last.residual, last.residual_stride) = (UnsafePointer(out), inputs) }
                mafin_bfloat16_multiply(outputs, tokens, 0, inputs, left, right, &last, out, inputs)
            }
        }
    }

    /// Times a product of `rows` rows with the weight, or the product for the weight's gradient.
    private func timed(_ operation: TimedOperation, _ rows: Int, _ clock: OperationClock?, _ body: () -> Void) {
        let size = outputs * inputs
        clock.time(operation, operations: 2 * rows * size, floats: size + rows * (outputs + inputs), body)
    }
}

extension Linear.Role {
    fileprivate var times: (forward: TimedOperation, backward: TimedOperation, gradient: TimedOperation) {
        switch self {
        case .queryKeyValue: (.queryKeyValue, .queryKeyValueBackward, .queryKeyValueGradient)
        case .attentionOutput: (.attentionOutput, .attentionOutputBackward, .attentionOutputGradient)
        case .up: (.up, .upBackward, .upGradient)
        case .down: (.down, .downBackward, .downGradient)
        }
    }
}
