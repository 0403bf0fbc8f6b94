import Foundation
import MafinNumerics
import MafinText

/// A transformer encoder that embeds and trains on the CPU.
///
/// Its ``Architecture`` is a list of operations, from which everything else follows. Batches are ragged: texts follow each other without
/// padding. A batch is cut into chunks of whole texts. Each thread runs its chunks through all layers alone, so that threads wait for each
/// other only once per pass.
///
/// Not to be used from two threads at a time.
public final class TransformerEncoder {
    /// The network's sizes, operations and names.
    public let architecture: Architecture
    /// How token vectors are combined into one vector.
    public let pooling: Pooling
    /// Bytes of activations that all forward passes together keep for their backward passes. Activations that do not
    /// fit are recomputed (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup").
    /// The gradients are the same. ``limitTrainingMemory(to:copiesOfWeights:)`` sets it from a limit for all of
    /// training.
    public var activationBudget = TransformerEncoder.standardActivationBudget
    /// Bytes of frozen layers' outputs that are kept. The outputs of further texts are computed every time.
    public var frozenOutputBudget = 1 << 30
    /// Whether operations are timed, for ``operationTimes()``.
    public var timesOperations = false
    /// Probability of dropping an element of a branch's output or an attention weight in training; `nil`: the two probabilities of
    /// the checkpoint's configuration.
    public var dropoutProbability: Float?
    /// The numbers in which `embed` multiplies. Weights are packed for each precision when it is first used, and stay packed.
    public var precision = Precision.float32
    /// The numbers in which training multiplies: ``Precision/float32`` or ``Precision/bfloat16``. Weights, moments, gradients and sums are in
    /// single precision either way; what a forward pass keeps for its backward pass is in this precision.
    public var trainingPrecision = Precision.float32 {
        didSet {
            precondition(trainingPrecision != .int8, "bytes are not for training")
            if trainingPrecision != oldValue { frozenOutputCache.clear() }
        }
    }
    /// Settings of the optimiser. They are read at the first update.
    public var optimizerOptions = AdamWOptions()

    let network: Network
    let parameters: FloatBuffer
    private var packings: [Precision: PackedWeights] = [:]
    let gradients: Gradients
    private(set) lazy var optimizer = EncoderAdamW(network, parameters, options: optimizerOptions)
    private(set) var hasOptimizer = false
    /// Tensors of the checkpoint that are not used (BERT's pooler). They are exported unchanged.
    var passedThrough: [(name: String, shape: [Int], values: [Float])] = []
    var workspaces: [Workspace] = []
    let activationStore = ActivationStore()
    let frozenOutputCache = FrozenOutputs()
    let clock = OperationClock()

    var layout: ParameterLayout { network.layout }
    var trainableLayers: Range<Int> { frozenLayers..<configuration.layerCount }

    /// The sizes of the network.
    public var configuration: EncoderConfiguration { architecture.configuration }
    /// Length of an embedding.
    public var dimension: Int { network.projection?.outputs ?? configuration.hiddenSize }
    /// Width of the stream.
    var hidden: Int { configuration.hiddenSize }
    /// The images that it reads; `nil`: it reads texts.
    public var imageShape: ImageShape? { architecture.images }
    /// Which weights are trained. Frozen layers run without dropout. In training their outputs are computed once per text and
    /// kept, up to ``frozenOutputBudget``.
    public var trained: TrainedPart { network.trained }
    /// Number of layers, counted from the lowest, that are not trained.
    var frozenLayers: Int { trained.frozenLayers }
    /// Number of parameters that training changes.
    public var trainedParameterCount: Int { network.trainedRanges.reduce(0) { $0 + $1.count } }
    /// Weights of all linear layers: half of the floating-point operations of one token's forward pass, without attention.
    public var linearWeights: Int { network.linearWeights }

    init(_ architecture: Architecture, _ pooling: Pooling, _ trained: TrainedPart) {
        let layers = architecture.configuration.layerCount
        precondition((0...layers).contains(trained.frozenLayers), "no \(trained.frozenLayers) layers to freeze")
        self.architecture = architecture
        self.pooling = pooling
        network = architecture.network(trained)
        parameters = FloatBuffer(count: network.layout.count)
        gradients = Gradients(network)
    }

