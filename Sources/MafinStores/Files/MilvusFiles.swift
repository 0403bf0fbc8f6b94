import MafinNumerics
import MafinPipeline

/// What Milvus's files and requests hold, by the manual of version 2.
enum MilvusBodies {
    static let idField = "doc_id"
    static let hashField = "mafin_hash"
    static let textField = "text"

    /// Names must be letters, digits and underscores.
    static func name(_ name: String) -> String { WeaviateBodies.name(name) }

    /// The body of `/v2/vectordb/collections/create`.
    static func collection(_ name: String, _ schema: StoreSchema) -> JSONNode {
        var fields: [JSONNode] = [
            [
                "fieldName": .text(idField), "dataType": "VarChar", "isPrimary": true,
                "elementTypeParams": ["max_length": 512],
            ],
            ["fieldName": .text(hashField), "dataType": "VarChar", "elementTypeParams": ["max_length": 64]],
        ]
        if schema.holdsTexts {
            fields.append([
                "fieldName": .text(textField), "dataType": "VarChar", "elementTypeParams": ["max_length": 65535],
            ])
        }
        for part in schema.parts {
            fields.append(
                part.face == .sparse
                    ? ["fieldName": .text(self.name(part.name)), "dataType": "SparseFloatVector"]
                    : [
                        "fieldName": .text(self.name(part.name)), "dataType": "FloatVector",
                        "elementTypeParams": ["dim": .integer(part.dimension)],
                    ])
        }
        let indexes = schema.parts.map { part -> JSONNode in
            [
                "fieldName": .text(self.name(part.name)), "indexName": .text(self.name(part.name)), "metricType": "IP",
                "indexType": part.face == .sparse ? "SPARSE_INVERTED_INDEX" : "AUTOINDEX",
            ]
        }
        return [
            "collectionName": .text(name),
            "schema": ["autoId": false, "enableDynamicField": false, "fields": .array(fields)],
            "indexParams": .array(indexes),
        ]
    }

    /// A row, as bulk import, `insert` and pymilvus take it.
    static func row(_ batch: StoreBatch, _ row: Int, _ schema: StoreSchema) -> JSONNode {
        var members: [(String, JSONNode)] = [(idField, .text(batch.ids[row])), (hashField, .text(batch.hashes[row]))]
        if schema.holdsTexts { members.append((textField, .text(batch.texts[row]))) }
        members += zip(schema.dense, batch.dense).map { (name($0.name), .floats($1.row(row))) }
        members += zip(schema.sparse, batch.sparse).map { part, vectors in (name(part.name), terms(vectors[row])) }
        return .object(members)
    }

    /// Places and weights.
    static func terms(_ terms: [SparseTerm]) -> JSONNode { .object(terms.map { ("\($0.index)", .float($0.weight)) }) }

    /// The body of `/v2/vectordb/entities/hybrid_search`. Milvus takes weights up to 1 only, so larger ones are scaled, all alike.
    static func search(
        _ terms: [StoreTerm], _ schema: StoreSchema, collection: String, count: Int, candidates: Int,
        vectors: StoreQueryVectors?
    ) -> JSONNode {
        let largest = max(1, terms.map(\.weight).max() ?? 1)
        let searches = terms.map { term -> JSONNode in
            let query =
                vectors?.dense[term.source].map { .floats($0[...]) } ?? vectors?.sparse[term.source].map(Self.terms)
                ?? JSONNode.text("QUERY_VECTOR_OF_\(term.source)")
            return [
                "data": [query], "annsField": .text(name(term.part)), "limit": .integer(candidates), "metricType": "IP",
            ]
        }
        return [
            "collectionName": .text(collection), "search": .array(searches),
            "rerank": [
                "strategy": "weighted",
                "params": ["weights": .list(terms.map { .float($0.weight / largest) }), "norm_score": false],
            ],
            "limit": .integer(count), "outputFields": [.text(idField)],
        ]
    }
}

/// Milvus's query.
struct MilvusQuery: StoreQuery {
    let collection: String
    let schema: StoreSchema
    let candidates: Int

    func text(_ terms: [StoreTerm], count: Int, vectors: StoreQueryVectors?) -> String {
        let body = MilvusBodies.search(
            terms, schema, collection: collection, count: count, candidates: candidates, vectors: vectors)
        return
            "# POST /v2/vectordb/entities/hybrid_search\n# A document beyond the limit of a search lacks that part of its score.\n"
            + body.indented()
    }
}
