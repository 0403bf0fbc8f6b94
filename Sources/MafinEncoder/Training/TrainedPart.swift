/// Which weights of an encoder training changes.
public struct TrainedPart: Sendable, Equatable, Codable {
    /// Number of layers, counted from the lowest, that are not trained. If it is above 0, the embeddings are not trained either.
    public var frozenLayers: Int
    /// Whether the embedding matrices are not trained.
    public var freezesEmbeddings: Bool
    /// The low-rank terms that are trained instead of the weights; `nil`: the weights are trained.
    public var lowRank: LowRankOptions?

    /// All weights, unless the arguments say less.
    public init(frozenLayers: Int = 0, freezesEmbeddings: Bool = false, lowRank: LowRankOptions? = nil) {
        self.frozenLayers = frozenLayers
        self.freezesEmbeddings = freezesEmbeddings
        self.lowRank = lowRank
    }

    func includes(_ tensor: ParameterLayout.Tensor) -> Bool {
        if let lowRank, !tensor.isLowRank {
            guard lowRank.trainsNorms, tensor.part != .embeddings, tensor.kind == .gain || tensor.kind == .normBias
            else {
                return false
            }
        }
        switch tensor.part {
        case .embeddings: return !freezesEmbeddings && frozenLayers == 0
        case .allLayers: return frozenLayers == 0
        case .layer(let layer): return layer >= frozenLayers
        case .last: return true
        }
    }
}

/// Training of low-rank terms instead of the weights (Hu et al. 2022, "LoRA").
public struct LowRankOptions: Sendable, Equatable, Codable {
    /// Rank of each term.
    public var rank: Int
    /// A term is multiplied by `alpha / rank`.
    public var alpha: Float
    /// Whether gains and biases of the norms are trained too.
    public var trainsNorms: Bool

    /// - Parameter alpha: `nil`: twice the rank.
    public init(rank: Int, alpha: Float? = nil, trainsNorms: Bool = true) {
        precondition(rank > 0, "a rank is at least 1")
        self.rank = rank
        self.alpha = alpha ?? Float(2 * rank)
        self.trainsNorms = trainsNorms
    }

    var scale: Float { alpha / Float(rank) }
}
