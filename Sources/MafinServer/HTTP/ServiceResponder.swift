import Foundation
import HTTPTypes
import Hummingbird
import MafinNumerics
import NIOCore
import Synchronization
import Tracing

/// Answers all requests: what is common to them is here (keys, bounds, time, errors, metrics, log), each endpoint in its own file.
struct ServiceResponder: HTTPResponder {
    typealias Context = ConnectionContext

    let service: MafinService
    let watch: ConnectionWatch

    /// One request on its way.
    final class Exchange: Sendable {
        struct Facts {
            var inputs = 0
            var tokens = 0
            var bytesIn = 0
            var key: String?
        }

        let id: String
        let trace: RequestTrace
        let path: String
        /// The parts of the path after the endpoint's own.
        let rest: String
        let query: String
        let request: Request
        let facts = Mutex(Facts())
        /// Errors are written in the client's own shape.
        let dialect: Answers.Dialect

        init(_ request: Request, endpoint: Endpoint?, rest: String) {
            self.request = request
            path = request.uri.path
            query = request.uri.query ?? ""
            self.rest = rest
            let given = request.headers[.requestID]
            id = given.flatMap { Self.isUsable($0) ? $0 : nil } ?? RequestTrace.random(16)
            trace = RequestTrace(continuing: request.headers[.traceparent])
            dialect = endpoint?.dialect ?? .openAI
        }

        private static func isUsable(_ id: String) -> Bool {
            (1...128).contains(id.utf8.count)
                && id.utf8.allSatisfy {
                    switch $0 {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                        UInt8(ascii: ":"):
                        true
                    default: false
                    }
                }
        }
    }

