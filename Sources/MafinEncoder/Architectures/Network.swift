/// What makes the first rows of the stream from the inputs.
///
/// Indirect, so that a copy is one pointer: what the compiler makes for copies of the payloads branches on bytes that a smaller one leaves unset.
indirect enum InputEmbedding: Sendable {
    case tokens(TokenEmbedding)
    case patches(PatchEmbedding)
}

/// The operations of a network with the places of their values and parameters: what an architecture's list becomes.
struct Network: Sendable {
    /// The operations between two points at which the stream holds everything: a layer, the embeddings' norm, or the end.
    struct Section: Sendable {
        var operations: [any Operation] = []
        /// Width of each slot, in floats per token.
        var slots: [Int] = []
        /// Biases and norms that are trained.
        var small: [SmallParameter] = []
        /// Number of floats of their gradients.
        var smallCount = 0
        /// Runs of operations that share a loop over blocks of rows in the forward pass.
        var forwardRuns: [Range<Int>] = []
        /// The same for the backward pass. They also end where a branch ends, so that the memory of its gradients is free.
        var backwardRuns: [Range<Int>] = []
    }

    let configuration: EncoderConfiguration
    let layout: ParameterLayout
    let embedding: InputEmbedding
    /// The embeddings' slots and small parameters; no operations.
    let embeddingSection: Section
    let layers: [Section]
    /// Behind the pooling; `nil`: nothing.
    let projection: Projection?
    /// After the last layer; without operations if the network has nothing there.
    let last: Section
    /// Weight matrices of all linear layers, by their index.
    let weights: [PackedWeights.Weight]
    let trained: TrainedPart
    /// Width of the widest value between two linear layers of a feed-forward layer.
    let wideWidth: Int
    /// The table of numbers for distances, which all layers share; its gradients have memory of their own. `nil`: attention has none.
    let distances: SmallParameter?
    /// Columns of the widest low-rank term; 0 without.
    let lowRankWidth: Int

    /// Whether attention looks up numbers of distances.
    var hasDistances: Bool { distances != nil }

    /// The same table, if it is trained.
    var trainedDistances: SmallParameter? {
        guard let distances else { return nil }
        return layout.tensors.contains { $0.range.contains(distances.offset) && trained.includes($0) } ? distances : nil
    }

    /// Numbers of a patch; 0 in a network that reads texts.
    var patchWidth: Int {
        if case .patches(let embedding) = embedding { embedding.shape.patchWidth } else { 0 }
    }

    /// Number of floats that a chunk's small gradients need.
    var smallCount: Int { ([embeddingSection, last] + layers).map(\.smallCount).max() ?? 0 }

    /// Weights of all linear layers, each once: half of the floating-point operations of a token's forward pass, without attention.
    var linearWeights: Int { weights.reduce(0) { $0 + $1.outputs * $1.inputs } }

    /// The norm whose output is that of the network, and its section.
    var lastNorm: (norm: Normalization, section: Int) {
        let index = last.operations.isEmpty ? layers.count - 1 : layers.count
        switch section(index).operations.last {
        case let operation as AddAndNormalize: return (operation.norm, index)
        case let operation as NormalizeStream: return (operation.norm, index)
        default: preconditionFailure("a network ends with a norm")
        }
    }

    /// The parameters that are trained, in order.
    var trainedRanges: [Range<Int>] { layout.ranges(where: trained.includes) }

    /// The section of an index: a layer's, or ``Activations/embeddings``, or the number of layers for the end.
    func section(_ index: Int) -> Section {
        index == Activations.embeddings ? embeddingSection : index == layers.count ? last : layers[index]
    }
}
