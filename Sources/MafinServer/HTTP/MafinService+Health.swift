import HTTPTypes
import MafinPipeline

extension MafinService {
    /// `GET /readyz`: whether the service can do its work. If the service has keys, only a request with a key gets the details.
    func readiness(_ request: ServedRequest, _ model: ServedModel) async throws -> Reply {
        let readiness = await model.readiness.now()
        let isDraining = isDraining
        let isReady = !isDraining && readiness.isReady
        let status = isDraining ? "ending" : readiness.status
        let body: JSONObject =
            !mayKnow(request)
            ? ["status": status]
            : [
                "status": status, "model": model.name, "artefact": model.hash, "local": readiness.local,
                "stand_in": readiness.standIn, "offline": model.isOffline,
                "black_box": model.upstream == nil ? nil : readiness.blackBox?.sentence ?? "ok",
                "cache": readiness.cacheText,
                "index": model.index?.search.count,
            ]
        var reply = try Reply(json: body, status: isReady ? .ok : .serviceUnavailable)
        if !isReady { reply.headers[.retryAfter] = "5" }
        return reply
    }

    /// `GET /metrics`, in Prometheus' text format. As in ``readiness(_:_:)``, it names the artefact only to a request with a key.
    func metrics(_ request: ServedRequest, _ model: ServedModel) async -> Reply {
        let spending = await model.spending?()
        return Reply(
            metrics.text(
                requestsInFlight: requestsInFlight,
                queueTokens: (model.engine?.load ?? 0) + (model.standIn?.engine.load ?? 0),
                searches: model.searching.count,
                cache: model.cache?(), spending: spending, namesArtefact: mayKnow(request)),
            type: "text/plain; version=0.0.4; charset=utf-8")
    }
}
