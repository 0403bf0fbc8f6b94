import HTTPTypes
import MafinMethod
import MafinPipeline

/// Whether a search asks the black box.
extension ServedModel {
    /// Whether the stand-in ranks before it is decided whether to ask. λ is about the black box, so a request with it asks.
    func standsInFirst(_ request: SearchRequest, _ asking: SourceWeights?) -> Bool {
        guard let asking else { return true }
        guard asking.needBlackBox(sources) else { return false }
        if let asks = request.asksBlackBox { return !asks }
        return askBelow != nil && request.lambda == nil
    }

    /// Whether the black box is asked although the stand-in has answered.
    /// - Parameter answer: the stand-in's.
    func asks(after answer: SearchAnswer, _ request: SearchRequest, _ asking: SourceWeights?) -> Bool {
        guard request.asksBlackBox == nil, asking != nil, let askBelow, let sureness = answer.sureness else {
            return false
        }
        return sureness < askBelow
    }

    /// Checks that the service can do what a request says about asking.
    /// - Parameter wanted: the request's weights.
    /// - Throws: ``ServiceError`` 409.
    func requireChoice(
        of request: SearchRequest, _ wanted: (asking: SourceWeights?, standIn: SourceWeights?)
    ) throws {
        func refused(_ reason: String) -> ServiceError {
            ServiceError(
                .conflict, .invalidRequest, "ask_black_box is \(request.asksBlackBox ?? false), but \(reason)",
                parameter: "ask_black_box", code: ServiceError.refusedChoice)
        }
        switch request.asksBlackBox {
        case nil: return
        case true?:
            if isOffline { throw refused("this service runs with --offline and never asks") }
            if wanted.asking == nil {
                throw refused("the request leaves no source with a weight for a query that asks")
            }
        case false?:
            if request.lambda != nil {
                throw refused("lambda is the share of the local encoder beside the black box, which then has none")
            }
            guard wanted.asking?.needBlackBox(sources) != false, wanted.standIn == nil else { return }
            throw refused(
                standIn == nil
                    ? "this service has no stand-in loaded: start it with --ask-below, --degrade or --offline"
                    : "the request leaves no source with a weight for a query that does not ask")
        }
    }

    /// Searches in the shards. Whether the black box is asked is decided here, once, by the ranking of all documents: a shard sees only its own,
    /// so it would be too sure, and shards that decide differently rank by different weights.
    /// - Throws: ``ServiceError``; `CancellationError`.
    func find(_ request: SearchRequest, in shards: any SearchShards) async throws -> SearchAnswer {
        let wanted = try weights(of: request)
        try requireChoice(of: request, wanted)
        var sureness: Double?
        if let standIn, let weights = wanted.standIn, standsInFirst(request, wanted.asking) {
            var first = request
            first.asksBlackBox = false
            // The sureness is that of the best of all shards, as many as one index looks at.
            if askBelow != nil { first.count = max(request.count, Sureness.depth) }
            var answer = try await shards.search(first, expected: [weights])
            if askBelow != nil {
                answer.sureness = Sureness.probability(ofFirst: answer.hits.map(\.score), standIn.mixing)
            }
            answer.hits = Array(answer.hits.prefix(request.count))
            guard asks(after: answer, request, wanted.asking) else { return answer }
            sureness = answer.sureness
        }
        var second = request
        // Nothing needs to be said to shards whose sources do not need the black box.
        second.asksBlackBox = wanted.asking?.needBlackBox(sources) == true ? true : nil
        let expected = [wanted.asking, wanted.standIn, wanted.asking?.withoutBlackBox(sources)].compactMap(\.self)
        var answer = try await shards.search(second, expected: expected)
        answer.sureness = sureness
        return answer
    }
}
