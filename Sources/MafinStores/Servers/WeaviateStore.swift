import MafinNumerics
import MafinPipeline
import NIOHTTP1

/// What requests to Weaviate hold, by its OpenAPI document.
enum WeaviateBodies {
    static let hashKey = "mafin_hash"
    /// Weaviate reserves `_id` and `id`.
    static let idKey = "doc_id"
    static let textKey = "text"

    /// Names must be letters, digits and underscores.
    static func name(_ name: String) -> String {
        let text = String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
        return text.first?.isNumber == true ? "_" + text : text
    }

    /// The body that makes a class.
    static func collection(_ name: String, _ schema: StoreSchema) -> JSONNode {
        let vectors = schema.dense.map { part -> (String, JSONNode) in
            (
                self.name(part.name),
                ["vectorizer": ["none": [:]], "vectorIndexType": "hnsw", "vectorIndexConfig": ["distance": "dot"]]
            )
        }
        let fields = [idKey, hashKey].map { name -> JSONNode in
            ["name": .text(name), "dataType": ["text"], "tokenization": "field"]
        }
        let texts: [JSONNode] = schema.holdsTexts ? [["name": .text(textKey), "dataType": ["text"]]] : []
        return ["class": .text(name), "vectorConfig": .object(vectors), "properties": .array(fields + texts)]
    }

    /// An object.
    static func object(_ batch: StoreBatch, _ row: Int, _ schema: StoreSchema, collection: String) -> JSONNode {
        var properties: [(String, JSONNode)] = [(idKey, .text(batch.ids[row])), (hashKey, .text(batch.hashes[row]))]
        if schema.holdsTexts { properties.append((textKey, .text(batch.texts[row]))) }
        return [
            "class": .text(collection), "id": .text(StableUUID.of(batch.ids[row])), "properties": .object(properties),
            "vectors": .object(zip(schema.dense, batch.dense).map { (name($0.name), .floats($1.row(row))) }),
        ]
    }

    /// The search in GraphQL: the weighted sum of the distances, which are the negative products.
    static func search(
        _ terms: [StoreTerm], collection: String, count: Int, vectors: StoreQueryVectors?
    ) -> String {
        // A target has one vector. Products are linear, so the sources of one target are summed before.
        var parts: [String] = []
        for term in terms where !parts.contains(term.part) { parts.append(term.part) }
        let targets = parts.map { part -> (name: String, vector: String, weight: Float) in
            let own = terms.filter { $0.part == part }
            let scale = own.count == 1 ? own[0].weight : 1
            var sum: [Float] = []
            for term in own {
                guard let vector = vectors?.dense[term.source] else { continue }
                if sum.isEmpty { sum = [Float](repeating: 0, count: vector.count) }
                for (place, value) in vector.enumerated() { sum[place] += term.weight / scale * value }
            }
            let places = own.map { (own.count == 1 ? "" : "\($0.weight) * ") + "QUERY_VECTOR_OF_\(name($0.source))" }
            let vector = sum.isEmpty ? "[\(places.joined(separator: " + "))]" : JSONNode.floats(sum[...]).line
            return (name(part), vector, scale)
        }
        return """
            { Get { \(collection)(limit: \(count), nearVector: {
              vectorPerTarget: {\(targets.map { "\($0.name): \($0.vector)" }.joined(separator: ", "))},
              targets: {targetVectors: \(JSONNode.texts(targets.map(\.name)).line), combinationMethod: manualWeights,
                weights: {\(targets.map { "\($0.name): \($0.weight)" }.joined(separator: ", "))}}
            }) { \(idKey) _additional { distance } } } }
            """
    }
}

/// A class of Weaviate with named vectors. It holds no weighted terms.
public final class WeaviateStore: VectorStore {
    private let server: StoreServer
    private let name: String
    private var schema = StoreSchema(parts: [])
    private static let objects = 200

