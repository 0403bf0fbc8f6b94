import CMafinKernels

/// The low-rank term of a linear layer: W + s · B · A with A `(rank, inputs)` and B `(outputs, rank)` (Hu et al. 2022, "LoRA", eq. 3).
///
/// The sum is formed when weights are packed, so that forward and backward passes cost as much as without the term. Only the gradients are
/// its own: they need no product as large as the weight's gradient.
struct LowRank: Sendable {
    /// Rows of the weight that have a term of their own, such as those of the queries.
    struct Part: Sendable {
        let rows: Range<Int>
        /// Offset of B, `(rows.count, rank)`.
        let output: Int
    }

    let rank: Int
    /// The factor s.
    let scale: Float
    /// Offset of the A of all parts, one after the other: `(parts.count · rank, inputs)`.
    let input: Int
    let parts: [Part]

    private var width: Int { parts.count * rank }

    /// Adds s · B · A to a copy of the weight, `(outputs, inputs)`.
    func add(to weight: UnsafeMutablePointer<Float>, inputs: Int, _ parameters: UnsafePointer<Float>) {
        for (index, part) in parts.enumerated() {
            mafin_sgemm(
                false, false, part.rows.count, inputs, rank, scale, parameters + part.output, rank,
                parameters + input + index * rank * inputs, inputs, 1, weight + part.rows.lowerBound * inputs, inputs)
        }
    }

    /// dB += s · dyᵀ · (x · Aᵀ) and dA += s · (dy · B)ᵀ · x.
    func accumulate(
        dy: UnsafePointer<Float>, x: UnsafePointer<Float>, outputs: Int, inputs: Int, _ frame: Frame,
        into sink: GradientSink
    ) {
        let tokens = frame.chunk.tokens
        let (inner, innerGradient) = frame.workspace.lowRank(count: tokens * width)
        frame.clock.time(.lowRank, operations: 2 * tokens * width * inputs, floats: tokens * (inputs + width)) {
            mafin_sgemm(
                false, true, tokens, width, inputs, 1, x, inputs, frame.parameters + input, inputs, 0, inner, width)
            for (index, part) in parts.enumerated() {
                mafin_sgemm(
                    false, false, tokens, rank, part.rows.count, 1, dy + part.rows.lowerBound, outputs,
                    frame.parameters + part.output, rank, 0, innerGradient + index * rank, width)
            }
        }
        sink.add { gradients in
            let beta: Float = sink.isAdding ? 1 : 0
            frame.clock.time(.lowRank, operations: 4 * tokens * width * inputs, floats: tokens * (inputs + outputs)) {
                mafin_sgemm(
                    true, false, width, inputs, tokens, scale, innerGradient, width, x, inputs, beta, gradients + input,
                    inputs)
                for (index, part) in parts.enumerated() {
                    mafin_sgemm(
                        true, false, part.rows.count, rank, tokens, scale, dy + part.rows.lowerBound, outputs,
                        inner + index * rank, width, beta, gradients + part.output, rank)
                }
            }
        }
    }
}
