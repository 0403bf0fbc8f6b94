import Foundation
import MafinNumerics
import MafinPipeline
import NIOHTTP1

/// What Qdrant's requests hold, by its OpenAPI document (1.13 and later; names of vectors are added since 1.17).
enum QdrantBodies {
    static let hashKey = "mafin_hash"
    static let idKey = "_id"
    static let textKey = "text"

    /// The body that makes a collection. Sparse weights hold the document frequencies already, so there is no modifier.
    static func collection(_ schema: StoreSchema, isHalf: Bool) -> JSONNode {
        var members: [(String, JSONNode)] = [
            ("vectors", .object(schema.dense.map { ($0.name, dense($0, isHalf: isHalf)) }))
        ]
        if !schema.sparse.isEmpty {
            members.append(("sparse_vectors", .object(schema.sparse.map { ($0.name, [:]) })))
        }
        return .object(members)
    }

    private static func dense(_ part: StorePart, isHalf: Bool) -> JSONNode {
        var members: [(String, JSONNode)] = [("size", .integer(part.dimension)), ("distance", "Dot")]
        if isHalf { members.append(("datatype", "float16")) }
        return .object(members)
    }

    /// The body that adds a name of vectors to a collection.
    static func name(of part: StorePart, isHalf: Bool) -> JSONNode {
        part.face == .sparse ? ["sparse": [:]] : ["dense": dense(part, isHalf: isHalf)]
    }

    private static func vector(_ batch: StoreBatch, _ row: Int, _ schema: StoreSchema) -> JSONNode {
        let dense = zip(schema.dense, batch.dense).map { ($0.name, JSONNode.floats($1.row(row))) }
        let sparse = zip(schema.sparse, batch.sparse).map { ($0.name, terms($1[row])) }
        return .object(dense + sparse)
    }

    static func terms(_ terms: [SparseTerm]) -> JSONNode {
        ["indices": .list(terms.map { .integer($0.index) }), "values": .floats(terms.map(\.weight)[...])]
    }

    /// A point with everything that it holds.
    static func point(_ batch: StoreBatch, _ row: Int, _ schema: StoreSchema) -> JSONNode {
        var payload: [(String, JSONNode)] = [(idKey, .text(batch.ids[row])), (hashKey, .text(batch.hashes[row]))]
        if schema.holdsTexts { payload.append((textKey, .text(batch.texts[row]))) }
        return [
            "id": .text(StableUUID.of(batch.ids[row])), "vector": vector(batch, row, schema),
            "payload": .object(payload),
        ]
    }

    /// The operations that add vectors to points of the user's own, whose other vectors and payload stay.
    /// - Throws: ``StoreError/unwritable(store:id:reason:)``.
    static func additions(
        _ batch: StoreBatch, _ rows: Range<Int>, _ schema: StoreSchema
    ) throws(StoreError) -> JSONNode {
        let ids = try rows.map { row throws(StoreError) in try foreignID(batch.ids[row]) }
        let points = zip(rows, ids).map { row, id -> JSONNode in ["id": id, "vector": vector(batch, row, schema)] }
        let payloads = zip(rows, ids).map { row, id -> JSONNode in
            ["set_payload": ["payload": [Self.hashKey: .text(batch.hashes[row])], "points": [id]]]
        }
        return ["operations": .array([["update_vectors": ["points": .array(points)]]] + payloads)]
    }

    /// The id of a point of the user's own: a number of 64 bits without a sign, or a UUID. A text that only reads as such a number, as "007",
    /// would be another text's point.
    /// - Throws: ``StoreError/unwritable(store:id:reason:)``.
    static func foreignID(_ id: String) throws(StoreError) -> JSONNode {
        if let number = UInt64(id), number.description == id { return .unsigned(number) }
        guard UUID(uuidString: id) != nil else {
            throw .unwritable(
                store: "Qdrant", id: id,
                reason: "points of an existing collection have numbers from 0 to \(UInt64.max) or UUIDs as ids")
        }
        return .text(id)
    }

    /// The search: each part finds candidates, and the weighted sum of their scores ranks them.
    static func search(_ terms: [StoreTerm], count: Int, candidates: Int, vectors: StoreQueryVectors?) -> JSONNode {
        let prefetches = terms.map { term -> JSONNode in
            let query =
                vectors?.dense[term.source].map { .floats($0[...]) } ?? vectors?.sparse[term.source].map(Self.terms)
                ?? JSONNode.text("QUERY_VECTOR_OF_\(term.source)")
            return ["query": query, "using": .text(term.part), "limit": .integer(candidates)]
        }
        let sum = terms.enumerated().map { place, term -> JSONNode in
            ["mult": [.float(term.weight), .text("$score[\(place)]")]]
        }
        let defaults = terms.indices.map { ("$score[\($0)]", JSONNode.float(0)) }
        return [
            "prefetch": .array(prefetches), "query": ["formula": ["sum": .array(sum)], "defaults": .object(defaults)],
            "limit": .integer(count), "with_payload": [.text(idKey)],
        ]
    }
}

/// A collection of Qdrant with named vectors, dense and sparse.
///
/// A collection of the user's own that has the black box's vectors already gets the other vectors; its ids are those of the texts then.
public final class QdrantStore: VectorStore {
    private let server: StoreServer
    private let name: String
    private let isHalf: Bool
    /// Names of vectors in the collection that hold a part already.
    private let foreign: [String: String]
    private var schema = StoreSchema(parts: [])
    /// Qdrant refuses requests above 32 MB by default.
    static let requestBytes = 24 << 20
    private static let points = 256

