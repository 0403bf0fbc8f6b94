import MafinMethod
import MafinPipeline
import MafinRetrieval
import Synchronization

extension MafinService {
    /// `POST /search`
    func search(_ request: ServedRequest, _ model: ServedModel) async throws -> Reply {
        let fields = try await fields(request)
        var asked = try searchRequest(fields)
        asked.withCandidates = try fields.boolean("candidates") ?? false
        asked.withCandidateTexts = try fields.boolean("candidate_texts") ?? true
        asked.count = try fields.integer("top", in: 1...(asked.withCandidates ? 100 : 1000)) ?? 10
        let answer = try await model.search(asked, maximumTokens: options.queueTokens)
        request.facts.withLock { ($0.inputs, $0.tokens) = (1, answer.tokens) }
        // For each λ of 0, 1/steps … 1 the best results are among the candidates.
        let candidates = answer.candidates.map { hits -> JSONObject in
            ["steps": LambdaCandidates.steps, "count": answer.hits.count, "documents": hits]
        }
        return try Reply(json: [
            "object": "search", "model": model.name, "query": asked.query, "lambda": answer.lambda,
            "artefact_lambda": model.manifest.mixing.lambda, "black_box_asked": !answer.blackBoxRanking.isEmpty,
            "degraded": answer.degraded, "results": answer.hits, "black_box_ranking": answer.blackBoxRanking,
            "candidates": candidates, "usage": ["prompt_tokens": answer.tokens],
        ]).flagged(degraded: answer.degraded != nil)
    }

    /// `GET /document?id=…`: a document of the index.
    func document(_ request: ServedRequest, _ model: ServedModel) throws -> Reply {
        guard let id = request.parameter("id") else {
            throw ServiceError.invalid("id is missing: /document?id=…", parameter: "id")
        }
        let (index, row) = try model.row(of: id, parameter: "id")
        let document = try index.document(row)
        return try Reply(json: [
            "object": "document", "id": document.id, "title": document.title, "text": document.text,
        ])
    }

    /// The fields that `/search` and `/v1/context` share.
    func searchRequest(_ fields: RequestFields) throws -> ServedModel.SearchRequest {
        var request = ServedModel.SearchRequest(query: try fields.query())
        request.lambda = try fields.number("lambda")
        if let weight = try fields.number("bm25") {
            guard (0...1).contains(weight) else {
                throw ServiceError.invalid("bm25 must be a weight between 0 and 1, found \(weight)", parameter: "bm25")
            }
            request.lexicalWeight = weight
        }
        return request
    }
}
