/// One of the two parts of a joined embedding.
public enum VectorSource: String, Sendable, Codable, Hashable, CustomStringConvertible {
    /// The vectors of the black box, frozen.
    case blackBox = "black-box"
    /// The vectors of the local encoder.
    case local

    /// `black-box` or `local`.
    public var description: String { rawValue }
}

/// What a vector stands for: the two sides of a score may be joined differently.
public enum RetrievalSide: String, Sendable, Codable, Hashable {
    /// What is searched with.
    case query
    /// What is searched for.
    case document
}
