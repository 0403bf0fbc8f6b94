import MafinNumerics
import MafinText

extension TransformerEncoder {
    /// Number of tokens of a chunk in training. More tokens make the products of weight gradients faster. Fewer tokens
    /// keep the scratch memory of a thread small.
    static let trainingChunk = 768

    /// A forward pass, kept for its backward pass.
    public final class ForwardPass {
        /// `(batch.count, dimension)`, pooled, not normalised.
        public let embeddings: Matrix
        let batch: LoadedBatch
        let chunks: [Chunk]
        let dropout: Dropout
        /// The activations of each chunk; `nil` if the backward pass recomputes them.
        let saved: [Activations?]
        /// The input of the first layer that is trained, `(tokens, dimension)`; `nil` if no layer is frozen.
        let inputs: FloatBuffer?
        private var storage: ActivationStore.Slice?
        private let store: ActivationStore

        init(
            embeddings: Matrix, batch: LoadedBatch, chunks: [Chunk], dropout: Dropout, saved: [Activations?],
            inputs: FloatBuffer?, storage: ActivationStore.Slice, of store: ActivationStore
        ) {
            self.embeddings = embeddings
            self.batch = batch
            self.chunks = chunks
            self.dropout = dropout
            self.saved = saved
            self.inputs = inputs
            self.storage = storage
            self.store = store
        }

        deinit { release() }

        /// Whether the memory of the activations was released.
        var isUsedUp: Bool { storage == nil }

        /// Returns the memory of the activations to the encoder.
        func release() {
            if let storage { store.giveBack(storage) }
            storage = nil
        }
    }

    /// A forward pass that keeps what ``backward(_:gradient:)`` needs.
    ///
    /// - Parameter dropoutSeed: seed of all dropout masks; `nil`: no dropout. The same inputs, weights and seed give
    ///   the same embeddings, in whatever way the batch is cut into chunks.
    ///   It also seeds the random changes of augmented images.
    /// - Throws: ``EncoderError/input(row:expected:found:)``; what reading an image throws.
    public func forward(_ batch: ItemBatch, dropoutSeed: UInt64?) throws -> ForwardPass {
        try forward(batch, dropoutSeed: dropoutSeed, firstToken: 0)
    }

    /// The same for a part of a longer batch, with the dropout masks that its tokens have there.
    /// - Parameter firstToken: number of tokens before this part.
    public func forward(_ batch: ItemBatch, dropoutSeed: UInt64?, firstToken: Int) throws -> ForwardPass {
        let batch = try load(batch, seed: dropoutSeed)
        prepare(batch)
        let chunks = Chunk.cut(batch, threads: Parallelism.threads, maximumTokens: Self.trainingChunk)
        let dropout = Dropout(
            seed: dropoutSeed, hidden: dropoutProbability ?? configuration.hiddenDropout,
            attention: dropoutProbability ?? configuration.attentionDropout, firstToken: firstToken)
        let inputs = frozenOutputs(of: batch)
        let (storage, saved) = reserveActivations(for: chunks)
        var pooled = Matrix(rows: batch.count, columns: dimension)
        pooled.values.withUnsafeMutableBufferPointer { values in
            let pooled = UnsafeTransfer(values.baseAddress)
            forEach(chunks, training: true) { encoder, index, workspace in
                let kept = saved[index] ?? workspace.transientActivations(tokens: chunks[index].tokens)
                encoder.withFrame(chunks[index], batch, dropout, kept, workspace, inputs: inputs) {
                    encoder.forward($0, pooled: pooled.value)
                }
            }
        }
        return ForwardPass(
            embeddings: pooled, batch: batch, chunks: chunks, dropout: dropout, saved: saved, inputs: inputs,
            storage: storage, of: activationStore)
    }

    /// The same for texts.
    public func forward(_ batch: TokenBatch, dropoutSeed: UInt64?) throws -> ForwardPass {
        try forward(.tokens(batch), dropoutSeed: dropoutSeed)
    }

    /// Reserves activations for as many chunks as the budget allows.
    private func reserveActivations(for chunks: [Chunk]) -> (ActivationStore.Slice, [Activations?]) {
        let free = activationStore.free(of: activationBudget / MemoryLayout<Float>.stride)
        var used = 0
        let offsets: [Int?] = chunks.map { chunk in
            let count = Activations.count(network, tokens: chunk.tokens, keeping: trainableLayers)
            guard used + count <= free else { return nil }
            defer { used += count }
            return used
        }
        let slice = activationStore.take(used)
        let saved = zip(chunks, offsets).map { chunk, offset in
            offset.map {
                Activations(network, tokens: chunk.tokens, keeping: trainableLayers, storage: slice.pointer + $0)
            }
        }
        return (slice, saved)
    }

    /// Backpropagates `gradient`, ∂L/∂embeddings `(count, dimension)`, and adds to the parameters' gradients. A pass can go
    /// backward once.
    public func backward(_ pass: ForwardPass, gradient: Matrix) {
        precondition(gradient.rows == pass.embeddings.rows && gradient.columns == dimension)
        precondition(!pass.isUsedUp, "a pass goes backward once")
        defer { pass.release() }
        let chunks = pass.chunks
        guard !chunks.isEmpty else { return }
        let recomputes = pass.saved.contains { $0 == nil }
        timed(.weightPacking, floats: 2 * (layout.count - layout.denseStart)) {
            packed.prepare(from: parameters, forward: recomputes, backward: true)
        }
        let isAdding = gradients.begin()
        let order = OrderedAccumulation(chunks: chunks.count)
        gradient.values.withUnsafeBufferPointer { values in
            guard let values = values.baseAddress else { return }
            let state = UnsafeTransfer((pass: pass, gradient: values))
            forEach(chunks, training: true) { encoder, index, workspace in
                let (pass, gradient) = state.value
                let saved =
                    pass.saved[index]
                    ?? workspace.transientActivations(tokens: chunks[index].tokens, keeping: encoder.trainableLayers)
                let sink = GradientSink(
                    gradients: encoder.gradients, isAdding: isAdding || index > 0, order: order, chunk: index)
                encoder.withFrame(chunks[index], pass.batch, pass.dropout, saved, workspace, inputs: pass.inputs) {
                    frame in
                    if pass.saved[index] == nil { encoder.forward(frame, pooled: nil) }
                    encoder.backward(frame, gradient: gradient, into: sink)
                }
            }
        }
    }
}
