import Foundation
import HTTPTypes
import MafinImages
import MafinMethod
import MafinNumerics

/// Services that each search a part of the documents.
package protocol SearchShards: Sendable {
    /// What each of them answers to `POST /search`, in their order.
    /// - Parameter body: the request.
    /// - Throws: ``ServiceError`` if one of them gives no answer; `CancellationError`.
    func answers(to body: Data) async throws -> [Data]

    /// What the one that holds a document answers to `GET /document`; `nil` if none does.
    /// - Throws: as ``answers(to:)``.
    func document(_ id: String) async throws -> Data?
}

extension SearchShards {
    /// Asks all shards, and makes one ranking of theirs.
    ///
    /// The score of a document depends on the query, the document and the artefact alone, also that of BM25, whose statistics
    /// are in the artefact. So the best of all are among the best of each. Equal scores rank in the order of the shards, which
    /// is that of one index if the shards hold the documents in its order.
    /// - Parameter expected: the weights that a shard may rank by, if it serves the same artefact.
    /// - Throws: ``ServiceError`` if a shard gives no answer, or if it ranks by other weights.
    func search(
        _ request: ServedModel.SearchRequest, expected: [SourceWeights]
    ) async throws -> ServedModel.SearchAnswer {
        let body = try JSONEncoder().encode(
            JSONObject(
                dictionaryLiteral: ("query", request.query.isEmpty ? nil : request.query),
                ("image", try request.image?.dataURL()), ("thumbnails", request.wantsThumbnails ? true : nil),
                ("exact", request.isExact ? true : nil), ("top", request.count), ("lambda", request.lambda),
                ("ask_black_box", request.asksBlackBox),
                ("weights", request.weights.isEmpty ? nil : request.weights)))
        let answers = try await answers(to: body).enumerated().map { number, data in
            do { return try JSONDecoder().decode(ShardAnswer.self, from: data) } catch {
                throw ServiceError(
                    .badGateway, .upstream, "shard \(number) gave no answer of a search", code: "shard_failed")
            }
        }
        return try Self.merged(answers, count: request.count, expected: expected)
    }

    static func merged(
        _ answers: [ShardAnswer], count: Int, expected: [SourceWeights]
    ) throws -> ServedModel.SearchAnswer {
        guard let first = answers.first else { preconditionFailure("a search of no shards") }
        for (number, answer) in answers.enumerated() {
            guard (answer.degraded == nil) == (first.degraded == nil) else {
                throw ServiceError(
                    .serviceUnavailable, .upstream,
                    "one of the shards 0 and \(number) did without the black box's vector, the other did not: their scores cannot be compared",
                    code: "shards_differ", retryAfter: 1)
            }
            guard answer.weights == first.weights, answer.answeredBy == first.answeredBy else {
                throw ServiceError(
                    .badGateway, .upstream,
                    "shards 0 and \(number) rank by different weights: all must serve the same artefact, and ask the black box alike",
                    code: "shards_differ")
            }
        }
        guard let weights = expected.first(where: { $0.byName == first.weights }) else {
            throw ServiceError(
                .badGateway, .upstream,
                "the shards rank by other weights than this service's artefact: all must serve the same one",
                code: "shards_differ")
        }
        func best(_ lists: [[ServedModel.Hit]]) -> [ServedModel.Hit] {
            let all = lists.enumerated().flatMap { shard, hits in hits.map { (shard: shard, hit: $0) } }
            let sorted = all.sorted { one, other in
                one.hit.score != other.hit.score
                    ? one.hit.score > other.hit.score : (one.shard, one.hit.rank) < (other.shard, other.hit.rank)
            }
            return sorted.prefix(count).enumerated().map { place, entry in
                var hit = entry.hit
                hit.rank = place + 1
                return hit
            }
        }
        // In the black box's own ranking a document's score is still that of all sources: its order is that of the part.
        let blackBox = best(
            answers.map { answer in
                answer.blackBoxRanking.map { hit in
                    var hit = hit
                    hit.score = hit.parts.first { $0.source == .blackBox }?.score ?? hit.score
                    return hit
                }
            })
        let places = Dictionary(blackBox.map { ($0.id, $0.rank) }, uniquingKeysWith: { first, _ in first })
        func ranked(_ hits: [ServedModel.Hit]) -> [ServedModel.Hit] {
            // Where a document stands beyond the lists that the shards give is not known.
            hits.map { hit in
                var hit = hit
                hit.blackBoxRank = places[hit.id]
                return hit
            }
        }
        let scores = Dictionary(
            answers.flatMap { $0.blackBoxRanking.map { ($0.id, $0.score) } }, uniquingKeysWith: { first, _ in first })
        return ServedModel.SearchAnswer(
            weights: weights, hits: ranked(best(answers.map(\.results))), answeredBy: first.answeredBy, sureness: nil,
            blackBoxRanking: ranked(blackBox).map { hit in
                var hit = hit
                hit.score = scores[hit.id] ?? hit.score
                return hit
            },
            degraded: answers.compactMap(\.degraded).first,
            isApproximate: answers.contains { $0.approximate == true }, tokens: answers.map(\.usage.tokens).max() ?? 0)
    }
}

/// The fields of a search's answer that are read.
struct ShardAnswer: Decodable {
    struct Usage: Decodable {
        var tokens: Int

        private enum CodingKeys: String, CodingKey { case tokens = "prompt_tokens" }
    }

    var weights: [String: Float]
    var answeredBy: ServedModel.AnsweredBy?
    var degraded: String?
    /// Missing in answers of older versions, which search exactly.
    var approximate: Bool?
    var results: [ServedModel.Hit]
    var blackBoxRanking: [ServedModel.Hit]
    var usage: Usage

    private enum CodingKeys: String, CodingKey {
        case weights, degraded, approximate, results, usage
        case answeredBy = "answered_by"
        case blackBoxRanking = "black_box_ranking"
    }
}
