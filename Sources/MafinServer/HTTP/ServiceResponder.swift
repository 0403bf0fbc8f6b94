import Foundation
import HTTPTypes
import Hummingbird
import MafinBlackBox
import MafinNumerics
import NIOCore
import Synchronization

/// Answers all requests. It handles keys, bounds, time limits, errors, metrics and the log. Each route has its own file.
struct ServiceResponder: HTTPResponder {
    typealias Context = ConnectionContext

    let service: MafinService
    let watch: ConnectionWatch

    func respond(to request: Request, context: ConnectionContext) async throws -> Response {
        let start = ContinuousClock.now
        let (route, rest) = Route.find(request.uri.path)
        let served = ServedRequest(request, route: route, rest: rest)
        let ending = Ending(service, served, route, remote: context.channel.remoteAddress?.ipAddress, start: start)
        var reply: Reply
        do {
            reply = try await answer(served, route: route, context: context)
        } catch {
            reply = refusal(of: served, error, ending)
        }
        // An answer takes memory until its client has read it. The memory of all answers together has a bound.
        var share = service.responses.share(reply.body.readableBytes)
        if share == nil {
            let error = ServiceError(
                .serviceUnavailable, .unavailable,
                "answers that clients have not read yet have reached their limit of memory; ask again in a second",
                code: "too_many_bytes", retryAfter: 1)
            reply = refusal(of: served, error, ending)
            share = service.responses.share(reply.body.readableBytes)
        }
        reply.headers[.requestID] = served.id
        reply.headers[.traceparent] = served.trace.header
        reply.headers[.xContentTypeOptions] = "nosniff"
        if reply.headers[.cacheControl] == nil { reply.headers[.cacheControl] = "no-store" }
        CrossOrigin(service.options.allowedOrigins).addHeaders(to: &reply, for: request)
        ending.state.withLock { $0.status = reply.status }
        guard request.method != .head, reply.body.readableBytes > 0 else {
            return Response(status: reply.status, headers: reply.headers)
        }
        return Response(
            status: reply.status, headers: reply.headers,
            body: writing(reply.body, share, ending, to: context.channel, since: start))
    }

    private func refusal(of request: ServedRequest, _ error: any Error, _ ending: Ending) -> Reply {
        let known = Self.serviceError(error)
        if known.status == .internalServerError {
            service.log.record(
                "failure", level: "error",
                [("id", .text(request.id)), ("error", .text("\(error)".clipped(to: 2000)))])
        }
        ending.state.withLock { $0.failure = known }
        var reply = Reply.error(known, in: request.dialect, id: request.id)
        if request.leavesMuch(after: known) { reply.headers[.connection] = "close" }
        return reply
    }

    /// A body that is written piece by piece, as the client reads it. The connection is closed when the client reads nothing for
    /// `writeTimeout`. It is also closed if the client has not read all of it by the request's deadline, or by `writeTimeout` after the answer
    /// began if that is later.
    private func writing(
        _ body: ByteBuffer, _ share: Budget.Share?, _ ending: Ending, to channel: any Channel,
        since start: ContinuousClock.Instant
    ) -> ResponseBody {
        let (deadline, patience) = (service.options.deadline, service.options.writeTimeout)
        return ResponseBody(contentLength: body.readableBytes) { writer in
            @Sendable func close(after time: Duration) -> Scheduled<Void> {
                channel.eventLoop.scheduleTask(in: .nanoseconds(Int64(time.inSeconds * 1e9))) {
                    channel.close(promise: nil)
                }
            }
            let whole = close(after: max(patience, deadline - (ContinuousClock.now - start)))
            defer {
                whole.cancel()
                // Keeps the share of memory until the body is written.
                withExtendedLifetime(share) { ending.end() }
            }
            var rest = body
            while let piece = rest.readSlice(length: min(rest.readableBytes, 1 << 16)), piece.readableBytes > 0 {
                ending.state.withLock { $0.written += piece.readableBytes }
                // Before the last piece, so that a client that has its whole answer finds it counted.
                if rest.readableBytes == 0 { ending.end() }
                let stall = close(after: patience)
                defer { stall.cancel() }
                try await writer.write(piece)
            }
            try await writer.finish(nil)
        }
    }

