/// What an index over vectors takes, so that a joined vector that would not fit is known before it is paid for.
public struct IndexLimit: Sendable, Hashable, Codable {
    /// The store and the type of its column or index.
    public let name: String
    /// Numbers in a vector, at most.
    public let dimension: Int

    /// Bounds of common stores. (pgvector's were tried: "column cannot have more than 2000 dimensions for hnsw index".)
    public static let known: [IndexLimit] = [
        IndexLimit(name: "pgvector vector (HNSW, IVFFlat)", dimension: 2000),
        IndexLimit(name: "pgvector halfvec (HNSW, IVFFlat)", dimension: 4000),
        IndexLimit(name: "Elasticsearch dense_vector", dimension: 4096),
        IndexLimit(name: "pgvector without an index", dimension: 16_000),
        IndexLimit(name: "OpenSearch knn_vector (unverified)", dimension: 16_000),
        IndexLimit(name: "Redis vector (unverified)", dimension: 32_768),
    ]
}
