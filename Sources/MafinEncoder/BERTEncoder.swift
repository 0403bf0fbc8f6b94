import CMafinKernels
import Foundation
import MafinNumerics
import MafinText
import Synchronization

/// A BERT-type text encoder that embeds and trains on the CPU.
///
/// Batches are ragged: texts lie end to end and no token is padding. A batch is cut into chunks of whole texts, and each
/// thread takes its chunks through all layers by itself, so that threads meet once a pass.
///
/// Not to be used from two threads at a time.
public final class BERTEncoder {
    /// Sizes and choices of the checkpoint.
    public let configuration: EncoderConfiguration
    /// How token vectors become one vector.
    public let pooling: Pooling
    /// Memory that a forward pass may keep for its backward pass, in bytes; what does not fit is computed again
    /// (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"), with equal gradients.
    public var activationBudget = 2 << 30
    /// Parameters below this layer stay as they are; above 0, the embeddings do too.
    public let frozenLayers: Int
    /// Whether the embedding matrices stay as they are.
    public let freezesEmbeddings: Bool

    let layout: ParameterLayout
    let parameters: FloatBuffer
    let packed: PackedWeights
    let gradients: Gradients
    private(set) lazy var optimizer = AdamW(
        configuration, layout, parameters, options: optimizerOptions, trainable: isTrainable)
    private var hasOptimizer = false
    /// Probability of dropping an element in training, of layers' outputs and of attention weights alike; `nil`: what the
    /// checkpoint's configuration says of each.
    public var dropoutProbability: Float?
    /// Settings of the optimiser; read when the first update is made.
    public var optimizerOptions = AdamWOptions()
    /// Tensors of the checkpoint that play no part here (BERT's pooler) and are exported as they came.
    var passedThrough: [(name: String, shape: [Int], values: [Float])] = []
    private(set) var workspaces: [Workspace] = []
    private(set) var spareBuffers: [FloatBuffer] = []

    /// Tokens of a chunk: in training large, so that weight gradients are sums over many rows; else small, for the caches.
    private static let trainingChunk = 2048
    private static let embeddingChunk = 256

    /// Length of an embedding.
    public var dimension: Int { configuration.hiddenSize }

    init(configuration: EncoderConfiguration, pooling: Pooling, frozenLayers: Int, freezesEmbeddings: Bool) {
        precondition((0...configuration.layerCount).contains(frozenLayers), "no \(frozenLayers) layers to freeze")
        self.configuration = configuration
        self.pooling = pooling
        self.frozenLayers = frozenLayers
        self.freezesEmbeddings = freezesEmbeddings || frozenLayers > 0
        layout = ParameterLayout(configuration)
        parameters = FloatBuffer(count: layout.count)
        packed = PackedWeights(configuration, layout)
        gradients = Gradients(configuration, layout)
    }

    /// An encoder with random weights (normal, deviation 0.02, as BERT is initialised): for tests and benchmarks of shapes.
    public convenience init(
        configuration: EncoderConfiguration, pooling: Pooling, seed: UInt64, frozenLayers: Int = 0,
        freezesEmbeddings: Bool = false
    ) {
        self.init(
            configuration: configuration, pooling: pooling, frozenLayers: frozenLayers,
            freezesEmbeddings: freezesEmbeddings)
        var random = RandomGenerator(seed: seed)
        for tensor in layout.tensors {
            let isGain = tensor.name.hasSuffix("LayerNorm.weight")
            for index in 0..<tensor.count {
                parameters.pointer[tensor.offset + index] =
                    tensor.decays ? 0.02 * random.normal() : isGain ? 1 : 0
            }
        }
    }

    private func isTrainable(_ tensor: ParameterLayout.Tensor) -> Bool {
        if tensor.name.hasPrefix("embeddings.") { return !freezesEmbeddings }
        let layer = layout.layers.firstIndex { tensor.offset < $0.end } ?? 0
        return layer >= frozenLayers
    }

    // MARK: Embedding

