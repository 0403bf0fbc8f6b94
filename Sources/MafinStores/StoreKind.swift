import MafinPipeline

/// The stores that vectors are exported to.
public enum StoreKind: String, Sendable, CaseIterable, Codable {
    /// PostgreSQL with the extension pgvector.
    case postgresql
    /// Chroma, by its HTTP interface of version 2.
    case chroma
    /// Qdrant, by HTTP or as files.
    case qdrant
    /// Elasticsearch, by HTTP or as files.
    case elasticsearch
    /// OpenSearch, by HTTP or as files.
    case opensearch
    /// Milvus, by HTTP or as files.
    case milvus
    /// Weaviate, by HTTP or as files.
    case weaviate
    /// Redis, as a file of commands.
    case redis
    /// Parquet files, which DuckDB, LanceDB, pandas and Spark read.
    case parquet
    /// `.npy` files.
    case npy
    /// `.npy` with ids, as FAISS's Python reads them, and a script that builds the index.
    case faiss
    /// A `.safetensors` file.
    case safetensors

    /// Its name for people.
    public var name: String {
        switch self {
        case .postgresql: "pgvector"
        case .chroma: "Chroma"
        case .qdrant: "Qdrant"
        case .elasticsearch: "Elasticsearch"
        case .opensearch: "OpenSearch"
        case .milvus: "Milvus"
        case .weaviate: "Weaviate"
        case .redis: "Redis"
        case .parquet: "Parquet"
        case .npy: "NumPy"
        case .faiss: "FAISS"
        case .safetensors: "safetensors"
        }
    }

    /// What it can hold.
    public var abilities: StoreAbilities {
        switch self {
        case .postgresql:
            StoreAbilities(isNamed: true, holdsSparse: true, index: 4000, storage: 16_000, isVerified: true)
        case .chroma: StoreAbilities(isNamed: false, holdsSparse: false, index: nil, storage: nil, isVerified: true)
        case .qdrant: StoreAbilities(isNamed: true, holdsSparse: true, index: 65_536, storage: 65_536)
        case .elasticsearch: StoreAbilities(isNamed: true, holdsSparse: true, index: 4096, storage: 4096)
        case .opensearch: StoreAbilities(isNamed: true, holdsSparse: true, index: 16_000, storage: 16_000)
        case .milvus: StoreAbilities(isNamed: true, holdsSparse: true, index: 32_768, storage: 32_768, maximumParts: 4)
        case .weaviate: StoreAbilities(isNamed: true, holdsSparse: false, index: 65_535, storage: 65_535)
        case .redis: StoreAbilities(isNamed: false, holdsSparse: false, index: 32_768, storage: 32_768)
        case .parquet, .npy:
            StoreAbilities(isNamed: true, holdsSparse: true, index: nil, storage: nil, isVerified: true)
        case .faiss, .safetensors:
            StoreAbilities(isNamed: false, holdsSparse: false, index: nil, storage: nil, isVerified: true)
        }
    }

    /// Whether it can be written over the network.
    public var hasServer: Bool {
        switch self {
        case .postgresql, .chroma, .qdrant, .elasticsearch, .opensearch, .milvus, .weaviate: true
        default: false
        }
    }

    /// Whether it can be written as files.
    public var hasFiles: Bool { self != .postgresql && self != .chroma }

    /// The environment variable of its key, as its own clients or manuals call it.
    public var keyVariable: String? {
        switch self {
        case .chroma: "CHROMA_API_KEY"
        case .qdrant: "QDRANT_API_KEY"
        case .elasticsearch: "ELASTICSEARCH_API_KEY"
        case .opensearch: "OPENSEARCH_BASIC_AUTH"
        case .milvus: "MILVUS_TOKEN"
        case .weaviate: "WEAVIATE_API_KEY"
        default: nil
        }
    }
}

/// What a store can hold, and how its query can be written.
public struct StoreAbilities: Sendable, Equatable {
    /// Whether a text can have several vectors, each under its own name. If not, it has one: those of all dense sources side by side.
    public var isNamed: Bool
    /// Whether it holds weighted terms (BM25).
    public var holdsSparse: Bool
    /// The most numbers of a vector in an index; nil: no limit is known.
    public var index: Int?
    /// The most numbers of a vector that it stores; nil: no limit is known.
    public var storage: Int?
    /// Whether the limits were tried, and not only read.
    public var isVerified = false
    /// The most vectors of a text; nil: no limit is known.
    public var maximumParts: Int?
}
