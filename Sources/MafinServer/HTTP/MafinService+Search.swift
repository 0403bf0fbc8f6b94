import Foundation
import HTTPTypes
import MafinMethod
import MafinPipeline
import MafinRetrieval
import NIOCore
import Synchronization

extension MafinService {
    /// `POST /search`
    func search(_ request: ServedRequest, _ model: ServedModel) async throws -> Reply {
        let fields = try await fields(request)
        var asked = try searchRequest(fields)
        asked.count = try fields.integer("top", in: 1...1000) ?? 10
        let answer = try await model.search(asked, maximumTokens: options.queueTokens)
        request.facts.withLock { ($0.inputs, $0.tokens) = (1, answer.tokens) }
        return try Reply(json: [
            "object": "search", "model": model.name, "query": asked.query, "weights": answer.weights.byName,
            "lambda": answer.weights.lambda,
            "artefact_lambda": answer.answeredBy == .standIn || model.isOffline ? nil : model.manifest.mixing.lambda,
            "sources": answer.weights.described(model.sources), "answered_by": answer.answeredBy,
            "sureness": answer.sureness, "black_box_asked": answer.answeredBy == .blackBox, "degraded": answer.degraded,
            "approximate": answer.isApproximate, "results": answer.hits,
            "black_box_ranking": answer.blackBoxRanking, "usage": ["prompt_tokens": answer.tokens],
        ]).flagged(degraded: answer.degraded != nil, answer.answeredBy)
    }

    /// `GET /document?id=…`: a document of the index.
    func document(_ request: ServedRequest, _ model: ServedModel) async throws -> Reply {
        guard let id = request.parameter("id") else {
            throw ServiceError.invalid("id is missing: /document?id=…", parameter: "id")
        }
        if let shards = model.shards {
            if let document = try await shards.document(id) {
                return Reply(ByteBuffer(bytes: document), type: "application/json")
            }
            throw ServiceError(
                .notFound, .invalidRequest, "no shard holds a document '\(id.clipped)'", parameter: "id",
                code: "document_not_found")
        }
        let (index, row) = try model.row(of: id, parameter: "id")
        let document = try index.document(row)
        return try Reply(json: [
            "object": "document", "id": document.id, "title": document.title, "text": document.text,
        ])
    }

    /// The fields that `/search` and `/v1/context` share.
    func searchRequest(_ fields: RequestFields) throws -> ServedModel.SearchRequest {
        let image = try fields.image("image")
        var request = ServedModel.SearchRequest(
            query: image == nil ? try fields.query() : try fields.text("query") ?? "", image: image)
        request.wantsThumbnails = try fields.boolean("thumbnails") ?? false
        request.isExact = try fields.boolean("exact") ?? false
        request.lambda = try fields.number("lambda")
        request.weights = try fields.numbers("weights") ?? [:]
        request.asksBlackBox = try fields.boolean("ask_black_box")
        // Versions before BM25 became a source of the artefact mixed it by this field. To ignore it would change rankings without a word.
        if try fields.has("bm25") {
            throw ServiceError.invalid(
                "bm25 is not a field any more: an artefact with BM25 among its sources is made by 'mafin ship' or 'mafin train --compose', and weights sets its weight: {\"bm25\": 0.3}",
                parameter: "bm25")
        }
        return request
    }
}
