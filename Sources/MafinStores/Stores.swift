import Foundation
import MafinParquet

/// Opens the stores that targets name, and writes their queries.
public struct Stores: Sendable {
    /// Whether dense vectors are stored as 16-bit floats.
    public var isHalf = false
    /// Whether indexes are built.
    public var wantsIndex = true
    /// How pgvector's are built.
    public var index = PgvectorIndexOptions()
    /// How Parquet files are compressed.
    public var codec = ParquetCodec.none
    /// Vectors that are in the store already, by the names of parts: a column of PostgreSQL, or a name of vectors in Qdrant.
    public var foreign: [String: String] = [:]
    /// How servers are reached.
    public var connection = StoreConnection()

    /// The defaults.
    public init() {}

    private var table: PgvectorStore.Options {
        PgvectorStore.Options(isHalf: isHalf, wantsIndex: wantsIndex, index: index, foreignColumns: foreign)
    }

    /// Checks options that do not go with a target.
    /// - Throws: ``StoreError/badAddress(_:reason:)``.
    public func require(fitting target: StoreTarget) throws {
        let isServer = if case .path = target.place { false } else { true }
        if !foreign.isEmpty, !isServer || ![.postgresql, .qdrant].contains(target.kind) {
            throw StoreError.badAddress(
                target.shown, reason: "--column is for tables of PostgreSQL and collections of Qdrant")
        }
        let halves: Set<StoreKind> = [.postgresql, .qdrant, .parquet, .npy, .faiss, .redis]
        if isHalf, !halves.contains(target.kind) {
            throw StoreError.badAddress(target.shown, reason: "\(target.kind.name) is not given 16-bit floats here")
        }
        let alwaysIndexed: Set<StoreKind> = [.chroma, .qdrant, .opensearch, .milvus, .weaviate, .redis]
        if !wantsIndex, alwaysIndexed.contains(target.kind) {
            throw StoreError.badAddress(
                target.shown,
                reason: "--no-index is for PostgreSQL and Elasticsearch; \(target.kind.name) is always given an index")
        }
        if codec != .none, target.kind != .parquet {
            throw StoreError.badAddress(target.shown, reason: "--compression is for Parquet")
        }
    }

    /// The store of a target.
    /// - Parameter folder: where files are written.
    /// - Throws: ``StoreError``, `ProviderError`.
    public func open(_ target: StoreTarget, writingTo folder: URL? = nil) throws -> any VectorStore {
        switch target.place {
        case .table(let address): return PgvectorStore(address, options: table)
        case .path(let url):
            return StoreFiles(
                target.kind, in: folder ?? url, name: Self.collection(of: url),
                options: StoreFiles.Options(isHalf: isHalf, codec: codec, wantsIndex: wantsIndex))
        case .server(let url, let collection):
            switch target.kind {
            case .chroma: return try ChromaStore(url: url, collection: collection, connection)
            case .qdrant:
                return try QdrantStore(url: url, collection: collection, isHalf: isHalf, foreign: foreign, connection)
            case .weaviate: return try WeaviateStore(url: url, collection: collection, connection)
            case .elasticsearch, .opensearch:
                return try ElasticsearchStore(
                    target.kind, url: url, index: collection, wantsIndex: wantsIndex, connection)
            default: throw StoreError.badAddress(target.shown, reason: "\(target.kind.name) is written as files")
            }
        }
    }

    /// The name of a collection that is written into a folder.
    private static func collection(of url: URL) -> String { url.deletingPathExtension().lastPathComponent }

    /// How a target is searched; nil for files without a query language.
    /// - Parameters:
    ///   - schema: of the artefact, with all its parts.
    ///   - candidates: how many candidates each part finds; nil: every text is scored, where the store can do that.
    public func query(_ target: StoreTarget, _ schema: StoreSchema, candidates: Int?) -> (any StoreQuery)? {
        let name: String
        switch target.place {
        case .table(let address): return PgvectorStore.query(address, schema, options: table, candidates: candidates)
        case .server(_, let collection): name = collection
        case .path(let url): name = Self.collection(of: url)
        }
        let candidates = candidates ?? 1000
        switch target.kind {
        case .chroma: return ChromaQuery(collection: name, schema: schema)
        case .qdrant: return QdrantQuery(collection: name, foreign: foreign, candidates: candidates)
        case .elasticsearch, .opensearch:
            return ElasticsearchQuery(kind: target.kind, index: name, schema: schema, candidates: candidates)
        case .milvus: return MilvusQuery(collection: name, schema: schema, candidates: candidates)
        case .weaviate: return WeaviateQuery(collection: name, schema: schema)
        case .redis: return RedisQuery(index: name, schema: schema)
        default: return nil
        }
    }
}
