import Foundation
import HTTPTypes
import Hummingbird
import MafinBlackBox
import MafinText
import Synchronization

/// Whether the service can do its work: asked by doing it.
///
/// The local half embeds a word, through the queue like everybody's. The black box is believed as long as it answers
/// requests; once it has failed, or before it was ever asked, it is asked for a text that no cache holds, at most every few seconds.
final class ReadinessProbe: Sendable {
    private struct State {
        var generation = ""
        var checked: ContinuousClock.Instant?
        var failure: String?
    }

    private let state = Mutex(State())
    private static let interval: Duration = .seconds(5)

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

    func answer(_ service: MafinService, _ generation: Generation) async throws -> Response {
        let local = await localFailure(generation)
        let remote = await blackBoxFailure(generation)
        let isDraining = service.isDraining
        let mayLackBlackBox = service.options.degrades
        let isReady = !isDraining && local == nil && (remote == nil || mayLackBlackBox)
        let body = Body(
            status: isDraining ? "ending" : isReady ? (remote == nil ? "ready" : "degraded") : "not ready",
            model: generation.name, artefact: generation.hash, local: local ?? "ok", blackBox: remote ?? "ok",
            index: generation.index?.count)
        var response = try Answers.json(body, status: isReady ? .ok : .serviceUnavailable)
        if !isReady { response.headers[.retryAfter] = "5" }
        return response
    }

    private func localFailure(_ generation: Generation) async -> String? {
        let batch = TokenBatch(rows: [generation.engine.tokenizer(.query).tokens("ready")])
        do {
            _ = try await withDeadline(.seconds(5)) {
                try await generation.engine.embed(batch, as: .query)
            } elsewise: {
                ServiceError(.serviceUnavailable, .unavailable, "no vector within 5 s")
            }
            return nil
        } catch {
            return "\(error)"
        }
    }

    private func blackBoxFailure(_ generation: Generation) async -> String? {
        let last = generation.upstream.lastFailure
        let (isDue, known) = state.withLock { state in
            if state.generation != generation.hash { state = State(generation: generation.hash) }
            if state.checked != nil, last == nil { state.failure = nil }
            let wasChecked = state.checked.map { ContinuousClock.now - $0 < Self.interval } ?? false
            // A black box that answers is not asked for nothing.
            let isDue = state.checked == nil || (!wasChecked && (state.failure != nil || last != nil))
            if isDue { state.checked = ContinuousClock.now }
            return (isDue, last.map(\.message) ?? state.failure)
        }
        guard isDue else { return known }
        var failure: String?
        do {
            let text = "ready \(Int(Date().timeIntervalSince1970))"
            let item = EmbeddingItem(id: "readiness", text: text)
            _ = try await withDeadline(.seconds(5)) {
                try await generation.upstream.embed([item], as: .query)
            } elsewise: {
                UpstreamFailure(.unavailable, "the black box did not answer within 5 s")
            }
        } catch let error as UpstreamFailure where error.isOfText {
            // Stored answers, which do not hold that text: they are there.
        } catch {
            failure = "\(error)"
        }
        state.withLock { $0.failure = failure }
        return failure
    }
}
