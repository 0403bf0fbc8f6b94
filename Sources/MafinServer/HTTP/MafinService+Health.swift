import Foundation
import HTTPTypes

extension MafinService {
    private struct ReadinessBody: Encodable {
        var status: String
        var model: String?
        var artefact: String?
        var local: String?
        var blackBox: String?
        var index: Int?

        enum CodingKeys: String, CodingKey {
            case status, model, artefact, local, index
            case blackBox = "black_box"
        }
    }

    /// `GET /readyz`: whether the service can do its work. Where there are keys, only a request with one is told more than that.
    func readiness(_ request: ServedRequest, _ model: ServedModel) async throws -> Reply {
        let readiness = await model.readiness.now()
        let isDraining = isDraining
        let isReady = !isDraining && readiness.isReady
        var body = ReadinessBody(status: isDraining ? "ending" : readiness.status)
        if mayKnow(request) {
            (body.model, body.artefact, body.index) = (model.name, model.hash, model.index?.search.count)
            body.local = readiness.local
            body.blackBox = readiness.blackBox?.sentence ?? "ok"
        }
        var reply = try Reply(json: body, status: isReady ? .ok : .serviceUnavailable)
        if !isReady { reply.headers[.retryAfter] = "5" }
        return reply
    }

    /// `GET /metrics`, in Prometheus' text format. Which artefact is served is left out as in ``readiness(_:_:)``.
    func metrics(_ request: ServedRequest, _ model: ServedModel) -> Reply {
        Reply(
            metrics.text(
                requestsInFlight: requestsInFlight, queueTokens: model.engine.load, searches: model.searching.count,
                namesArtefact: mayKnow(request)),
            type: "text/plain; version=0.0.4; charset=utf-8")
    }
}