    /// A store.
    /// - Throws: `ProviderError` for a malformed proxy or certificate file; ``StoreError/badAddress(_:reason:)`` for a name that no class can have.
    public init(url: String, collection: String, _ connection: StoreConnection) throws {
        server = try StoreServer(.weaviate, url: url, connection)
        name = try Self.checked(collection)
    }

    /// - Throws: ``StoreError/badAddress(_:reason:)``.
    static func checked(_ name: String) throws -> String {
        guard name.first?.isUppercase == true, name == WeaviateBodies.name(name) else {
            throw StoreError.badAddress(
                name, reason: "a class of Weaviate has a capital first, then letters, digits and underscores")
        }
        return name
    }

    /// Makes the class, or checks the one that is there.
    public func prepare(_ schema: StoreSchema) async throws -> [String] {
        self.schema = schema
        let found = try await server.send(.GET, "/v1/schema/\(name)", accepting: [404], what: "a look at the class")
        if found.status == 404 {
            _ = try await server.send(
                .POST, "/v1/schema", WeaviateBodies.collection(name, schema).bytes, what: "the class")
            return []
        }
        for part in schema.dense where found.body["vectorConfig"]?[WeaviateBodies.name(part.name)] == nil {
            throw StoreError.mismatch(
                store: "Weaviate class '\(name)'", expected: "vectors named '\(WeaviateBodies.name(part.name))'",
                found: "none")
        }
        return []
    }

    /// See ``VectorStore/storedHashes(of:)``.
    public func storedHashes(of ids: [String]) async throws -> [String: String] {
        let query = """
            { Get { \(name)(limit: \(ids.count), where: {path: ["\(WeaviateBodies.idKey)"], operator: ContainsAny, \
            valueText: \(JSONNode.texts(ids).line)}) { \(WeaviateBodies.idKey) \(WeaviateBodies.hashKey) } } }
            """
        let body: JSONNode = ["query": .text(query)]
        let answer = try await server.send(.POST, "/v1/graphql", body.bytes, what: "a look at what is stored")
        guard let objects = answer.body["data"]?["Get"]?[name]?.elements else { throw server.unexpected("objects") }
        var found: [String: String] = [:]
        for object in objects {
            if let id = object[WeaviateBodies.idKey]?.text, let hash = object[WeaviateBodies.hashKey]?.text {
                found[id] = hash
            }
        }
        return found
    }

    /// See ``VectorStore/write(_:)``.
    public func write(_ batch: StoreBatch) async throws {
        for start in stride(from: 0, to: batch.count, by: Self.objects) {
            let rows = start..<min(start + Self.objects, batch.count)
            let body: JSONNode = [
                "objects": .list(rows.map { WeaviateBodies.object(batch, $0, schema, collection: name) })
            ]
            let answer = try await server.send(.POST, "/v1/batch/objects", body.bytes, what: "the objects")
            guard let objects = answer.body.elements, objects.count == rows.count else {
                throw server.unexpected("what became of each of \(rows.count) objects")
            }
            for (row, object) in zip(rows, objects) {
                let errors = object["result"]?["errors"]?["error"]?.elements
                guard let error = errors?.first else { continue }
                throw StoreError.unwritable(
                    store: "Weaviate", id: batch.ids[row], reason: error["message"]?.text ?? "no reason was given")
            }
        }
    }

    /// Weaviate builds its index by itself.
    public func finish() async throws -> [String] { [] }
}

/// Weaviate's query.
struct WeaviateQuery: StoreQuery {
    let collection: String
    let schema: StoreSchema

    func text(_ terms: [StoreTerm], count: Int, vectors: StoreQueryVectors?) -> String {
        let dense = terms.filter { term in schema.dense.contains { $0.name == term.part } }
        return "# POST /v1/graphql, as the member \"query\". The score is -distance.\n"
            + WeaviateBodies.search(dense, collection: collection, count: count, vectors: vectors)
    }
}
