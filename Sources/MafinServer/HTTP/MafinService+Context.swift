import MafinBlackBox
import MafinPipeline
import Synchronization

extension MafinService {
    /// `POST /v1/context`: the best passages for a question as one text, numbered, within a budget of tokens.
    ///
    /// Tokens are the local encoder's, or an estimate if there is none (``TokenCount``). Other models count a little differently, so clients
    /// should leave some room.
    func context(_ request: ServedRequest, _ model: ServedModel) async throws -> Reply {
        let fields = try await fields(request)
        var asked = try searchRequest(fields)
        asked.count = try fields.integer("top", in: 1...100) ?? 20
        let budget = try fields.integer("max_tokens", in: 16...1_000_000) ?? 2000
        let answer = try await model.search(asked, maximumTokens: options.queueTokens)
        request.facts.withLock { ($0.inputs, $0.tokens) = (1, answer.tokens) }
        let tokens = model.tokens(.document)
        var sources: [JSONObject] = []
        var context = ""
        var used = 0
        for hit in answer.hits {
            let number = sources.count + 1
            let head = (context.isEmpty ? "" : "\n\n") + "[\(number)] " + (hit.title.isEmpty ? "" : hit.title + "\n")
            let left = budget - used - tokens.count(head)
            // A few words of a passage are of no use, unless there is nothing else.
            guard left >= 16 || (left > 0 && (sources.isEmpty || tokens.count(hit.text) <= left)) else { break }
            let text = tokens.beginning(of: hit.text, tokens: left)
            let passage = head + text
            let length = tokens.count(passage)
            guard used + length <= budget, !text.isEmpty else { break }
            context += passage
            used += length
            let isCut = text.utf8.count < hit.text.utf8.count
            sources.append([
                "source": number, "id": hit.id, "title": hit.title, "text": text, "score": hit.score, "tokens": length,
                "is_cut": isCut,
            ])
            if isCut { break }
        }
        return try Reply(json: [
            "object": "context", "model": model.name, "query": asked.query, "context": context, "tokens": used,
            "max_tokens": budget, "weights": answer.weights.byName, "sources": sources,
            "answered_by": answer.answeredBy, "degraded": answer.degraded,
            "approximate": answer.isApproximate,
        ]).flagged(degraded: answer.degraded != nil, answer.answeredBy)
    }
}
