import Foundation
import HTTPTypes
import Hummingbird
import MafinBlackBox
import MafinText

/// Whether the service can do its work: asked by doing it.
///
/// The local half embeds a word, through the queue like everybody's; a queue that is full shows that it is busy, not that it is ill. The
/// black box is asked by ``BlackBoxProbe``.
enum Readiness {
    private struct Body: Encodable {
        var status: String
        var model: String
        var artefact: String
        var local: String
        var blackBox: String
        var index: Int?

        enum CodingKeys: String, CodingKey {
            case status, model, artefact, local, index
            case blackBox = "black_box"
        }
    }

    static func answer(_ service: MafinService, _ generation: Generation) async throws -> Response {
        async let remote = generation.blackBoxProbe.failure()
        let local = await localState(generation.engine)
        let failure = await remote
        let isDraining = service.isDraining
        let isReady = !isDraining && local.isWell && (failure == nil || service.options.degrades)
        let body = Body(
            status: isDraining ? "ending" : isReady ? (failure == nil ? "ready" : "degraded") : "not ready",
            model: generation.name, artefact: generation.hash, local: local.text, blackBox: failure ?? "ok",
            index: generation.index?.count)
        var response = try Answers.json(body, status: isReady ? .ok : .serviceUnavailable)
        if !isReady { response.headers[.retryAfter] = "5" }
        return response
    }

    private static func localState(_ engine: LocalEngine) async -> (isWell: Bool, text: String) {
        let batch = TokenBatch(rows: [engine.tokenizer(.query).tokens("ready")])
        do {
            _ = try await withDeadline(.seconds(5)) {
                try await engine.embed(batch, as: .query)
            } elsewise: {
                ServiceError(.serviceUnavailable, .unavailable, "no vector within 5 s", code: "late")
            }
            return (true, "ok")
        } catch let error as ServiceError where ["queue_full", "late"].contains(error.code) && !engine.isStuck {
            return (true, "busy: \(error)")
        } catch {
            return (false, "\(error)")
        }
    }
}