    func respond(to request: Request, context: ConnectionContext) async throws -> Response {
        let start = ContinuousClock.now
        let (endpoint, rest) = Endpoint.find(request.uri.path)
        let exchange = Exchange(request, endpoint: endpoint, rest: rest)
        service.metrics.recordBegin()
        var failure: ServiceError?
        var response: Response
        do {
            response = try await answer(exchange, endpoint: endpoint, context: context)
        } catch {
            let known = Self.serviceError(error, options: service.options)
            if known.status == .internalServerError {
                service.log.record(
                    "failure", level: "error",
                    [("id", .text(exchange.id)), ("error", .text("\(error)".clipped(to: 2000)))])
            }
            failure = known
            response = Answers.error(known, in: exchange.dialect, id: exchange.id)
            if leavesMuch(exchange, after: known) { response.headers[.connection] = "close" }
        }
        response.headers[.requestID] = exchange.id
        response.headers[.traceparent] = exchange.trace.header
        response.headers[.xContentTypeOptions] = "nosniff"
        if response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "no-store" }
        addCORS(to: &response, for: request)
        if request.method == .head {
            response = Response(status: response.status, headers: response.headers)
        }
        let seconds = (ContinuousClock.now - start).inSeconds
        // Paths that are not ours would make as many series as somebody can think of.
        service.metrics.recordEnd(
            path: endpoint?.path ?? "other", method: Endpoint.known(request.method), status: response.status.code,
            seconds: seconds, reason: failure.map { $0.code ?? $0.kind.rawValue })
        log(exchange, context, response, seconds, failure)
        return response
    }

    /// Whether much of the body was not read: it would be, to its end, before the next request of the connection.
    private func leavesMuch(_ exchange: Exchange, after error: ServiceError) -> Bool {
        if error.status == .contentTooLarge || error.status == .gatewayTimeout { return true }
        guard exchange.facts.withLock({ $0.bytesIn }) == 0 else { return false }
        let headers = exchange.request.headers
        return headers[.transferEncoding] != nil || headers[.contentLength].flatMap { Int($0) } ?? 0 > 1 << 16
    }

    private func answer(
        _ exchange: Exchange, endpoint: Endpoint?, context: ConnectionContext
    ) async throws -> Response {
        let request = exchange.request
        guard let endpoint else { throw ServiceError.notFound(request.uri.path) }
        if request.method == .options, !service.options.allowedOrigins.isEmpty { return Response(status: .noContent) }
        guard endpoint.methods.contains(request.method) || (request.method == .head && endpoint.methods.contains(.get))
        else {
            var error = ServiceError(
                .methodNotAllowed, .invalidRequest,
                "\(request.uri.path.clipped) takes \(endpoint.methods.map(\.rawValue).joined(separator: " and ")), not \(Endpoint.known(request.method))"
            )
            error.allowed = endpoint.methods.map(\.rawValue)
            throw error
        }
        if endpoint.needsKey {
            try service.requireOwnOrigin(request)
            if !service.keys.isEmpty {
                let name = try service.authenticate(request, endpoint)
                exchange.facts.withLock { $0.key = name }
            }
        }
        guard service.metrics.requestsInFlight <= service.options.maximumRequests || !endpoint.isCounted else {
            throw ServiceError(
                .tooManyRequests, .rateLimit,
                "more than \(service.options.maximumRequests) requests are being answered; ask again in a second",
                code: "too_many_requests", retryAfter: 1)
        }
        let service = service
        var tracing = ServiceContext.current ?? .topLevel
        tracing[TracePropagator.Key.self] = exchange.trace
        let work = ServiceContext.withValue(tracing) {
            Task {
                try await withDeadline(service.options.deadline) {
                    try await service.answer(exchange, endpoint)
                } elsewise: {
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

    /// Any error as the client is told of it.
    private static func serviceError(_ error: any Error, options: ServiceOptions) -> ServiceError {
        switch error {
        case let error as ServiceError: error
        case is NIOTooManyBytesError:
            .tooLarge(
                "the body is longer than the \(options.maximumBodyBytes) bytes that a request may have; send fewer texts at a time"
            )
        case is CancellationError:
            // Nobody reads it; for the log.
            ServiceError(
                .init(code: 499, reasonPhrase: "Client Closed Request"), .invalidRequest, "the client has left")
        default:
            ServiceError(
                .internalServerError, .server, "a fault of the server; its log says more under this request's id")
        }
    }

    private func addCORS(to response: inout Response, for request: Request) {
        guard let origin = request.headers[.origin], !service.options.allowedOrigins.isEmpty else { return }
        let all = service.options.allowedOrigins.contains("*")
        guard all || service.options.allowedOrigins.contains(origin) else { return }
        response.headers[.accessControlAllowOrigin] = all ? "*" : origin
        response.headers[.vary] = "Origin"
        guard request.method == .options else {
            response.headers[.accessControlExposeHeaders] = "X-Request-Id, Traceparent, Retry-After, X-Mafin-Degraded"
            return
        }
        response.headers[.accessControlAllowMethods] = "GET, POST"
        // Names cannot be given by their beginning: what OpenAI's client in a browser says of itself is allowed by name as it asks.
        let asked = (request.headers[.accessControlRequestHeaders] ?? "").split(separator: ",").map {
            $0.trimmingCharacters(in: .whitespaces).lowercased()
        }
        let stainless = asked.filter { name in
            name.hasPrefix("x-stainless-") && name.utf8.count <= 64
                && name.utf8.allSatisfy {
                    ($0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z")) || $0 == UInt8(ascii: "-")
                }
        }
        response.headers[.accessControlAllowHeaders] =
            (["Authorization", "Content-Type", "Api-Key", "X-Api-Key", "X-Request-Id", "Traceparent"]
            + stainless.prefix(20))
            .joined(separator: ", ")
        response.headers[.vary] = "Origin, Access-Control-Request-Headers"
        response.headers[.accessControlMaxAge] = "600"
    }

    private func log(
        _ exchange: Exchange, _ context: ConnectionContext, _ response: Response, _ seconds: Double,
        _ failure: ServiceError?
    ) {
        let facts = exchange.facts.withLock { $0 }
        var fields: [(String, ServiceLog.Value)] = [
            ("id", .text(exchange.id)), ("trace_id", .text(exchange.trace.traceID)),
            ("method", .text(Endpoint.known(exchange.request.method))),
            ("path", .text(exchange.path.clipped)),
            ("status", .integer(response.status.code)), ("ms", .number((seconds * 1e5).rounded() / 100)),
            ("bytes_in", .integer(facts.bytesIn)), ("bytes_out", .integer(response.body.contentLength ?? 0)),
        ]
        if let remote = context.channel.remoteAddress?.ipAddress { fields.append(("remote", .text(remote))) }
        if let key = facts.key { fields.append(("key", .text(key))) }
        if facts.inputs > 0 {
            fields += [("inputs", .integer(facts.inputs)), ("tokens", .integer(facts.tokens))]
        }
        if let failure { fields.append(("error", .text(failure.message.clipped(to: 500)))) }
        service.log.record("request", level: response.status.code >= 500 ? "error" : "info", fields)
    }
}
