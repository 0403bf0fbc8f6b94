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
        /// The same in bfloat16.
        let halved: [HalvedActivations?]
        /// The numbers of the pass's products.
        let precision: Precision
        /// The input of the first layer that is trained, `(tokens, dimension)`; `nil` if no layer is frozen.
        let inputs: FloatBuffer?
        private var storage: ActivationStore.Slice?
        private let store: ActivationStore

        init(
            embeddings: Matrix, batch: LoadedBatch, chunks: [Chunk], dropout: Dropout, saved: [Activations?],
            halved: [HalvedActivations?], precision: Precision, inputs: FloatBuffer?, storage: ActivationStore.Slice,
            of store: ActivationStore
        ) {
            self.embeddings = embeddings
            self.batch = batch
            self.chunks = chunks
            self.dropout = dropout
            self.saved = saved
            self.halved = halved
            self.precision = precision
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
        let batch = try load(batch, seed: dropoutSeed, firstToken: firstToken)
        prepare(batch, for: .training)
        let chunks = Chunk.cut(batch, threads: Parallelism.threads, maximumTokens: Self.trainingChunk)
        let dropout = Dropout(
            seed: dropoutSeed, hidden: dropoutProbability ?? configuration.hiddenDropout,
            attention: dropoutProbability ?? configuration.attentionDropout, firstToken: firstToken)
        let inputs = frozenOutputs(of: batch)
        let (storage, saved, halved) = reserveActivations(for: chunks)
        var pooled = Matrix(rows: batch.count, columns: dimension)
        pooled.values.withUnsafeMutableBufferPointer { values in
            let pooled = UnsafeTransfer(values.baseAddress)
            forEach(chunks, training: true) { encoder, index, workspace in
                let kept = saved[index] ?? workspace.transientActivations(tokens: chunks[index].tokens)
                encoder.withFrame(
                    .training, chunks[index], batch, dropout, kept, workspace, halved: halved[index], inputs: inputs
                ) {
                    encoder.forward($0, pooled: pooled.value)
                }
            }
        }
        return ForwardPass(
            embeddings: pooled, batch: batch, chunks: chunks, dropout: dropout, saved: saved, halved: halved,
            precision: trainingPrecision, inputs: inputs, storage: storage, of: activationStore)
    }

    /// The same for texts.
    public func forward(_ batch: TokenBatch, dropoutSeed: UInt64?) throws -> ForwardPass {
        try forward(.tokens(batch), dropoutSeed: dropoutSeed)
    }

    /// Reserves activations for as many chunks as the budget allows.
    private func reserveActivations(
        for chunks: [Chunk]
    ) -> (ActivationStore.Slice, [Activations?], [HalvedActivations?]) {
        let isHalved = trainingPrecision == .bfloat16
        let free = activationStore.free(of: activationBudget / MemoryLayout<Float>.stride)
        var used = 0
        let offsets: [Int?] = chunks.map { chunk in
            let count =
                isHalved
                ? HalvedActivations.count(network, tokens: chunk.tokens, keeping: trainableLayers)
                : Activations.count(network, tokens: chunk.tokens, keeping: trainableLayers)
            guard used + count <= free else { return nil }
            defer { used += count }
            return used
        }
        let slice = activationStore.take(used)
        let places = zip(chunks, offsets).map { chunk, offset in
            (tokens: chunk.tokens, storage: offset.map { slice.pointer + $0 })
        }
        let saved = places.map { place in
            isHalved
                ? nil
                : place.storage.map {
                    Activations(network, tokens: place.tokens, keeping: trainableLayers, storage: $0)
                }
        }
        let halved = places.map { place in
            isHalved
                ? place.storage.map {
                    HalvedActivations(network, tokens: place.tokens, keeping: trainableLayers, storage: $0)
                } : nil
        }
        return (slice, saved, halved)
    }

    /// Backpropagates `gradient`, ∂L/∂embeddings `(count, dimension)`, and adds to the parameters' gradients. A pass can go
    /// backward once.
    public func backward(_ pass: ForwardPass, gradient: Matrix) { backward(pass, gradient: gradient, onFinished: nil) }

    /// - Parameter onFinished: called with each section, from the last to the first, to whose gradients nothing is added any more. It is
    ///   called by the thread that computes the last chunk, since the others have added to a section before it does. The gradients of the
    ///   embeddings, and of what all layers use, are complete when the call returns.
    func backward(_ pass: ForwardPass, gradient: Matrix, onFinished: (@Sendable (_ section: Int) -> Void)?) {
        precondition(gradient.rows == pass.embeddings.rows && gradient.columns == dimension)
        precondition(!pass.isUsedUp, "a pass goes backward once")
        defer { pass.release() }
        let chunks = pass.chunks
        guard !chunks.isEmpty else { return }
        precondition(pass.precision == trainingPrecision, "a pass goes backward in the precision of its forward pass")
        let isKept = chunks.indices.map { pass.saved[$0] != nil || pass.halved[$0] != nil }
        let recomputes = isKept.contains(false)
        timed(.weightPacking, floats: 2 * (layout.count - layout.denseStart)) {
            packed(trainingPrecision).prepare(from: parameters, forward: recomputes, backward: true)
        }
        let isAdding = gradients.begin()
        let order = OrderedAccumulation(chunks: chunks.count)
        gradient.values.withUnsafeBufferPointer { values in
            guard let values = values.baseAddress else { return }
            let state = UnsafeTransfer((pass: pass, gradient: values))
            forEach(chunks, training: true) { encoder, index, workspace in
                let (pass, gradient) = state.value
                let tokens = chunks[index].tokens
                let layers = encoder.trainableLayers
                var halved = pass.halved[index]
                let activations: Activations
                if pass.precision == .bfloat16 {
                    halved = halved ?? workspace.transientHalves(tokens: tokens, keeping: layers)
                    // A layer reads its own activations and the last norm of the layer before it.
                    activations = workspace.transientActivations(tokens: tokens, shares: 2)
                } else {
                    activations = pass.saved[index] ?? workspace.transientActivations(tokens: tokens, keeping: layers)
                }
                let sink = GradientSink(
                    gradients: encoder.gradients, isAdding: isAdding || index > 0, order: order, chunk: index,
                    onFinished: index == chunks.count - 1 ? onFinished : nil)
                encoder.withFrame(
                    .training, chunks[index], pass.batch, pass.dropout, activations, workspace, halved: halved,
                    inputs: pass.inputs
                ) { frame in
                    if !isKept[index] { encoder.forward(frame, pooled: nil) }
                    encoder.backward(frame, gradient: gradient, into: sink)
                }
            }
        }
    }
}
