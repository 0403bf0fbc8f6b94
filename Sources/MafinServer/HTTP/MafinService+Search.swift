import Foundation
import HTTPTypes
import Hummingbird
import MafinBlackBox
import MafinMethod
import MafinNumerics
import MafinPipeline
import MafinRetrieval
import MafinText
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
        var results: [Generation.Hit]
        var blackBoxRanking: [Generation.Hit]
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
        var documents: [Generation.Hit]
    }

    private struct Usage: Encodable {
        var promptTokens: Int
        enum CodingKeys: String, CodingKey { case promptTokens = "prompt_tokens" }
    }

    /// `POST /search`
    func search(_ exchange: ServiceResponder.Exchange, _ generation: Generation) async throws -> Response {
        let fields = try RequestFields(try await body(exchange))
        var request = try searchRequest(fields)
        request.count = try fields.integer("top", in: 1...1000) ?? 10
        request.withCandidates = try fields.boolean("candidates") ?? false
        let answer = try await generation.search(request, maximumTokens: options.queueTokens)
        exchange.facts.withLock { ($0.inputs, $0.tokens) = (1, answer.tokens) }
        var response = try Answers.json(
            SearchBody(
                model: generation.name, query: request.query, lambda: answer.lambda,
                artefactLambda: generation.manifest.mixing.lambda,
                blackBoxAsked: !answer.blackBoxRanking.isEmpty, degraded: answer.degraded, results: answer.hits,
                blackBoxRanking: answer.blackBoxRanking,
                candidates: answer.candidates == nil
                    ? nil : Candidates(count: answer.hits.count, documents: answer.candidateHits),
                usage: Usage(promptTokens: answer.tokens)))
        if answer.degraded != nil { response.headers[.mafinDegraded] = "black_box" }
        return response
    }

    private func searchRequest(_ fields: RequestFields) throws -> Generation.SearchRequest {
        guard let query = try fields.text("query"), !query.allSatisfy(\.isWhitespace) else {
            throw ServiceError.invalid("query is missing or empty", parameter: "query")
        }
        var request = Generation.SearchRequest(query: query)
        request.lambda = try fields.number("lambda")
        if let weight = try fields.number("bm25") {
            guard (0...1).contains(weight) else {
                throw ServiceError.invalid("bm25 must be a weight between 0 and 1, found \(weight)", parameter: "bm25")
            }
            request.lexicalWeight = weight
        }
        return request
    }

    // MARK: Context

    private struct Passage: Encodable {
        var source: Int
        var id: String
        var title: String
        var text: String
        var score: Float
        var tokens: Int
        var isCut: Bool

        enum CodingKeys: String, CodingKey {
            case source, id, title, text, score, tokens
            case isCut = "is_cut"
        }
    }

    private struct ContextBody: Encodable {
        var object = "context"
        var model: String
        var query: String
        var context: String
        var tokens: Int
        var maximumTokens: Int
        var sources: [Passage]
        var degraded: String?

        enum CodingKeys: String, CodingKey {
            case object, model, query, context, tokens, sources, degraded
            case maximumTokens = "max_tokens"
        }
    }

    /// `POST /v1/context`: the best passages of a question as one text, numbered, within a budget of tokens.
    ///
    /// Tokens are the local encoder's; other models count a little differently, so leave them some room.
    func context(_ exchange: ServiceResponder.Exchange, _ generation: Generation) async throws -> Response {
        let fields = try RequestFields(try await body(exchange))
        var request = try searchRequest(fields)
        request.count = try fields.integer("top", in: 1...100) ?? 20
        let budget = try fields.integer("max_tokens", in: 16...1_000_000) ?? 2000
        let answer = try await generation.search(request, maximumTokens: options.queueTokens)
        exchange.facts.withLock { ($0.inputs, $0.tokens) = (1, answer.tokens) }
        let tokenizer = generation.engine.tokenizer(.document)
        var sources: [Passage] = []
        var context = ""
        var used = 0
        for hit in answer.hits {
            let number = sources.count + 1
            let head = "[\(number)] " + (hit.title.isEmpty ? "" : hit.title + "\n")
            let left = budget - used - tokenizer.count(head)
            // A stump of a passage helps nobody, unless there is nothing else.
            guard left >= 16 || (left > 0 && (sources.isEmpty || tokenizer.count(hit.text) <= left)) else { break }
            let text = tokenizer.prefix(of: hit.text, tokens: left)
            let passage = head + text
            let tokens = tokenizer.count(passage)
            guard used + tokens <= budget, !text.isEmpty else { break }
            context += (context.isEmpty ? "" : "\n\n") + passage
            used += tokens
            sources.append(
                Passage(
                    source: number, id: hit.id, title: hit.title, text: text, score: hit.score, tokens: tokens,
                    isCut: text.utf8.count < hit.text.utf8.count))
            if text.utf8.count < hit.text.utf8.count { break }
        }
        var response = try Answers.json(
            ContextBody(
                model: generation.name, query: request.query, context: context, tokens: used, maximumTokens: budget,
                sources: sources, degraded: answer.degraded))
        if answer.degraded != nil { response.headers[.mafinDegraded] = "black_box" }
        return response
    }
}

extension LocalEngine.RoleTokenizer {
    /// Tokens of a text by itself.
    func count(_ text: String) -> Int { tokenizer.encode(text, addSpecialTokens: false, maxLength: .max).count }

    /// The beginning of a text that has at most so many tokens, cut at the end of a word.
    func prefix(of text: String, tokens: Int) -> String {
        let encoding = tokenizer.encodeWithOffsets(text, addSpecialTokens: false, maxLength: .max)
        guard encoding.ids.count > tokens else { return text }
        guard tokens > 0 else { return "" }
        var last = tokens
        // Not in the middle of a word.
        while last > 0, tokenizer.continuesWord(encoding.ids[last]) { last -= 1 }
        guard last > 0 else { return "" }
        let end = encoding.byteRanges[last - 1].upperBound
        return String(decoding: Array(text.utf8.prefix(end)), as: UTF8.self)
    }
}
