import CMafinKernels
import MafinNumerics
import MafinText

/// Forward and backward passes of one chunk on one thread, and their preparation.
extension TransformerEncoder {
    /// Calls `body` with everything that operations need for a chunk.
    /// - Parameters:
    ///   - purpose: what the pass is for, which decides its precision.
    ///   - scratch: the thread's own workspace; `nil`: `workspace`.
    func withFrame(
        _ purpose: Frame.Purpose, _ chunk: Chunk, _ batch: LoadedBatch, _ dropout: Dropout, _ activations: Activations,
        _ workspace: Workspace, scratch: Workspace? = nil, halved: HalvedActivations? = nil, inputs: FloatBuffer? = nil,
        _ body: (Frame) -> Void
    ) {
        batch.withInput(of: chunk) { input in
            let inputs = inputs.map { $0.pointer + chunk.firstToken * hidden }
            body(
                Frame(
                    purpose, chunk, input: input, parameters: parameters.pointer,
                    packed: packed(precision(of: purpose)), dropout: dropout, activations, workspace,
                    scratch: scratch ?? workspace,
                    halved: halved, inputs: inputs.map { (layer: frozenLayers, rows: UnsafePointer($0)) }))
        }
    }

    /// Runs all operations, from the embeddings or the first layer that is trained on.
    /// - Parameter pooled: the destination of the whole batch's embeddings; `nil`: only the activations are needed.
    func forward(_ frame: Frame, pooled: UnsafeMutablePointer<Float>?) {
        if let inputs = frame.inputs {
            frame.workspace.stream.pointer.update(from: inputs.rows, count: frame.chunk.tokens * hidden)
        } else {
            lookUp(frame)
        }
        for index in (frame.inputs?.layer ?? 0)...configuration.layerCount { forward(section: index, frame) }
        if let pooled { pool(frame, into: pooled) }
    }

    /// Sets the stream to the embeddings of the chunk's tokens or patches.
    func lookUp(_ frame: Frame) {
        frame.layer = Activations.embeddings
        frame.clock.time(.embeddings, floats: 6 * frame.chunk.tokens * hidden) {
            switch network.embedding {
            case .tokens(let embedding): embedding.forward(frame)
            case .patches(let embedding): embedding.forward(frame)
            }
        }
        frame.halved?.keep(Activations.embeddings, from: frame.activations)
    }

    /// Runs the operations of one section.
    func forward(section index: Int, _ frame: Frame) {
        let section = network.section(index)
        frame.layer = index
        for run in section.forwardRuns {
            frame.forEachBlock(isRowwise: section.operations[run.lowerBound].isRowwise) { rows in
                for operation in section.operations[run] { operation.forward(rows, columns: nil, frame) }
            }
        }
        frame.halved?.keep(index, from: frame.activations)
    }

    /// Pools the token vectors in the stream to one vector per text, and projects it.
    func pool(_ frame: Frame, into embeddings: UnsafeMutablePointer<Float>) {
        let own = embeddings + frame.chunk.texts.lowerBound * dimension
        frame.clock.time(.pooling, floats: frame.chunk.tokens * hidden) {
            guard let projection = network.projection else { return poolRows(frame, into: own) }
            let pooled = frame.workspace.pooled(count: frame.chunk.texts.count * hidden).rows
            poolRows(frame, into: pooled)
            projection.forward(frame.chunk.texts.count, pooled, frame.parameters, into: own)
        }
    }

    /// Pools the token vectors in the stream: one row for each of the chunk's texts.
    private func poolRows(_ frame: Frame, into pooled: UnsafeMutablePointer<Float>) {
        for number in 0..<frame.chunk.texts.count {
            let rows = frame.chunk.rows(of: number)
            pooling.forward(
                frame.workspace.stream.pointer + rows.lowerBound * hidden, length: rows.count, width: hidden,
                into: pooled + number * hidden)
        }
    }