    /// Points of one request. A number takes up to 14 characters.
    private func pointsOfRequest() -> Int {
        let numbers = schema.dense.reduce(0) { $0 + $1.dimension }
        return max(1, min(Self.points, Self.requestBytes / max(1, 14 * numbers)))
    }

    /// A store.
    /// - Parameter foreign: for each part that is in the collection already its name there.
    /// - Throws: `ProviderError` for a malformed proxy or certificate file.
    public init(
        url: String, collection: String, isHalf: Bool, foreign: [String: String] = [:], _ connection: StoreConnection
    ) throws {
        server = try StoreServer(.qdrant, url: url, connection)
        (name, self.isHalf, self.foreign) = (collection, isHalf, foreign)
    }

    private var path: String { "/collections/\(StoreServer.escaped(name))" }

    /// Makes the collection, or adds names of vectors to it.
    public func prepare(_ schema: StoreSchema) async throws -> [String] {
        let all = schema
        self.schema = schema
        self.schema.parts.removeAll { foreign[$0.name] != nil }
        let found = try await server.send(.GET, path, accepting: [404], what: "a look at the collection")
        if found.status == 404 {
            guard foreign.isEmpty else {
                throw StoreError.mismatch(
                    store: "Qdrant", expected: "a collection '\(name)' with the vectors that --column names",
                    found: "none")
            }
            _ = try await server.send(
                .PUT, path, QdrantBodies.collection(schema, isHalf: isHalf).bytes, what: "the collection")
            return []
        }
        let parameters = found.body["result"]?["config"]?["params"]
        for part in all.parts {
            let name = foreign[part.name] ?? part.name
            let stored = parameters?[part.face == .sparse ? "sparse_vectors" : "vectors"]?[name]
            guard let stored else {
                guard foreign[part.name] == nil else {
                    throw StoreError.mismatch(
                        store: "Qdrant collection '\(self.name)'", expected: "vectors named '\(name)'", found: "none")
                }
                _ = try await server.send(
                    .PUT, "\(path)/vectors/\(StoreServer.escaped(name))?wait=true",
                    QdrantBodies.name(of: part, isHalf: isHalf).bytes,
                    what: "the vectors '\(name)' (Qdrant adds names to a collection since 1.17)")
                continue
            }
            if part.face == .dense, let size = stored["size"]?.integer, size != part.dimension {
                throw StoreError.mismatch(
                    store: "Qdrant collection '\(self.name)'", expected: "'\(name)' of \(part.dimension) numbers",
                    found: "\(size)")
            }
        }
        return []
    }

    private func id(_ text: String) throws(StoreError) -> JSONNode {
        foreign.isEmpty ? .text(StableUUID.of(text)) : try QdrantBodies.foreignID(text)
    }

    /// See ``VectorStore/storedHashes(of:)``.
    public func storedHashes(of ids: [String]) async throws -> [String: String] {
        let body: JSONNode = [
            "ids": .list(try ids.map(id)), "with_payload": [.text(QdrantBodies.hashKey)], "with_vector": false,
        ]
        let answer = try await server.send(.POST, "\(path)/points", body.bytes, what: "a look at what is stored")
        guard let points = answer.body["result"]?.elements else { throw server.unexpected("points") }
        let texts = Dictionary(ids.map { (foreign.isEmpty ? StableUUID.of($0) : $0.lowercased(), $0) }) { first, _ in
            first
        }
        var found: [String: String] = [:]
        for point in points {
            if let id = point["id"]?.identifier, let text = texts[id.lowercased()],
                let hash = point["payload"]?[QdrantBodies.hashKey]?.text
            {
                found[text] = hash
            }
        }
        return found
    }

    /// See ``VectorStore/write(_:)``.
    public func write(_ batch: StoreBatch) async throws {
        let points = pointsOfRequest()
        for start in stride(from: 0, to: batch.count, by: points) {
            let rows = start..<min(start + points, batch.count)
            if foreign.isEmpty {
                let body: JSONNode = ["points": .list(rows.map { QdrantBodies.point(batch, $0, schema) })]
                _ = try await server.send(.PUT, "\(path)/points?wait=true", body.bytes, what: "the vectors")
            } else {
                _ = try await server.send(
                    .POST, "\(path)/points/batch?wait=true", try QdrantBodies.additions(batch, rows, schema).bytes,
                    what: "the vectors")
            }
        }
    }

    /// Qdrant builds its index by itself.
    public func finish() async throws -> [String] { [] }
}

/// Qdrant's query.
struct QdrantQuery: StoreQuery {
    let collection: String
    /// Names in the collection by the names of parts.
    let foreign: [String: String]
    let candidates: Int

    func text(_ terms: [StoreTerm], count: Int, vectors: StoreQueryVectors?) -> String {
        var terms = terms
        for place in terms.indices { terms[place].part = foreign[terms[place].part] ?? terms[place].part }
        let body = QdrantBodies.search(terms, count: count, candidates: candidates, vectors: vectors)
        return """
            # POST /collections/\(collection)/points/query
            # A document beyond the limit of a prefetch lacks that part of its score.
            \(body.indented())
            """
    }
}