    /// Embeddings of a batch: `(batch.count, dimension)`, pooled, not normalised, without dropout.
    /// - Throws: ``EncoderError/input(row:expected:found:)`` for an empty or too long row, or an id beyond the vocabulary.
    public func embed(_ batch: TokenBatch) throws -> Matrix {
        try check(batch)
        prepare(batch, forBackward: false)
        let threads = Parallelism.threads
        let chunks = Chunk.cut(batch, threads: threads, maximumTokens: Self.embeddingChunk)
        let lanes = min(threads, chunks.count)
        reserveWorkspaces(lanes, for: chunks, training: false)
        let largest = chunks.map(\.tokens).max() ?? 0
        let buffers = (0..<lanes).map { _ in
            takeBuffer(largest * Activations.floatsPerToken(configuration, layers: 1))
        }
        let pooled = FloatBuffer(count: batch.count * dimension)
        let state = UnsafeTransfer((encoder: self, workspaces: workspaces))
        let next = Atomic<Int>(0)
        parallelFor(lanes) { lane in
            let (encoder, workspaces) = state.value
            while true {
                let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard index < chunks.count else { return }
                let saved = Activations(
                    encoder.configuration, tokens: chunks[index].tokens, keeping: 1, storage: buffers[lane])
                encoder.forward(
                    chunks[index], batch, dropout: .none, saved, workspaces[lane], pooled: pooled.pointer)
            }
        }
        spareBuffers.append(contentsOf: buffers)
        return Matrix(rows: batch.count, columns: dimension, values: Array(pooled.buffer))
    }

    // MARK: Training

    /// A forward pass, kept for its backward pass.
    public final class ForwardPass {
        /// `(batch.count, dimension)`, pooled, not normalised.
        public let embeddings: Matrix
        let batch: TokenBatch
        let chunks: [Chunk]
        let dropout: Dropout
        /// A chunk's activations; none where they have to be computed again.
        var saved: [Activations?]

        init(embeddings: Matrix, batch: TokenBatch, chunks: [Chunk], dropout: Dropout, saved: [Activations?]) {
            self.embeddings = embeddings
            self.batch = batch
            self.chunks = chunks
            self.dropout = dropout
            self.saved = saved
        }
    }

    /// A forward pass that ``backward(_:gradient:)`` may follow.
    ///
    /// - Parameter dropoutSeed: the seed from which all dropout masks follow; `nil`: no dropout. The same inputs, weights and
    ///   seed give the same embeddings, however the batch is cut.
    /// - Throws: ``EncoderError/input(row:expected:found:)``
    public func forward(_ batch: TokenBatch, dropoutSeed: UInt64?) throws -> ForwardPass {
        try check(batch)
        prepare(batch, forBackward: true)
        let threads = Parallelism.threads
        let chunks = Chunk.cut(batch, threads: threads, maximumTokens: Self.trainingChunk)
        let lanes = min(threads, chunks.count)
        reserveWorkspaces(lanes, for: chunks, training: true)
        let dropout = Dropout(
            seed: dropoutSeed, hidden: dropoutProbability ?? configuration.hiddenDropout,
            attention: dropoutProbability ?? configuration.attentionDropout)
        let perToken = Activations.floatsPerToken(configuration, layers: configuration.layerCount)
        var budget = activationBudget / MemoryLayout<Float>.stride
        let saved: [Activations?] = chunks.map { chunk in
            budget -= chunk.tokens * perToken
            guard budget >= 0 else { return nil }
            return Activations(
                configuration, tokens: chunk.tokens, keeping: configuration.layerCount,
                storage: takeBuffer(chunk.tokens * perToken))
        }
        let pooled = FloatBuffer(count: batch.count * dimension)
        let state = UnsafeTransfer((encoder: self, workspaces: workspaces, saved: saved))
        parallelFor(lanes) { lane in
            let (encoder, workspaces, saved) = state.value
            for index in stride(from: lane, to: chunks.count, by: lanes) {
                let chunk = chunks[index]
                let kept =
                    saved[index]
                    ?? Activations(
                        encoder.configuration, tokens: chunk.tokens, keeping: 1,
                        storage: FloatBuffer(
                            count: chunk.tokens * Activations.floatsPerToken(encoder.configuration, layers: 1)))
                encoder.forward(chunk, batch, dropout: dropout, kept, workspaces[lane], pooled: pooled.pointer)
            }
        }
        return ForwardPass(
            embeddings: Matrix(rows: batch.count, columns: dimension, values: Array(pooled.buffer)), batch: batch,
            chunks: chunks, dropout: dropout, saved: saved)
    }