    /// - Parameters:
    ///   - gradient: ∂L/∂embeddings of the whole batch.
    ///   - sink: the destination of the gradients.
    func backward(_ frame: Frame, gradient: UnsafePointer<Float>, into sink: GradientSink) {
        let chunk = frame.chunk
        let last = configuration.layerCount
        for section in [last, last - 1] { frame.halved?.restore(section, into: frame.activations) }
        frame.clock.time(.pooling, floats: chunk.tokens * hidden) {
            if pooling == .maximum || network.projection?.isTrained == true { computeOutputAgain(frame) }
            let pooled = backwardOfProjection(frame, gradient + chunk.texts.lowerBound * dimension, into: sink)
            for number in 0..<chunk.texts.count {
                let rows = chunk.rows(of: number)
                pooling.backward(
                    pooled + number * hidden, tokens: frame.workspace.stream.pointer + rows.lowerBound * hidden,
                    length: rows.count, width: hidden,
                    into: frame.workspace.gradient.pointer + rows.lowerBound * hidden)
            }
        }
        frame.workspace.distanceTableGradient.clear()
        for index in (frozenLayers...last).reversed() {
            // An operation may read the last norm of the section before it.
            if index < last { frame.halved?.restore(index - 1, into: frame.activations) }
            backward(section: index, frame, into: sink)
            sink.onFinished?(index)
        }
        // Once for all layers: added layer by layer, the order of the sum would depend on how far other chunks are.
        if let distances = network.trainedDistances {
            sink.add {
                mafin_axpy(distances.count, 1, frame.workspace.distanceTableGradient.pointer, $0 + distances.offset)
            }
        }
        guard network.trained.includes(layout.tensors[0]) else { return }
        let section = network.embeddingSection
        frame.layer = Activations.embeddings
        frame.workspace.smallGradients.clear()
        frame.clock.time(.embeddingGradients, floats: 7 * chunk.tokens * hidden) {
            sink.add { gradients in
                switch network.embedding {
                case .tokens(let embedding): embedding.backward(frame, gradients: gradients)
                case .patches(let embedding):
                    embedding.backward(frame, gradients: gradients, isAdding: sink.isAdding)
                }
                frame.addSmallGradients(section.small, to: gradients)
                guard case .tokens(let ids) = frame.input else { return }
                sink.gradients.addWords(
                    UnsafeBufferPointer(start: ids, count: chunk.tokens), frame.workspace.gradient.pointer)
            }
        }
    }

    /// The gradient of a chunk's pooled vectors from that of its embeddings.
    private func backwardOfProjection(
        _ frame: Frame, _ gradient: UnsafePointer<Float>, into sink: GradientSink
    ) -> UnsafePointer<Float> {
        guard let projection = network.projection else { return gradient }
        let count = frame.chunk.texts.count
        let (pooled, dpooled) = frame.workspace.pooled(count: count * hidden)
        projection.backward(count, gradient, frame.parameters, into: dpooled)
        if projection.isTrained {
            poolRows(frame, into: pooled)
            sink.add {
                projection.accumulate(count, dy: gradient, pooled: pooled, isAdding: sink.isAdding, into: $0)
            }
        }
        return UnsafePointer(dpooled)
    }

    /// The gradient of a section's input and of its parameters, from that of its output.
    private func backward(section index: Int, _ frame: Frame, into sink: GradientSink) {
        let section = network.section(index)
        guard !section.operations.isEmpty else { return }
        frame.layer = index
        frame.workspace.smallGradients.clear()
        for run in section.backwardRuns.reversed() {
            let operations = section.operations[run].reversed()
            frame.forEachBlock(isRowwise: section.operations[run.lowerBound].isRowwise) { rows in
                for operation in operations { operation.backward(rows, frame) }
            }
            for operation in operations { operation.accumulate(frame, into: sink) }
        }
        guard !section.small.isEmpty else { return }
        sink.add { frame.addSmallGradients(section.small, to: $0) }
    }

    /// Computes the last operation's output again, into the stream.
    private func computeOutputAgain(_ frame: Frame) {
        let (norm, section) = network.lastNorm
        if let inputs = frame.inputs, inputs.layer > section {
            return frame.workspace.stream.pointer.update(from: inputs.rows, count: frame.chunk.tokens * hidden)
        }
        norm.output(0..<frame.chunk.tokens, layer: section, frame, into: frame.workspace.stream.pointer)
    }

