import MafinNumerics
import MafinText

/// Forward and backward passes of one chunk on one thread, and their preparation.
extension BERTEncoder {
    func layer(_ index: Int, _ dropout: Dropout) -> EncoderLayer {
        EncoderLayer(
            index: index, configuration: configuration, parameters: parameters.pointer, offsets: layout.layers[index],
            packed: packed, dropout: dropout)
    }

    private func embeddingLayer(_ dropout: Dropout) -> EmbeddingLayer {
        EmbeddingLayer(
            configuration: configuration, parameters: parameters.pointer, layout: layout, dropout: dropout)
    }

    /// - Parameters:
    ///   - inputs: the input of the first layer that is trained, for the whole batch; `nil`: all layers run, from the
    ///     embeddings on.
    ///   - pooled: the destination of the whole batch's embeddings; `nil`: only the activations are needed.
    func forward(
        _ chunk: Chunk, _ batch: TokenBatch, dropout: Dropout, _ saved: Activations, _ workspace: Workspace,
        inputs: UnsafePointer<Float>? = nil, pooled: UnsafeMutablePointer<Float>?
    ) {
        if let inputs {
            workspace.hidden.pointer.update(
                from: inputs + chunk.firstToken * dimension, count: chunk.tokens * dimension)
        } else {
            lookUp(chunk, batch, dropout: dropout, saved, workspace)
        }
        for index in inputs == nil ? 0..<configuration.layerCount : trainableLayers {
            layer(index, dropout).forward(chunk, saved[index], workspace)
        }
        if let pooled { pool(chunk, workspace, into: pooled) }
    }

    /// Writes the embeddings of a chunk's tokens to `workspace.hidden`.
    func lookUp(
        _ chunk: Chunk, _ batch: TokenBatch, dropout: Dropout, _ saved: Activations, _ workspace: Workspace
    ) {
        workspace.clock.time(.embeddings, floats: 6 * chunk.tokens * dimension) {
            batch.ids.withUnsafeBufferPointer { ids in
                guard let ids = ids.baseAddress else { return }
                embeddingLayer(dropout).forward(chunk, ids: ids + chunk.firstToken, saved, workspace)
            }
        }
    }

    /// Pools the token vectors in `workspace.hidden` to one vector per text.
    func pool(_ chunk: Chunk, _ workspace: Workspace, into pooled: UnsafeMutablePointer<Float>) {
        workspace.clock.time(.pooling, floats: chunk.tokens * dimension) {
            for (number, text) in chunk.texts.enumerated() {
                pooling.forward(
                    workspace.hidden.pointer + chunk.starts[number] * dimension,
                    length: chunk.starts[number + 1] - chunk.starts[number], width: dimension,
                    into: pooled + text * dimension)
            }
        }
    }

    /// Recomputes activations that a forward pass did not keep.
    func activationsAgain(_ chunk: Chunk, of pass: ForwardPass, _ workspace: Workspace) -> Activations {
        let again = workspace.transientActivations(tokens: chunk.tokens, keeping: trainableLayers)
        forward(
            chunk, pass.batch, dropout: pass.dropout, again, workspace, inputs: pass.inputs?.pointer, pooled: nil)
        return again
    }

    /// - Parameters:
    ///   - gradient: ∂L/∂embeddings of the whole batch.
    ///   - sink: the destination of the gradients.
    func backward(
        _ chunk: Chunk, of pass: ForwardPass, _ saved: Activations, _ workspace: Workspace,
        gradient: UnsafePointer<Float>, into sink: GradientSink
    ) {
        let clock = workspace.clock
        let dropout = pass.dropout
        clock.time(.pooling, floats: chunk.tokens * dimension) {
            for (number, text) in chunk.texts.enumerated() {
                pooling.backward(
                    gradient + text * dimension, length: chunk.starts[number + 1] - chunk.starts[number],
                    width: dimension, into: workspace.gradient.pointer + chunk.starts[number] * dimension)
            }
        }
        for index in trainableLayers.reversed() {
            layer(index, dropout).backward(chunk, saved[index], workspace, into: sink) {
                input in
                if index == frozenLayers, let inputs = pass.inputs {
                    input.update(
                        from: inputs.pointer + chunk.firstToken * dimension, count: chunk.tokens * dimension)
                } else if index == 0 {
                    embeddingLayer(dropout).output(chunk, saved, into: input)
                } else {
                    layer(index - 1, dropout).output(tokens: chunk.tokens, saved[index - 1], into: input)
                }
            }
        }
        guard !freezesEmbeddings else { return }
        clock.time(.embeddingGradients, floats: 7 * chunk.tokens * dimension) {
            sink.add { gradients in
                embeddingLayer(dropout).backward(chunk, saved, workspace, gradients: gradients)
                pass.batch.ids.withUnsafeBufferPointer { ids in
                    sink.gradients.addWords(
                        UnsafeBufferPointer(rebasing: ids[chunk.firstToken..<chunk.firstToken + chunk.tokens]),
                        workspace.gradient.pointer)
                }
            }
        }
    }

    // MARK: Preparation

    func check(_ batch: TokenBatch) throws {
        for row in 0..<batch.count {
            let length = batch.length(of: row)
            guard 1...configuration.maximumPositions ~= length else {
                throw EncoderError.input(
                    row: row, expected: "1 to \(configuration.maximumPositions) tokens", found: "\(length)")
            }
        }
        guard let bad = batch.ids.firstIndex(where: { $0 < 0 || $0 >= configuration.vocabularySize }) else { return }
        throw EncoderError.input(
            row: (batch.offsets.firstIndex { $0 > bad } ?? 1) - 1,
            expected: "token ids below \(configuration.vocabularySize)", found: "\(batch.ids[bad])")
    }

    /// Updates the weights that a forward pass over a batch reads.
    func prepare(_ batch: TokenBatch) {
        if hasOptimizer {
            let words = Array(Set(batch.ids.map(Int.init)))
            timed(.adamW, floats: 6 * words.count * dimension) { optimizer.bringUpToDate(words) }
        }
        timed(.weightPacking, floats: 2 * (layout.count - layout.denseStart)) {
            packed.prepare(from: parameters, forward: true, backward: false)
        }
    }

    /// Calls `body` with the number of each chunk and the workspace of its thread, on all threads.
    func forEach(
        _ chunks: [Chunk], training: Bool, _ body: @Sendable (BERTEncoder, _ index: Int, Workspace) -> Void
    ) {
        let workers = min(Parallelism.threads, chunks.count)
        reserveWorkspaces(workers, for: chunks, training: training)
        let state = UnsafeTransfer((encoder: self, workspaces: workspaces))
        parallelFor(chunks.count, workers: workers) { worker, index in
            body(state.value.encoder, index, state.value.workspaces[worker])
        }
    }

    func reserveWorkspaces(
        _ workers: Int, for chunks: [Chunk], training: Bool, activatedRows: Int = Workspace.rowBlock
    ) {
        let tokens = chunks.map(\.tokens).max() ?? 0
        let longest = chunks.map(\.longest).max() ?? 0
        while workspaces.count < workers { workspaces.append(Workspace(configuration)) }
        for workspace in workspaces.prefix(workers) {
            workspace.reserve(
                tokens: tokens, longest: longest, training: training, activatedRows: activatedRows)
            if timesOperations, workspace.clock == nil { workspace.clock = OperationClock() }
        }
    }
}