    /// An encoder with random weights for tests and benchmarks. They are normal with a standard deviation of 0.02, as
    /// in BERT.
    public convenience init(
        architecture: Architecture, pooling: Pooling, seed: UInt64, trained: TrainedPart = TrainedPart()
    ) {
        self.init(architecture, pooling, trained)
        var random = RandomGenerator(seed: seed)
        for tensor in layout.tensors where !tensor.isLowRank {
            for index in tensor.range {
                parameters.pointer[index] =
                    tensor.decays ? 0.02 * random.normal() : tensor.kind == .gain || tensor.kind == .scale ? 1 : 0
            }
        }
        setLowRankTerms()
    }

    /// Gives low-rank terms their first values: A uniform in ±1/√inputs and B = 0, as in PEFT, so that nothing changes before the first
    /// step.
    func setLowRankTerms() {
        var random = RandomGenerator(seed: 0x6C6F_7261)
        for tensor in layout.tensors where tensor.isLowRank {
            let bound = 1 / Float(tensor.shape[1]).squareRoot()
            for index in tensor.range {
                parameters.pointer[index] = tensor.kind == .lowRankInput ? bound * (2 * random.uniform() - 1) : 0
            }
        }
    }

    // MARK: Weights

    /// The weights for the products of a precision.
    func packed(_ precision: Precision) -> PackedWeights {
        if let known = packings[precision] { return known }
        let weights = PackedWeights(network.weights, precision)
        packings[precision] = weights
        return weights
    }

    private func invalidatePackings() {
        for weights in packings.values { weights.invalidate() }
    }

    /// Makes one optimiser step with the gradients that were added since the last step, then clears them.
    ///
    /// If the norm is infinite or NaN, no step is made: weights, moments and step count do not change.
    /// - Returns: the Euclidean norm of all gradients before clipping to `maximumGradientNorm`.
    public func update(learningRate: Float, maximumGradientNorm: Float?) -> Float {
        precondition(!gradients.isEmpty, "an update needs gradients")
        let floats = gradients.denseCount
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
        invalidatePackings()
        return norm
    }

    /// A copy of all weights that are trained, in the order of the network.
    public func weights() -> [Float] {
        if hasOptimizer { optimizer.bringAllUpToDate() }
        return network.trainedRanges.flatMap { UnsafeMutableBufferPointer(rebasing: parameters.buffer[$0]) }
    }

    /// SHA-256 of the weights that are not trained, in hexadecimal.
    public var untrainedContent: String {
        var hash = ContentHash()
        for range in layout.ranges(where: { !network.trained.includes($0) }) {
            hash.update(UnsafeRawBufferPointer(UnsafeMutableBufferPointer(rebasing: parameters.buffer[range])))
        }
        return ContentHash.hexadecimal(hash.finalize())
    }

    /// Sets all trained weights to a copy made by ``weights()``. Gradients and the optimiser's moments do not change.
    public func restore(weights: [Float]) {
        precondition(weights.count == trainedParameterCount, "weights of another encoder")
        if hasOptimizer { optimizer.bringAllUpToDate() }
        var start = 0
        for range in network.trainedRanges {
            parameters.copy(from: weights[start..<start + range.count], at: range.lowerBound)
            start += range.count
        }
        invalidatePackings()
        frozenOutputCache.clear()
    }

    /// Number of steps that the optimiser has made.
    var optimizerStep: Int { hasOptimizer ? optimizer.step : 0 }

    func restoreOptimizer(step: Int, _ moments: OptimizerMoments) {
        // Without an optimiser, step 0 is where it will start anyway.
        guard step > 0 || hasOptimizer else { return }
        hasOptimizer = true
        optimizer.restore(step: step, moments, ranges: gradients.trained)
    }

    // MARK: Time

    /// The time of each operation since the encoder was made, while ``timesOperations`` was set.
    public func operationTimes() -> [TimedOperation: OperationTime] {
        var sums: [TimedOperation: OperationTime] = [:]
        for clock in workspaces.compactMap(\.clock) + [clock] {
            for operation in TimedOperation.allCases {
                sums[operation, default: OperationTime()] += clock.times[operation.rawValue]
            }
        }
        return sums.filter { $0.value.seconds > 0 }
    }

    /// Times an operation that runs on several threads.
    func timed(_ operation: TimedOperation, floats: Int, _ body: () -> Void) {
        guard timesOperations else { return body() }
        let start = OperationClock.processNow()
        body()
        clock.add(operation, seconds: OperationClock.processNow() - start, operations: 0, floats: floats)
    }
}