    // MARK: Preparation

    /// The batch in memory, if the network can read it.
    /// - Parameters:
    ///   - seed: the seed of the random changes of images; `nil`: none.
    ///   - firstToken: number of tokens before this part of a longer batch, whose images have their changes there.
    func load(_ batch: ItemBatch, seed: UInt64?, firstToken: Int = 0) throws -> LoadedBatch {
        switch batch {
        case .tokens(let batch):
            try check(batch)
            return LoadedBatch(batch)
        case .images(let batch):
            let shape = try check(batch)
            return try LoadedBatch(batch, shape: shape, seed: seed, firstRow: firstToken / shape.tokens)
        }
    }

    /// The shape of the images that the network reads.
    func check(_ batch: ImageBatch) throws -> ImageShape {
        guard let shape = architecture.images, batch.rows.isEmpty || batch.tokensPerImage == shape.tokens else {
            throw EncoderError.input(
                row: 0, expected: architecture.images.map { "\($0.tokens) rows for an image" } ?? "a text",
                found: architecture.images == nil ? "an image" : "\(batch.tokensPerImage)")
        }
        return shape
    }

    private func check(_ batch: TokenBatch) throws {
        guard architecture.images == nil || batch.isEmpty else {
            throw EncoderError.input(row: 0, expected: "an image", found: "a text")
        }
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

    /// The numbers of the products of a pass.
    func precision(of purpose: Frame.Purpose) -> Precision {
        switch purpose {
        case .embedding: precision
        case .training: trainingPrecision
        }
    }

    /// Updates the weights that a forward pass over a batch reads.
    func prepare(_ batch: LoadedBatch, for purpose: Frame.Purpose) {
        if hasOptimizer, case .tokens(let batch) = batch.content {
            let words = Array(Set(batch.ids.map(Int.init)))
            timed(.adamW, floats: 6 * words.count * hidden) { optimizer.bringUpToDate(words) }
        }
        timed(.weightPacking, floats: 2 * linearWeights) {
            packed(precision(of: purpose)).prepare(from: parameters, forward: true, backward: false)
        }
    }

    /// Calls `body` with the number of each chunk and the workspace of its thread, on all threads.
    func forEach(
        _ chunks: [Chunk], training: Bool, _ body: @Sendable (TransformerEncoder, _ index: Int, Workspace) -> Void
    ) {
        let workers = min(Parallelism.threads, chunks.count)
        reserveWorkspaces(workers, for: chunks, training: training)
        let state = UnsafeTransfer((encoder: self, workspaces: workspaces))
        parallelFor(chunks.count, workers: workers) { worker, index in
            body(state.value.encoder, index, state.value.workspaces[worker])
        }
    }

    func reserveWorkspaces(
        _ workers: Int, for chunks: [Chunk], training: Bool, blockRows: Int = Workspace.rowBlock
    ) {
        let tokens = chunks.map(\.tokens).max() ?? 0
        let longest = chunks.map(\.longest).max() ?? 0
        while workspaces.count < workers { workspaces.append(Workspace(network)) }
        for workspace in workspaces.prefix(workers) {
            workspace.reserve(tokens: tokens, longest: longest, training: training, blockRows: blockRows)
            if timesOperations, workspace.clock == nil { workspace.clock = OperationClock() }
        }
    }
}

extension Frame {
    /// Calls `body` with blocks of rows, or once with all rows.
    fileprivate func forEachBlock(isRowwise: Bool, _ body: (Range<Int>) -> Void) {
        guard isRowwise else { return body(0..<chunk.tokens) }
        for first in stride(from: 0, to: chunk.tokens, by: Workspace.rowBlock) {
            blockStart = first
            body(first..<min(first + Workspace.rowBlock, chunk.tokens))
        }
    }

    fileprivate func addSmallGradients(_ parameters: [SmallParameter], to gradients: UnsafeMutablePointer<Float>) {
        clock.time(.biasGradients, floats: parameters.reduce(0) { $0 + 3 * $1.count }) {
            for parameter in parameters {
                mafin_axpy(parameter.count, 1, smallGradient(parameter.gradient), gradients + parameter.offset)
            }
        }
    }
}
