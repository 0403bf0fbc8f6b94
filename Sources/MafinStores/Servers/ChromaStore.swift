import MafinNumerics
import MafinPipeline
import NIOHTTP1

/// A collection of Chroma, by version 2 of its HTTP interface. A record holds one vector: those of all dense sources side by side.
public final class ChromaStore: VectorStore {
    private let server: StoreServer
    private let name: String
    private var collection: String?
    private var holdsTexts = false

    static let collections = "/api/v2/tenants/default_tenant/databases/default_database/collections"
    static let hashKey = "mafin_hash"
    /// Chroma refuses larger batches; see its `pre-flight-checks`.
    private static let records = 1000

    /// A store.
    /// - Throws: `ProviderError` for a malformed proxy or certificate file.
    public init(url: String, collection: String, _ connection: StoreConnection) throws {
        server = try StoreServer(.chroma, url: url, connection)
        name = collection
    }

    /// The body that makes a collection. Chroma's own default compares by Euclidean distance.
    static func creation(_ name: String) -> JSONNode {
        ["name": .text(name), "get_or_create": true, "configuration": ["hnsw": ["space": "ip"]]]
    }

    /// The body that writes records.
    static func upsert(_ batch: StoreBatch, _ rows: Range<Int>, holdsTexts: Bool) -> JSONNode {
        var members: [(String, JSONNode)] = [
            ("ids", .texts(batch.ids[rows])),
            ("embeddings", .list(rows.map { .floats(batch.dense[0].row($0)) })),
            ("metadatas", .list(batch.hashes[rows].map { [Self.hashKey: .text($0)] })),
        ]
        if holdsTexts { members.append(("documents", .texts(batch.texts[rows]))) }
        return .object(members)
    }

    /// Makes the collection, or finds it.
    public func prepare(_ schema: StoreSchema) async throws -> [String] {
        holdsTexts = schema.holdsTexts
        let answer = try await server.send(.POST, Self.collections, Self.creation(name).bytes, what: "the collection")
        guard let id = answer.body["id"]?.text else { throw server.unexpected("the id of a collection") }
        let space = answer.body["configuration_json"]?["hnsw"]?["space"]?.text
        if let space, space != "ip", !(space == "cosine" && schema.isUnit) {
            throw StoreError.mismatch(
                store: "Chroma collection '\(name)'", expected: "the space ip, which ranks by the inner product",
                found: "\(space); choose another collection")
        }
        if let dimension = answer.body["dimension"]?.integer, dimension != schema.dense[0].dimension {
            throw StoreError.mismatch(
                store: "Chroma collection '\(name)'", expected: "vectors of \(schema.dense[0].dimension) numbers",
                found: "\(dimension)")
        }
        collection = id
        return []
    }

    private func path(_ ending: String) -> String { "\(Self.collections)/\(collection ?? "")/\(ending)" }

    /// See ``VectorStore/storedHashes(of:)``.
    public func storedHashes(of ids: [String]) async throws -> [String: String] {
        var found: [String: String] = [:]
        for start in stride(from: 0, to: ids.count, by: Self.records) {
            let part = ids[start..<min(start + Self.records, ids.count)]
            let body: JSONNode = ["ids": .texts(part), "include": ["metadatas"], "limit": .integer(part.count)]
            let answer = try await server.send(.POST, path("get"), body.bytes, what: "a look at what is stored")
            guard let stored = answer.body["ids"]?.elements, let metadatas = answer.body["metadatas"]?.elements else {
                throw server.unexpected("ids and metadatas")
            }
            for (id, metadata) in zip(stored, metadatas) {
                if let id = id.text, let hash = metadata[Self.hashKey]?.text { found[id] = hash }
            }
        }
        return found
    }

    /// See ``VectorStore/write(_:)``.
    public func write(_ batch: StoreBatch) async throws {
        if let row = batch.ids.firstIndex(of: "") {
            throw StoreError.unwritable(store: "Chroma", id: batch.ids[row], reason: "an id must not be empty")
        }
        for start in stride(from: 0, to: batch.count, by: Self.records) {
            let rows = start..<min(start + Self.records, batch.count)
            _ = try await server.send(
                .POST, path("upsert"), Self.upsert(batch, rows, holdsTexts: holdsTexts).bytes, what: "the vectors")
        }
    }

    /// Chroma builds its index by itself.
    public func finish() async throws -> [String] { [] }
}

/// Chroma's query: one vector, which holds the weights.
struct ChromaQuery: StoreQuery {
    let collection: String
    let schema: StoreSchema

    func text(_ terms: [StoreTerm], count: Int, vectors: StoreQueryVectors?) -> String {
        let joined = JoinedQuery(terms, vectors, schema)
        let body: JSONNode = [
            "query_embeddings": [joined.node], "n_results": .integer(count), "include": ["distances"],
        ]
        return """
            # POST \(ChromaStore.collections)/COLLECTION_ID/query, where COLLECTION_ID is the id of '\(collection)'
            # \(joined.comment)
            # The score is 1 - distance.
            \(body.indented())
            """
    }
}
