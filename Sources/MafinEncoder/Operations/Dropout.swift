import CMafinKernels
import MafinNumerics

/// The dropout masks of one pass. They depend only on the seed of the pass and the position of an element, so that any
/// part of the pass can be recomputed.
struct Dropout: Sendable {
    /// The place in the network where a mask is used.
    enum Site: Sendable {
        case embeddings
        case attention(layer: Int, head: Int)
        case attentionOutput(layer: Int)
        case output(layer: Int)

        fileprivate var code: UInt64 {
            switch self {
            case .embeddings: 1
            case .attentionOutput(let layer): 2 | UInt64(layer) << 8
            case .output(let layer): 3 | UInt64(layer) << 8
            case .attention(let layer, let head): 4 | UInt64(layer) << 8 | UInt64(head) << 32
            }
        }
    }

    static let none = Dropout(seed: nil, hidden: 0, attention: 0)

    let seed: UInt64?
    /// Probabilities of dropping an element of a layer's output and an attention weight.
    let hidden: Float
    let attention: Float
    /// Tokens before the first one of the batch, if it is a part of a longer one.
    var firstToken = 0

    /// A mask that drops nothing.
    static let noMask = mafin_dropout(seed: 0, first_row: 0, threshold: 0, scale: 1)

    /// The mask of a site, for the rows of the batch from `firstRow` on.
    func mask(_ site: Site, firstRow: Int) -> mafin_dropout {
        let probability = if case .attention = site { attention } else { hidden }
        guard let seed, probability > 0 else {
            return Self.noMask
        }
        return mafin_dropout(
            seed: RandomGenerator.mix(seed &+ RandomGenerator.mix(site.code)), first_row: UInt64(firstToken + firstRow),
            threshold: UInt32(Double(probability) * 0x1p32), scale: 1 / (1 - probability))
    }
}
