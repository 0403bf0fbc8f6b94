import Foundation
import MafinMethod
import MafinPipeline
import MafinRetrieval
import Synchronization

extension MafinService {
    private struct SearchBody: Encodable {
        var object = "search"
        var model: String
        var query: String
        var lambda: Float
        var artefactLambda: Float?
        var blackBoxAsked: Bool
        var degraded: String?
        var results: [ServedModel.Hit]
        var blackBoxRanking: [ServedModel.Hit]
        var candidates: Candidates?
        var usage: Usage

        enum CodingKeys: String, CodingKey {
            case object, model, query, lambda, degraded, results, candidates, usage
            case artefactLambda = "artefact_lambda"
            case blackBoxAsked = "black_box_asked"
            case blackBoxRanking = "black_box_ranking"
        }
    }

    private struct Candidates: Encodable {
        /// λ of 0, 1/steps … 1: for each of them the best results are among the documents.
        var steps = LambdaCandidates.steps
        var count: Int
        var documents: [ServedModel.Hit]
    }

    private struct Usage: Encodable {
        var promptTokens: Int
        enum CodingKeys: String, CodingKey { case promptTokens = "prompt_tokens" }
    }

    /// `POST /search`
    func search(_ request: ServedRequest, _ model: ServedModel) async throws -> Reply {
        let fields = try await fields(request)
        var asked = try searchRequest(fields)
        asked.withCandidates = try fields.boolean("candidates") ?? false
        asked.withCandidateTexts = try fields.boolean("candidate_texts") ?? true
        asked.count = try fields.integer("top", in: 1...(asked.withCandidates ? 100 : 1000)) ?? 10
        let answer = try await model.search(asked, maximumTokens: options.queueTokens)
        request.facts.withLock { ($0.inputs, $0.tokens) = (1, answer.tokens) }
        return try Reply(
            json: SearchBody(
                model: model.name, query: asked.query, lambda: answer.lambda,
                artefactLambda: model.manifest.mixing.lambda,
                blackBoxAsked: !answer.blackBoxRanking.isEmpty, degraded: answer.degraded, results: answer.hits,
                blackBoxRanking: answer.blackBoxRanking,
                candidates: answer.candidates == nil
                    ? nil : Candidates(count: answer.hits.count, documents: answer.candidateHits),
                usage: Usage(promptTokens: answer.tokens))
        ).flagged(degraded: answer.degraded != nil)
    }

    private struct DocumentBody: Encodable {
        var object = "document"
        var id: String
        var title: String
        var text: String
    }

    /// `GET /document?id=…`: a document of the index.
    func document(_ request: ServedRequest, _ model: ServedModel) throws -> Reply {
        guard let id = request.parameter("id") else {
            throw ServiceError.invalid("id is missing: /document?id=…", parameter: "id")
        }
        let (index, row) = try model.row(of: id, parameter: "id")
        let document = try index.document(row)
        return try Reply(json: DocumentBody(id: document.id, title: document.title, text: document.text))
    }

    /// What `/search` and `/v1/context` have in common.
    func searchRequest(_ fields: RequestFields) throws -> ServedModel.SearchRequest {
        guard let query = try fields.text("query"), !query.allSatisfy(\.isWhitespace) else {
            throw ServiceError.invalid("query is missing or empty", parameter: "query")
        }
        var request = ServedModel.SearchRequest(query: query)
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