    private func answer(
        _ request: ServedRequest, route: Route?, context: ConnectionContext
    ) async throws -> Reply {
        guard let route else { throw ServiceError.notFound(request.path) }
        if request.method == .options, !service.options.allowedOrigins.isEmpty { return Reply(status: .noContent) }
        guard route.methods.contains(request.method) || (request.method == .head && route.methods.contains(.get))
        else {
            var error = ServiceError(
                .methodNotAllowed, .invalidRequest,
                "\(request.path.clipped) takes \(route.methods.map(\.rawValue).joined(separator: " and ")), not \(Route.known(request.method))"
            )
            error.allowed = route.methods.map(\.rawValue)
            throw error
        }
        try service.requireOwnOrigin(request)
        try service.authenticate(request, route)
        guard service.requestsInFlight <= service.options.maximumRequests || !route.isCounted else {
            throw ServiceError(
                .tooManyRequests, .rateLimit,
                "more than \(service.options.maximumRequests) requests are being answered; ask again in a second",
                code: "too_many_requests", retryAfter: 1)
        }
        let service = service
        let work = OutgoingTrace.$header.withValue(request.trace.header) {
            Task {
                try await withDeadline(service.options.deadline) {
                    try await service.answer(request, route)
                } late: {
                    ServiceError.deadline(seconds: service.options.deadline.inSeconds)
                }
            }
        }
        watch.onLeave(of: context.channel) { work.cancel() }
        defer { watch.forget(context.channel) }
        return try await withTaskCancellationHandler {
            try await work.value
        } onCancel: {
            work.cancel()
        }
    }

    /// Any error, as the client gets it.
    private static func serviceError(_ error: any Error) -> ServiceError {
        switch error {
        case let error as ServiceError: error
        case is CancellationError:
            // No client reads it. It is for the log.
            ServiceError(
                .init(code: 499, reasonPhrase: "Client Closed Request"), .invalidRequest, "the client has left")
        default:
            ServiceError(
                .internalServerError, .server, "a fault of the server; its log has the details under this request's id")
        }
    }
}

/// Counts and logs the end of a request, once: when all but the last piece of its answer has been written, or when no more can be written.
private final class Ending: Sendable {
    struct State {
        var status = HTTPResponse.Status.internalServerError
        var failure: ServiceError?
        var written = 0
        var isOver = false
    }

    private let service: MafinService
    private let request: ServedRequest
    private let route: Route?
    private let remote: String?
    private let start: ContinuousClock.Instant
    let state = Mutex(State())

    init(
        _ service: MafinService, _ request: ServedRequest, _ route: Route?, remote: String?,
        start: ContinuousClock.Instant
    ) {
        (self.service, self.request, self.route) = (service, request, route)
        (self.remote, self.start) = (remote, start)
        service.beginRequest()
    }

    /// Answers without a body, and those whose connection was lost before their body, end here.
    deinit { end() }

    func end() {
        let state = state.withLock { state -> State? in
            defer { state.isOver = true }
            return state.isOver ? nil : state
        }
        guard let state else { return }
        service.endRequest()
        let seconds = (ContinuousClock.now - start).inSeconds
        // Unknown paths share one label, else a client could make any number of series.
        service.metrics.recordRequest(
            path: route?.path ?? "other", method: Route.known(request.method), status: state.status.code,
            seconds: seconds, reason: state.failure.map { $0.code ?? $0.kind.rawValue })
        let facts = request.facts.withLock { $0 }
        var fields: [(String, ServiceLog.Value)] = [
            ("id", .text(request.id)), ("trace_id", .text(request.trace.traceID)),
            ("method", .text(Route.known(request.method))), ("path", .text(request.path.clipped)),
            ("status", .integer(state.status.code)), ("ms", .number((seconds * 1e5).rounded() / 100)),
            ("bytes_in", .integer(facts.bytesIn)), ("bytes_out", .integer(state.written)),
        ]
        if let remote { fields.append(("remote", .text(remote))) }
        if let key = facts.key { fields.append(("key", .text(key.name))) }
        if facts.inputs > 0 {
            fields += [("inputs", .integer(facts.inputs)), ("tokens", .integer(facts.tokens))]
        }
        if let failure = state.failure {
            fields.append(("error", .text(failure.message.clipped(to: 500))))
            if let detail = failure.detail { fields.append(("detail", .text(detail.clipped(to: 500)))) }
        }
        service.log.record("request", level: state.status.code >= 500 ? "error" : "info", fields)
    }
}
