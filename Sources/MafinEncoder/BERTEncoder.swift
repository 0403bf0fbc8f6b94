import Foundation
import MafinNumerics
import MafinText

/// A BERT-type text encoder that embeds and trains on the CPU.
///
/// Batches are ragged: texts follow each other without padding. A batch is cut into chunks of whole texts. Each thread
/// runs its chunks through all layers alone, so that threads wait for each other only once per pass.
///
/// Not to be used from two threads at a time.
public final class BERTEncoder {
    /// The configuration of the checkpoint.
    public let configuration: EncoderConfiguration
    /// How token vectors are combined into one vector.
    public let pooling: Pooling
    /// Bytes of activations that all forward passes together keep for their backward passes. Activations that do not
    /// fit are recomputed (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup").
    /// The gradients are the same. ``limitTrainingMemory(to:copiesOfWeights:)`` sets it from a limit for all of
    /// training.
    public var activationBudget = BERTEncoder.standardActivationBudget
    /// Number of layers, counted from the lowest, that are not trained. If it is above 0, the embeddings are not
    /// trained either. Frozen layers run without dropout. In training their outputs are computed once per text and
    /// kept, up to ``frozenOutputBudget``.
    public let frozenLayers: Int
    /// Bytes of frozen layers' outputs that are kept. The outputs of further texts are computed every time.
    public var frozenOutputBudget = 1 << 30
    /// Whether the embedding matrices are not trained.
    public let freezesEmbeddings: Bool
    /// Whether operations are timed, for ``operationTimes()``.
    public var timesOperations = false

    let layout: ParameterLayout
    let parameters: FloatBuffer
    let packed: PackedWeights
    let gradients: Gradients
    private(set) lazy var optimizer = EncoderAdamW(
        configuration, layout, parameters, options: optimizerOptions, trainable: isTrainable)
    private(set) var hasOptimizer = false
    /// Probability of dropping an element of a layer's output or an attention weight in training; `nil`: the two probabilities of
    /// the checkpoint's configuration.
    public var dropoutProbability: Float?
    /// Settings of the optimiser. They are read at the first update.
    public var optimizerOptions = AdamWOptions()
    /// Tensors of the checkpoint that are not used (BERT's pooler). They are exported unchanged.
    var passedThrough: [(name: String, shape: [Int], values: [Float])] = []
    var workspaces: [Workspace] = []
    let activationStore = ActivationStore()
    let frozenOutputCache = FrozenOutputs()
    let clock = OperationClock()

    var trainableLayers: Range<Int> { frozenLayers..<configuration.layerCount }

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
        let firstLayer = layout.layers.dropFirst(frozenLayers).first?.queryKeyValueWeight ?? layout.count
        gradients = Gradients(
            configuration, layout, firstTrainable: self.freezesEmbeddings ? firstLayer : layout.denseStart)
    }

    /// An encoder with random weights for tests and benchmarks. They are normal with a standard deviation of 0.02, as
    /// in BERT.
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

    // MARK: Weights

    /// Makes one optimiser step with the gradients that were added since the last step, then clears them.
    ///
    /// If the norm is infinite or NaN, no step is made: weights, moments and step count do not change.
    /// - Returns: the Euclidean norm of all gradients before clipping to `maximumGradientNorm`.
    public func update(learningRate: Float, maximumGradientNorm: Float?) -> Float {
        precondition(!gradients.isEmpty, "an update needs gradients")
        let floats = layout.count - layout.denseStart
        var norm: Float = 0
        timed(.gradientNorm, floats: floats) {
            norm = Float(gradients.squaredNorm().squareRoot())
        }
        guard norm.isFinite else {
            gradients.clear()
            return norm
        }
        var scale: Float = 1
        // PyTorch's clip_grad_norm_ adds the same 1e-6.
        if let maximum = maximumGradientNorm { scale = min(1, maximum / (norm + 1e-6)) }
        hasOptimizer = true
        timed(.adamW, floats: 7 * floats) {
            optimizer.update(gradients, learningRate: learningRate, gradientScale: scale)
        }
        gradients.clear()
        packed.invalidate()
        return norm
    }

    /// A copy of all weights, in the order of the checkpoint's layers.
    public func weights() -> [Float] {
        if hasOptimizer { optimizer.bringAllUpToDate() }
        return Array(parameters.buffer)
    }

    /// Sets all weights to a copy made by ``weights()``. Gradients and the optimiser's moments do not change.
    public func restore(weights: [Float]) {
        precondition(weights.count == layout.count, "weights of another encoder")
        if hasOptimizer { optimizer.bringAllUpToDate() }
        parameters.copy(from: weights)
        packed.invalidate()
        frozenOutputCache.clear()
    }

    /// Number of steps that the optimiser has made.
    var optimizerStep: Int { hasOptimizer ? optimizer.step : 0 }

    func restoreOptimizer(step: Int, _ moments: OptimizerMoments) {
        // Without an optimiser, step 0 is where it will start anyway.
        guard step > 0 || hasOptimizer else { return }
        hasOptimizer = true
        optimizer.restore(step: step, moments)
    }

    // MARK: Time

    /// The time of each operation since the encoder was made, while ``timesOperations`` was set.
    public func operationTimes() -> [Operation: OperationTime] {
        var sums: [Operation: OperationTime] = [:]
        for clock in workspaces.compactMap(\.clock) + [clock] {
            for operation in Operation.allCases {
                sums[operation, default: OperationTime()] += clock.times[operation.rawValue]
            }
        }
        return sums.filter { $0.value.seconds > 0 }
    }

    /// Times an operation that runs on several threads.
    func timed(_ operation: Operation, floats: Int, _ body: () -> Void) {
        guard timesOperations else { return body() }
        let start = OperationClock.processNow()
        body()
        clock.add(operation, seconds: OperationClock.processNow() - start, operations: 0, floats: floats)
    }
}
