import MafinNumerics
import MafinPipeline
import NIOHTTP1

/// What requests to Elasticsearch and OpenSearch hold.
enum ElasticsearchBodies {
    static let hashField = "mafin_hash"
    static let textField = "text"

    /// Names of fields must not hold a point.
    static func field(_ name: String) -> String {
        name.split(separator: ".", omittingEmptySubsequences: false).joined(separator: "_")
    }

    /// The body that makes an index.
    static func index(_ schema: StoreSchema, _ kind: StoreKind, wantsIndex: Bool) -> JSONNode {
        var fields = schema.parts.map { part in (field(part.name), mapping(part, kind, schema, wantsIndex: wantsIndex))
        }
        fields.append((hashField, ["type": "keyword"]))
        if schema.holdsTexts { fields.append((textField, ["type": "text"])) }
        var members: [(String, JSONNode)] = [("mappings", ["properties": .object(fields)])]
        if kind == .opensearch { members.insert(("settings", ["index": ["knn": true]]), at: 0) }
        return .object(members)
    }

    private static func mapping(_ part: StorePart, _ kind: StoreKind, _ schema: StoreSchema, wantsIndex: Bool)
        -> JSONNode
    {
        switch (kind, part.face) {
        case (.elasticsearch, .sparse): return ["type": "sparse_vector"]
        case (_, .sparse): return ["type": "rank_features"]
        case (.elasticsearch, _):
            var members: [(String, JSONNode)] = [
                ("type", "dense_vector"), ("dims", .integer(part.dimension)), ("index", .boolean(wantsIndex)),
            ]
            // Unit vectors take the fast product; vectors of other lengths are refused by it.
            if wantsIndex { members.append(("similarity", schema.isUnit ? "dot_product" : "max_inner_product")) }
            return .object(members)
        default:
            return [
                "type": "knn_vector", "dimension": .integer(part.dimension),
                "method": ["name": "hnsw", "engine": "faiss", "space_type": "innerproduct"],
            ]
        }
    }

    /// The lines of a document for `_bulk`.
    static func lines(_ batch: StoreBatch, _ row: Int, _ schema: StoreSchema, index: String) -> [JSONNode] {
        [["index": ["_index": .text(index), "_id": .text(batch.ids[row])]], document(batch, row, schema)]
    }

    private static func document(_ batch: StoreBatch, _ row: Int, _ schema: StoreSchema) -> JSONNode {
        let dense = zip(schema.dense, batch.dense).map { (field($0.name), JSONNode.floats($1.row(row))) }
        let sparse = zip(schema.sparse, batch.sparse).map { part, vectors in
            (field(part.name), terms(vectors[row]))
        }
        var members = dense + sparse + [(hashField, JSONNode.text(batch.hashes[row]))]
        if schema.holdsTexts { members.append((textField, .text(batch.texts[row]))) }
        return .object(members)
    }

    /// Terms as a field. A point in a term would be taken for a path, so it is replaced, as in queries.
    static func terms(_ terms: [SparseTerm]) -> JSONNode {
        .object(terms.map { (field($0.term), .float($0.weight)) })
    }

    /// The search: candidates of each part, and the weighted sum.
    static func search(
        _ terms: [StoreTerm], _ schema: StoreSchema, _ kind: StoreKind, count: Int, candidates: Int,
        vectors: StoreQueryVectors?
    ) -> JSONNode {
        var clauses: [JSONNode] = []
        for term in terms {
            guard let part = schema.parts.first(where: { $0.name == term.part }) else { continue }
            let name = JSONNode.text(field(part.name))
            let dense =
                vectors?.dense[term.source].map { JSONNode.floats($0[...]) } ?? .text("QUERY_VECTOR_OF_\(term.source)")
            switch (kind, part.face) {
            case (.elasticsearch, .sparse):
                let query = vectors?.sparse[term.source].map(Self.terms) ?? .text("QUERY_TERMS_OF_\(term.source)")
                clauses.append([
                    "sparse_vector": [
                        "field": name, "query_vector": query, "prune": false, "boost": .float(term.weight),
                    ]
                ])
            case (_, .sparse):
                guard let query = vectors?.sparse[term.source] else {
                    clauses.append([
                        "rank_feature": [
                            "field": .text("\(field(part.name)).TERM"), "linear": [:], "boost": "WEIGHT_OF_TERM",
                        ]
                    ])
                    continue
                }
                for entry in query {
                    clauses.append([
                        "rank_feature": [
                            "field": .text("\(field(part.name)).\(field(entry.term))"), "linear": [:],
                            "boost": .float(term.weight * entry.weight),
                        ]
                    ])
                }
            case (.elasticsearch, _):
                clauses.append([
                    "knn": [
                        "field": name, "query_vector": dense, "k": .integer(candidates),
                        "num_candidates": .integer(candidates),
                        "boost": .float(term.weight * (schema.isUnit ? 2 : 1)),
                    ]
                ])
            default:
                let search: JSONNode = ["vector": dense, "k": .integer(candidates), "boost": .float(term.weight)]
                clauses.append(["knn": .object([(field(part.name), search)])])
            }
        }
        return ["size": .integer(count), "_source": false, "query": ["bool": ["should": .array(clauses)]]]
    }
}