    /// Adds to the parameters' gradients what `gradient`, ∂L/∂embeddings `(count, dimension)`, brings. The pass is used up.
    public func backward(_ pass: ForwardPass, gradient: Matrix) {
        precondition(gradient.rows == pass.embeddings.rows && gradient.columns == dimension)
        precondition(pass.saved.count == pass.chunks.count, "a pass goes backward once")
        let chunks = pass.chunks
        guard !chunks.isEmpty else { return }
        packed.prepare(from: parameters, forBackward: true)
        let lanes = min(Parallelism.threads, chunks.count)
        reserveWorkspaces(lanes, for: chunks, training: true)
        gradients.reserve(lanes: lanes)
        let tokenGradients = takeBuffer(freezesEmbeddings ? 0 : pass.batch.ids.count * dimension)
        let state = UnsafeTransfer((encoder: self, workspaces: workspaces, pass: pass))
        parallelFor(lanes) { lane in
            let (encoder, workspaces, pass) = state.value
            let base = encoder.gradients.base(lane: lane)
            for index in stride(from: lane, to: chunks.count, by: lanes) {
                let chunk = chunks[index]
                let saved = pass.saved[index] ?? encoder.activationsAgain(chunk, of: pass, workspaces[lane])
                encoder.backward(
                    chunk, dropout: pass.dropout, saved, workspaces[lane], gradient: gradient, gradients: base)
                if !encoder.freezesEmbeddings {
                    let tokens = workspaces[lane].gradient.pointer
                    (tokenGradients.pointer + chunk.firstToken * encoder.dimension)
                        .update(from: tokens, count: chunk.tokens * encoder.dimension)
                }
            }
        }
        if !freezesEmbeddings { gradients.addWords(pass.batch.ids, tokenGradients.pointer) }
        spareBuffers.append(tokenGradients)
        spareBuffers.append(contentsOf: pass.saved.compactMap { $0?.storage })
        pass.saved = []
    }

    /// One optimiser step on the gradients gathered since the last, which are then cleared.
    /// - Returns: the Euclidean norm of all gradients before clipping to `maximumGradientNorm`.
    public func update(learningRate: Float, maximumGradientNorm: Float?) -> Float {
        precondition(!gradients.isEmpty, "an update needs gradients")
        let norm = Float(gradients.combine().squareRoot())
        var scale: Float = 1
        // PyTorch's clip_grad_norm_ adds the same 1e-6.
        if let maximum = maximumGradientNorm { scale = min(1, maximum / (norm + 1e-6)) }
        hasOptimizer = true
        optimizer.update(gradients, learningRate: learningRate, gradientScale: scale)
        gradients.clear()
        packed.invalidate()
        return norm
    }

    /// A copy of all weights, in the order of the checkpoint's layers.
    public func weights() -> [Float] {
        if hasOptimizer { optimizer.bringAllUpToDate() }
        return Array(parameters.buffer)
    }

    /// Sets all weights to a copy that ``weights()`` made. Gradients and the optimiser's moments stay as they are.
    public func restore(weights: [Float]) {
        precondition(weights.count == layout.count, "weights of another encoder")
        if hasOptimizer { optimizer.bringAllUpToDate() }
        parameters.copy(from: weights)
        packed.invalidate()
    }

    /// Steps that the optimiser has made.
    var optimizerStep: Int { hasOptimizer ? optimizer.step : 0 }

    func restoreOptimizer(step: Int, _ moments: OptimizerMoments) {
        // Without an optimiser, step 0 is where it will start anyway.
        guard step > 0 || hasOptimizer else { return }
        hasOptimizer = true
        optimizer.restore(step: step, moments)
    }

    // MARK: One chunk

    private func layer(_ index: Int, _ dropout: Dropout) -> EncoderLayer {
        EncoderLayer(
            index: index, configuration: configuration, parameters: parameters.pointer, offsets: layout.layers[index],
            packed: packed, dropout: dropout)
    }

