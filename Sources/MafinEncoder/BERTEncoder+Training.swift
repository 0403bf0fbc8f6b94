import MafinNumerics
import MafinText
import Synchronization

/// Memory for the activations that passes keep: one buffer, of which each pass takes a part behind those before it.
///
/// Passes that are alive together, such as one over queries and one over documents, share the budget.
final class ActivationStore {
    /// A part of the buffer, held by a pass.
    struct Room {
        let buffer: FloatBuffer
        let range: Range<Int>
        var pointer: UnsafeMutablePointer<Float> { buffer.pointer + range.lowerBound }
    }

    private var buffer = FloatBuffer(count: 0)
    private var taken: [Range<Int>] = []

    /// Floats of the buffer; memory is taken only where it was written to.
    var capacity: Int { buffer.count }

    /// Floats that are free behind the passes that are alive, of so many in all.
    func free(of capacity: Int) -> Int {
        if buffer.count != capacity {
            // Passes that are alive keep the old one.
            buffer = FloatBuffer(count: capacity)
            taken = []
        }
        return capacity - (taken.last?.upperBound ?? 0)
    }

    /// The next `count` floats, which are free.
    func take(_ count: Int) -> Room {
        let start = taken.last?.upperBound ?? 0
        precondition(start + count <= buffer.count)
        // Nothing taken stands in nobody's way.
        if count > 0 { taken.append(start..<start + count) }
        return Room(buffer: buffer, range: start..<start + count)
    }

    func giveBack(_ room: Room) {
        guard room.buffer === buffer, let index = taken.lastIndex(of: room.range) else { return }
        taken.remove(at: index)
    }
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
        private var storage: ActivationStore.Room?
        private let store: ActivationStore

        init(
            embeddings: Matrix, batch: TokenBatch, chunks: [Chunk], dropout: Dropout, saved: [Activations?],
            inputs: FloatBuffer?, storage: ActivationStore.Room, of store: ActivationStore
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
    private func reserveActivations(for chunks: [Chunk]) -> (ActivationStore.Room, [Activations?]) {
        let free = activationStore.free(of: activationBudget / MemoryLayout<Float>.stride)
        var used = 0
        let offsets: [Int?] = chunks.map { chunk in
            let count = Activations.count(configuration, tokens: chunk.tokens, layers: trainableLayers.count)
            guard used + count <= free else { return nil }
            defer { used += count }
            return used
        }
        let room = activationStore.take(used)
        let saved = zip(chunks, offsets).map { chunk, offset in
            offset.map {
                Activations(
                    configuration, tokens: chunk.tokens, keeping: trainableLayers, storage: room.pointer + $0)
            }
        }
        return (room, saved)
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
