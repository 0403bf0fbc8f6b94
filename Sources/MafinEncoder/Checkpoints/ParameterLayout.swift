/// Offsets of the parameters in the one block that holds all of them.
///
/// Word embeddings, if there are any, come first. They are the sparse part, because a step uses only a few of their rows.
/// Everything else is the dense part.
struct ParameterLayout: Sendable {
    /// The part of the network that a parameter belongs to.
    enum Part: Sendable, Equatable {
        case embeddings
        /// Used by all layers.
        case allLayers
        case layer(Int)
        /// After the last layer.
        case last
    }

    /// What a parameter does.
    enum Kind: Sendable {
        /// The word embeddings, of which a step uses only some rows. They come first.
        case words
        /// Factors of a product, or rows of a table.
        case matrix
        /// The factors of a norm. They are 1 in an untrained network.
        case gain
        /// The factors of the columns of a branch. They are 1 in an untrained network, too.
        case scale
        case normBias
        /// The bias of a linear layer.
        case bias
        /// The first and the second factor of a linear layer's low-rank term.
        case lowRankInput, lowRankOutput
    }

    /// A parameter, by its name in a checkpoint.
    struct Tensor: Sendable {
        var name: String
        var shape: [Int]
        var kind: Kind
        var part: Part
        var offset: Int
        /// Whether it is a weight matrix of a linear layer, whose gradient the first chunk overwrites.
        var isLinear: Bool
        var count: Int { shape.reduce(1, *) }
        var range: Range<Int> { offset..<offset + count }
        /// Biases, norms and scales are not decayed.
        var decays: Bool { kind != .gain && kind != .scale && kind != .normBias && kind != .bias }
        /// Whether it is a factor of a low-rank term, which a checkpoint does not hold.
        var isLowRank: Bool { kind == .lowRankInput || kind == .lowRankOutput }
    }

    private(set) var tensors: [Tensor] = []
    /// Number of parameters.
    private(set) var count = 0
    /// The size of the word embedding matrix, after which the dense part begins; 0 without one.
    var denseStart: Int { words.count * words.width }
    /// The rows of the word embedding matrix and their length; no rows in a network that reads no words.
    var words: (count: Int, width: Int) {
        guard let first = tensors.first, first.kind == .words else { return (0, 1) }
        return (first.shape[0], first.shape[1])
    }
    /// The parameters of the dense part.
    var denseTensors: [Tensor] { tensors.filter { $0.kind != .words } }

    /// Appends a parameter.
    /// - Returns: its offset.
    mutating func add(
        _ name: String, _ shape: [Int], _ kind: Kind, of part: Part, isLinear: Bool = false
    ) -> Int {
        let tensor = Tensor(name: name, shape: shape, kind: kind, part: part, offset: count, isLinear: isLinear)
        tensors.append(tensor)
        count += tensor.count
        return tensor.offset
    }

    /// The ranges of parameters for which `isIncluded` holds. Adjacent ranges are one.
    func ranges(where isIncluded: (Tensor) -> Bool) -> [Range<Int>] {
        tensors.filter(isIncluded).reduce(into: []) { ranges, tensor in
            if let last = ranges.last, last.upperBound == tensor.offset {
                ranges[ranges.count - 1] = last.lowerBound..<tensor.range.upperBound
            } else {
                ranges.append(tensor.range)
            }
        }
    }
}
