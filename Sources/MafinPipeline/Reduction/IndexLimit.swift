/// The maximum dimension of an index over vectors. It shows before anything is paid whether a joined vector fits.
public struct IndexLimit: Sendable, Hashable, Codable {
    /// A short name, as flags take it.
    public let target: String
    /// The store and the type of its column or index.
    public let name: String
    /// Maximum number of numbers in a vector.
    public let dimension: Int

    /// Limits of common stores. (pgvector's were tested: "column cannot have more than 2000 dimensions for hnsw index".)
    public static let known: [IndexLimit] = [
        IndexLimit(target: "pgvector", name: "pgvector vector (HNSW, IVFFlat)", dimension: 2000),
        IndexLimit(target: "pgvector-halfvec", name: "pgvector halfvec (HNSW, IVFFlat)", dimension: 4000),
        IndexLimit(target: "elasticsearch", name: "Elasticsearch dense_vector", dimension: 4096),
        IndexLimit(target: "pgvector-unindexed", name: "pgvector without an index", dimension: 16_000),
        IndexLimit(target: "opensearch", name: "OpenSearch knn_vector (unverified)", dimension: 16_000),
        IndexLimit(target: "redis", name: "Redis vector (unverified)", dimension: 32_768),
        IndexLimit(target: "milvus", name: "Milvus FloatVector (unverified)", dimension: 32_768),
        IndexLimit(target: "weaviate", name: "Weaviate vector (unverified)", dimension: 65_535),
        IndexLimit(target: "qdrant", name: "Qdrant vector (unverified)", dimension: 65_536),
    ]

    /// The limit of a target by its short name; `nil` for an unknown one.
    public static func of(_ target: String) -> IndexLimit? { known.first { $0.target == target } }
}
