import CMafinKernels

/// Computes token vectors from ids: word + position + token type embeddings, layer norm, dropout.
struct EmbeddingLayer {
    let configuration: EncoderConfiguration
    let parameters: UnsafePointer<Float>
    let layout: ParameterLayout
    let dropout: Dropout

    private var hidden: Int { configuration.hiddenSize }

    /// Sets `workspace.hidden` to the embeddings of the chunk's tokens, and fills `saved`.
    func forward(_ chunk: Chunk, ids: UnsafePointer<Int32>, _ saved: Activations, _ workspace: Workspace) {
        let sum = saved.embeddingNorm
        let type = parameters + layout.tokenTypeEmbeddings
        for text in 0..<chunk.texts.count {
            for token in chunk.starts[text]..<chunk.starts[text + 1] {
                let word = parameters + layout.wordEmbeddings + Int(ids[token]) * hidden
                let position = parameters + layout.positionEmbeddings + (token - chunk.starts[text]) * hidden
                let out = sum + token * hidden
                for column in 0..<hidden { out[column] = word[column] + position[column] + type[column] }
            }
        }
        // In place: the normalised sum overwrites the sum.
        mafin_residual_layer_norm(
            chunk.tokens, hidden, sum, nil, nil, Dropout.none.mask(.embeddings, firstRow: 0),
            configuration.layerNormEpsilon, saved.embeddingNorm, saved.embeddingScale)
        output(chunk, saved, into: workspace.hidden.pointer)
    }

    /// Recomputes the layer's output from the saved activations.
    func output(_ chunk: Chunk, _ saved: Activations, into y: UnsafeMutablePointer<Float>) {
        mafin_affine(
            chunk.tokens, hidden, saved.embeddingNorm, parameters + layout.embeddingNormGain,
            parameters + layout.embeddingNormBias, dropout.mask(.embeddings, firstRow: chunk.firstToken), y)
    }

    /// Computes the gradient of each token's sum of embeddings from ∂L/∂output, both in `workspace.gradient`. Adds to
    /// the gradients of the dense parameters. The caller adds those of the word embeddings.
    func backward(
        _ chunk: Chunk, _ saved: Activations, _ workspace: Workspace, gradients: UnsafeMutablePointer<Float>
    ) {
        let d = workspace.gradient.pointer
        let mask = dropout.mask(.embeddings, firstRow: chunk.firstToken)
        if mask.threshold > 0 { mafin_apply_dropout(chunk.tokens, hidden, d, mask, d) }
        mafin_layer_norm_backward(
            chunk.tokens, hidden, d, saved.embeddingNorm, saved.embeddingScale, parameters + layout.embeddingNormGain,
            gradients + layout.embeddingNormGain, gradients + layout.embeddingNormBias)
        mafin_column_sum(chunk.tokens, hidden, d, gradients + layout.tokenTypeEmbeddings)
        for text in 0..<chunk.texts.count {
            for token in chunk.starts[text]..<chunk.starts[text + 1] {
                let position = gradients + layout.positionEmbeddings + (token - chunk.starts[text]) * hidden
                mafin_axpy(hidden, 1, d + token * hidden, position)
            }
        }
    }
}