/// An index of Elasticsearch or OpenSearch.
public final class ElasticsearchStore: VectorStore {
    private let server: StoreServer
    private let kind: StoreKind
    private let name: String
    private let wantsIndex: Bool
    private var schema = StoreSchema(parts: [])
    private static let documents = 500

    /// A store.
    /// - Parameter kind: ``StoreKind/elasticsearch`` or ``StoreKind/opensearch``.
    /// - Throws: `ProviderError` for a malformed proxy or certificate file.
    public init(_ kind: StoreKind, url: String, index: String, wantsIndex: Bool, _ connection: StoreConnection) throws {
        server = try StoreServer(kind, url: url, connection)
        (self.kind, name, self.wantsIndex) = (kind, index, wantsIndex)
    }

    private var path: String { "/\(StoreServer.escaped(name))" }

    /// Makes the index, or checks the one that is there.
    public func prepare(_ schema: StoreSchema) async throws -> [String] {
        self.schema = schema
        let found = try await server.send(.GET, "\(path)/_mapping", accepting: [404], what: "a look at the index")
        if found.status == 404 {
            let body = ElasticsearchBodies.index(schema, kind, wantsIndex: wantsIndex)
            _ = try await server.send(.PUT, path, body.bytes, what: "the index")
            return []
        }
        let fields = found.body.members?.first?.value["mappings"]?["properties"]
        var missing: [(String, JSONNode)] = []
        let mapping = ElasticsearchBodies.index(schema, kind, wantsIndex: wantsIndex)
        guard case .object(let members) = mapping, case .object(let mappings)? = members.last?.1,
            case .object(let wanted)? = mappings.first?.1
        else { preconditionFailure("the body of an index has mappings") }
        for (name, type) in wanted {
            guard let stored = fields?[name] else {
                missing.append((name, type))
                continue
            }
            let dimension = (stored["dims"] ?? stored["dimension"])?.integer
            if let part = schema.dense.first(where: { ElasticsearchBodies.field($0.name) == name }), let dimension,
                dimension != part.dimension
            {
                throw StoreError.mismatch(
                    store: "\(kind.name) index '\(self.name)'", expected: "'\(name)' of \(part.dimension) numbers",
                    found: "\(dimension)")
            }
        }
        if !missing.isEmpty {
            let body: JSONNode = ["properties": .object(missing)]
            _ = try await server.send(.PUT, "\(path)/_mapping", body.bytes, what: "new fields")
        }
        return []
    }

    /// See ``VectorStore/storedHashes(of:)``.
    public func storedHashes(of ids: [String]) async throws -> [String: String] {
        let body: JSONNode = [
            "docs": .list(ids.map { ["_id": .text($0), "_source": [.text(ElasticsearchBodies.hashField)]] })
        ]
        let answer = try await server.send(.POST, "\(path)/_mget", body.bytes, what: "a look at what is stored")
        var found: [String: String] = [:]
        for document in answer.body["docs"]?.elements ?? [] {
            if let id = document["_id"]?.text, let hash = document["_source"]?[ElasticsearchBodies.hashField]?.text {
                found[id] = hash
            }
        }
        return found
    }

    /// See ``VectorStore/write(_:)``.
    public func write(_ batch: StoreBatch) async throws {
        for start in stride(from: 0, to: batch.count, by: Self.documents) {
            var bytes: [UInt8] = []
            for row in start..<min(start + Self.documents, batch.count) {
                for line in ElasticsearchBodies.lines(batch, row, schema, index: name) {
                    line.append(to: &bytes)
                    bytes.append(UInt8(ascii: "\n"))
                }
            }
            let answer = try await server.send(
                .POST, "/_bulk", bytes, type: "application/x-ndjson", what: "the documents")
            // A request as a whole succeeds although documents are refused. Something in between may answer in the server's place.
            let sent = min(Self.documents, batch.count - start)
            guard let items = answer.body["items"]?.elements, items.count == sent else {
                throw server.unexpected("what became of each of \(sent) documents")
            }
            for item in items {
                guard let action = item.members?.first?.value, let error = action["error"] else { continue }
                throw StoreError.unwritable(
                    store: kind.name, id: action["_id"]?.text ?? "?",
                    reason: error["reason"]?.text ?? "no reason was given")
            }
        }
    }

    /// Makes what was written visible to searches.
    public func finish() async throws -> [String] {
        _ = try await server.send(.POST, "\(path)/_refresh", what: "a refresh")
        return []
    }
}

/// The query of Elasticsearch or OpenSearch.
struct ElasticsearchQuery: StoreQuery {
    let kind: StoreKind
    let index: String
    let schema: StoreSchema
    let candidates: Int

    func text(_ terms: [StoreTerm], count: Int, vectors: StoreQueryVectors?) -> String {
        let body = ElasticsearchBodies.search(
            terms, schema, kind, count: count, candidates: candidates, vectors: vectors)
        let scores =
            kind == .elasticsearch && schema.isUnit
            ? "# Elasticsearch scores unit vectors by (1 + product) / 2, so their weights are doubled; a constant is added to each score.\n"
            : "# \(kind.name) scores these vectors by 1 + product, but by 1 / (1 - product) where the product is negative: documents far from the query rank a little differently.\n"
        return """
            # POST /\(index)/_search
            \(scores)# A document that is no candidate of a part lacks that part of its score.
            \(body.indented())
            """
    }
}
