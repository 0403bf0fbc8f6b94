/// The maximum dimension of an index over vectors. It shows before anything is paid whether a joined vector fits.
public struct IndexLimit: Sendable, Hashable, Codable {
    /// The store and the type of its column or index.
    public let name: String
    /// Maximum number of numbers in a vector.
    public let dimension: Int

    /// Limits of common stores. (pgvector's were tested: "column cannot have more than 2000 dimensions for hnsw index".)
    public static let known: [IndexLimit] = [
        IndexLimit(name: "pgvector vector (HNSW, IVFFlat)", dimension: 2000),
        IndexLimit(name: "pgvector halfvec (HNSW, IVFFlat)", dimension: 4000),
        IndexLimit(name: "Elasticsearch dense_vector", dimension: 4096),
        IndexLimit(name: "pgvector without an index", dimension: 16_000),
        IndexLimit(name: "OpenSearch knn_vector (unverified)", dimension: 16_000),
        IndexLimit(name: "Redis vector (unverified)", dimension: 32_768),
    ]
}
