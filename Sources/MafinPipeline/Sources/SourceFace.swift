/// What a source's score is, and so who can compute it.
public enum SourceFace: String, Sendable, Codable, CaseIterable {
    /// An inner product of vectors. Any vector database computes it.
    case dense
    /// An inner product of weighted terms. Vector databases with sparse vectors compute it.
    case sparse
    /// Neither. This library alone computes it.
    case ours
}

extension ScoreSource {
    /// Its face.
    public var face: SourceFace {
        switch self {
        case is any DenseSource: .dense
        case is any SparseSource: .sparse
        default: .ours
        }
    }
}
