import CMafinKernels

/// Token vectors from ids: the sum of word, position and token type embeddings, a norm, dropout.
struct TokenEmbedding: Sendable {
    /// The learned vectors of positions. A text begins at row `first`.
    struct Positions: Sendable {
        let table: Int
        let first: Int
    }

    let width: Int
    /// Offset of the word embeddings.
    let words: Int
    let positions: Positions?
    /// Offset of the token type embeddings, of which single texts use row 0.
    let tokenTypes: Int?
    /// The norm of the sum, in slots of its own.
    let norm: Normalization

    /// Sets the stream to the embeddings of the chunk's tokens.
    func forward(_ frame: Frame) {
        guard case .tokens(let ids) = frame.input else { preconditionFailure("this network reads texts") }
        let chunk = frame.chunk
        let parameters = frame.parameters
        let sum = frame.kept(norm.normalized)
        for text in 0..<chunk.texts.count {
            for token in chunk.starts[text]..<chunk.starts[text + 1] {
                let out = sum + token * width
                out.update(from: parameters + words + Int(ids[token]) * width, count: width)
                if let positions {
                    let row = positions.first + token - chunk.starts[text]
                    mafin_axpy(width, 1, parameters + positions.table + row * width, out)
                }
                if let tokenTypes { mafin_axpy(width, 1, parameters + tokenTypes, out) }
            }
        }
        // In place: the normalised sum overwrites the sum.
        let rows = 0..<chunk.tokens
        norm.forward(
            rows, sum, inputBias: nil, residual: nil, Dropout.noMask, frame, into: frame.workspace.stream.pointer)
        let mask = frame.dropout.mask(.embeddings, firstRow: chunk.firstToken)
        if mask.threshold > 0 {
            mafin_apply_dropout(
                chunk.tokens, width, frame.workspace.stream.pointer, mask, frame.workspace.stream.pointer)
        }
    }

    /// Computes the given rows of the output again.
    func output(_ rows: Range<Int>, _ frame: Frame, into y: UnsafeMutablePointer<Float>) {
        norm.output(
            rows, layer: Activations.embeddings, frame, into: y,
            dropout: frame.dropout.mask(.embeddings, firstRow: frame.chunk.firstToken + rows.lowerBound))
    }

    /// Computes the gradient of each token's sum of embeddings from ∂L/∂output, both in the stream's gradient. Adds to the gradients of the
    /// dense parameters. The caller adds those of the word embeddings.
    func backward(_ frame: Frame, gradients: UnsafeMutablePointer<Float>) {
        let chunk = frame.chunk
        let d = frame.workspace.gradient.pointer
        let mask = frame.dropout.mask(.embeddings, firstRow: chunk.firstToken)
        if mask.threshold > 0 { mafin_apply_dropout(chunk.tokens, width, d, mask, d) }
        norm.backward(0..<chunk.tokens, d, frame)
        if let tokenTypes { mafin_column_sum(chunk.tokens, width, d, gradients + tokenTypes) }
        guard let positions else { return }
        for text in 0..<chunk.texts.count {
            for token in chunk.starts[text]..<chunk.starts[text + 1] {
                let row = positions.first + token - chunk.starts[text]
                mafin_axpy(width, 1, d + token * width, gradients + positions.table + row * width)
            }
        }
    }
}