    private func embeddingLayer(_ dropout: Dropout) -> EmbeddingLayer {
        EmbeddingLayer(
            configuration: configuration, parameters: parameters.pointer, layout: layout, dropout: dropout)
    }

    private func forward(
        _ chunk: Chunk, _ batch: TokenBatch, dropout: Dropout, _ saved: Activations, _ workspace: Workspace,
        pooled: UnsafeMutablePointer<Float>?
    ) {
        batch.ids.withUnsafeBufferPointer { ids in
            guard let ids = ids.baseAddress else { return }
            embeddingLayer(dropout).forward(chunk, ids: ids + chunk.firstToken, saved, workspace)
        }
        for index in 0..<configuration.layerCount { layer(index, dropout).forward(chunk, saved[index], workspace) }
        guard let pooled else { return }
        for (number, text) in chunk.texts.enumerated() {
            pooling.forward(
                workspace.hidden.pointer + chunk.starts[number] * dimension,
                length: chunk.starts[number + 1] - chunk.starts[number], width: dimension,
                into: pooled + text * dimension)
        }
    }

    /// The activations that a forward pass did not keep.
    private func activationsAgain(_ chunk: Chunk, of pass: ForwardPass, _ workspace: Workspace) -> Activations {
        let count = chunk.tokens * Activations.floatsPerToken(configuration, layers: configuration.layerCount)
        let again = Activations(
            configuration, tokens: chunk.tokens, keeping: configuration.layerCount, storage: FloatBuffer(count: count))
        forward(chunk, pass.batch, dropout: pass.dropout, again, workspace, pooled: nil)
        return again
    }

    private func backward(
        _ chunk: Chunk, dropout: Dropout, _ saved: Activations, _ workspace: Workspace, gradient: Matrix,
        gradients: UnsafeMutablePointer<Float>
    ) {
        gradient.values.withUnsafeBufferPointer { values in
            guard let values = values.baseAddress else { return }
            for (number, text) in chunk.texts.enumerated() {
                pooling.backward(
                    values + text * dimension, length: chunk.starts[number + 1] - chunk.starts[number],
                    width: dimension, into: workspace.gradient.pointer + chunk.starts[number] * dimension)
            }
        }
        for index in (frozenLayers..<configuration.layerCount).reversed() {
            layer(index, dropout).backward(chunk, saved[index], workspace, gradients: gradients) { input in
                if index == 0 {
                    embeddingLayer(dropout).output(chunk, saved, into: input)
                } else {
                    layer(index - 1, dropout).output(tokens: chunk.tokens, saved[index - 1], into: input)
                }
            }
        }
        guard !freezesEmbeddings else { return }
        embeddingLayer(dropout).backward(chunk, saved, workspace, gradients: gradients)
    }

    // MARK: Preparation

    private func check(_ batch: TokenBatch) throws {
        for row in 0..<batch.count {
            let length = batch.offsets[row + 1] - batch.offsets[row]
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

    private func prepare(_ batch: TokenBatch, forBackward: Bool) {
        if hasOptimizer { optimizer.bringUpToDate(Array(Set(batch.ids.map(Int.init)))) }
        packed.prepare(from: parameters, forBackward: forBackward)
    }

    private func reserveWorkspaces(_ lanes: Int, for chunks: [Chunk], training: Bool) {
        let tokens = chunks.map(\.tokens).max() ?? 0
        let longest = chunks.map(\.longest).max() ?? 0
        while workspaces.count < lanes { workspaces.append(Workspace(configuration)) }
        for workspace in workspaces.prefix(lanes) {
            workspace.reserve(tokens: tokens, longest: longest, training: training)
        }
    }

    /// A spare buffer that is large enough, the smallest such, or a new one.
    private func takeBuffer(_ count: Int) -> FloatBuffer {
        let fitting = spareBuffers.indices.filter { spareBuffers[$0].count >= count }
        if let best = fitting.min(by: { spareBuffers[$0].count < spareBuffers[$1].count }) {
            return spareBuffers.remove(at: best)
        }
        // What was too small this time would be kept in vain: sizes grow only.
        if spareBuffers.count > 2 * Parallelism.threads { spareBuffers.removeFirst() }
        return FloatBuffer(count: count)
    }
}
