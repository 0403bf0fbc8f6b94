import MafinNumerics
import MafinText
import Synchronization

/// Buffers for the activations that passes keep, handed from one pass to the next.
final class ActivationStore {
    private(set) var spares: [FloatBuffer] = []

    /// A buffer of at least so many floats. Memory is taken only where it is written to.
    func take(_ count: Int) -> FloatBuffer {
        // What was too small this time would be kept in vain: sizes are of the budget, which seldom changes.
        spares.removeAll { $0.count < count }
        return spares.popLast() ?? FloatBuffer(count: count)
    }

    func giveBack(_ buffer: FloatBuffer) { spares.append(buffer) }
}

extension BERTEncoder {
    /// Tokens of a chunk: enough for weight gradients to be sums over many rows, few enough for a thread's scratch memory to be
    /// small beside the activations.
    static let trainingChunk = 768

    /// A forward pass, kept for its backward pass.
    public final class ForwardPass {
        /// `(batch.count, dimension)`, pooled, not normalised.
        public let embeddings: Matrix
        let batch: TokenBatch
        let chunks: [Chunk]
        let dropout: Dropout
        /// A chunk's activations; none where they have to be computed again.
        let saved: [Activations?]
        /// What goes into the first layer that trains, `(tokens, dimension)`, where layers below it are frozen.
        let inputs: FloatBuffer?
        private var storage: FloatBuffer?
        private let store: ActivationStore

        init(
            embeddings: Matrix, batch: TokenBatch, chunks: [Chunk], dropout: Dropout, saved: [Activations?],
            inputs: FloatBuffer?, storage: FloatBuffer, of store: ActivationStore
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

        /// Whether the activations are gone.
        var isUsedUp: Bool { storage == nil }

        /// Gives the activations' memory back to the encoder.
        func release() {
            if let storage { store.giveBack(storage) }
            storage = nil
        }
    }

    /// A forward pass that ``backward(_:gradient:)`` may follow.
    ///
    /// - Parameter dropoutSeed: the seed from which all dropout masks follow; `nil`: no dropout. The same inputs, weights and
    ///   seed give the same embeddings, however the batch is cut.
    /// - Throws: ``EncoderError/input(row:expected:found:)``
    public func forward(_ batch: TokenBatch, dropoutSeed: UInt64?) throws -> ForwardPass {
        try check(batch)
        prepare(batch)
        let threads = Parallelism.threads
        let chunks = Chunk.cut(batch, threads: threads, maximumTokens: Self.trainingChunk)
        let lanes = min(threads, chunks.count)
        reserveWorkspaces(lanes, for: chunks, training: true)
        let dropout = Dropout(
            seed: dropoutSeed, hidden: dropoutProbability ?? configuration.hiddenDropout,
            attention: dropoutProbability ?? configuration.attentionDropout)
        let inputs = frozenOutputs(of: batch)
        let (storage, saved) = reserveActivations(for: chunks)
        var pooled = Matrix(rows: batch.count, columns: dimension)
        pooled.values.withUnsafeMutableBufferPointer { values in
            guard let values = values.baseAddress else { return }
            let state = UnsafeTransfer((encoder: self, workspaces: workspaces, pooled: values))
            let next = Atomic<Int>(0)
            parallelFor(lanes) { lane in
                let (encoder, workspaces, pooled) = state.value
                let workspace = workspaces[lane]
                while true {
                    let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                    guard index < chunks.count else { return }
                    let chunk = chunks[index]
                    let kept = saved[index] ?? workspace.transientActivations(tokens: chunk.tokens)
                    encoder.forward(
                        chunk, batch, dropout: dropout, kept, workspace, inputs: inputs?.pointer, pooled: pooled)
                }
            }
        }
        return ForwardPass(
            embeddings: pooled, batch: batch, chunks: chunks, dropout: dropout, saved: saved, inputs: inputs,
            storage: storage, of: activationStore)
    }

    /// Room for the activations of as many chunks as the budget allows, one behind the other.
    private func reserveActivations(for chunks: [Chunk]) -> (FloatBuffer, [Activations?]) {
        let budget = activationBudget / MemoryLayout<Float>.stride
        // All of the budget, though it may not be needed: untouched pages cost nothing, and every later pass fits.
        let storage = activationStore.take(budget)
        var used = 0
        let saved: [Activations?] = chunks.map { chunk in
            let count = Activations.count(configuration, tokens: chunk.tokens, layers: trainableLayers.count)
            guard used + count <= budget else { return nil }
            defer { used += count }
            return Activations(
                configuration, tokens: chunk.tokens, keeping: trainableLayers,
                storage: storage.pointer + used)
        }
        return (storage, saved)
    }

    /// Adds to the parameters' gradients what `gradient`, ∂L/∂embeddings `(count, dimension)`, brings. The pass is used up.
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
        let lanes = min(Parallelism.threads, chunks.count)
        reserveWorkspaces(lanes, for: chunks, training: true)
        let isAdding = gradients.begin()
        let turns = Turns(chunks: chunks.count)
        let next = Atomic<Int>(0)
        gradient.values.withUnsafeBufferPointer { values in
            guard let values = values.baseAddress else { return }
            let state = UnsafeTransfer((encoder: self, workspaces: workspaces, pass: pass, gradient: values))
            parallelFor(lanes) { lane in
                let (encoder, workspaces, pass, gradient) = state.value
                while true {
                    let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                    guard index < chunks.count else { return }
                    let chunk = chunks[index]
                    let saved = pass.saved[index] ?? encoder.activationsAgain(chunk, of: pass, workspaces[lane])
                    let sink = GradientSink(
                        gradients: encoder.gradients, isAdding: isAdding || index > 0, turns: turns, chunk: index)
                    encoder.backward(chunk, of: pass, saved, workspaces[lane], gradient: gradient, into: sink)
                }
            }
        }
    }
}

/// Where one chunk's gradients go, when it is its turn.
struct GradientSink {
    let gradients: Gradients
    /// Whether the gradients of weight matrices are added to what is there, or take its place. The others are always added.
    let isAdding: Bool
    let turns: Turns
    let chunk: Int

    /// Calls `body` with where every parameter's gradient is, at the parameters' own offsets.
    func add(_ body: (UnsafeMutablePointer<Float>) -> Void) {
        turns.take(chunk: chunk) { body(gradients.base) }
    }
}
