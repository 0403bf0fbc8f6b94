import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization

/// A request, with facts that are recorded while it is answered.
final class ServedRequest: Sendable {
    /// What is learned while it is answered.
    struct Facts {
        var inputs = 0
        var tokens = 0
        var bytesIn = 0
        /// The key that it sent.
        var key: KeyRing.Key?
        /// Its share of the bytes of all bodies. It is given back when the request has been answered.
        var share: Budget.Share?
    }

    let id: String
    let trace: RequestTrace
    let path: String
    /// The rest of the path after the route's own path.
    let rest: String
    let facts = Mutex(Facts())
    /// Errors are written in the client's own shape.
    let dialect: Reply.Dialect
    private let request: Request

    init(_ request: Request, route: Route?, rest: String) {
        self.request = request
        path = request.uri.path
        self.rest = rest
        let given = request.headers[.requestID]
        id = given.flatMap { Self.isUsable($0) ? $0 : nil } ?? RequestTrace.random(16)
        trace = RequestTrace(continuing: request.headers[.traceparent])
        dialect = route?.dialect ?? .openAI
    }

    var method: HTTPRequest.Method { request.method }
    var headers: HTTPFields { request.headers }
    /// Host and port as the client wrote them.
    var authority: String? { request.head.authority?.lowercased() }

    /// A parameter of the query behind the path.
    func parameter(_ name: String) -> String? { request.uri.queryParameters[Substring(name)].map { String($0) } }

    /// Whether much of the body is unread. Before the next request of the connection, all of it would have to be read.
    func leavesMuch(after error: ServiceError) -> Bool {
        if error.status == .contentTooLarge || error.status == .gatewayTimeout { return true }
        guard facts.withLock({ $0.bytesIn }) == 0 else { return false }
        return headers[.transferEncoding] != nil || headers[.contentLength].flatMap { Int($0) } ?? 0 > 1 << 16
    }

    /// The fields of the body.
    /// - Parameters:
    ///   - maximum: bytes that a body may have.
    ///   - budget: bytes that all bodies together may have while they are read or in use.
    /// - Throws: ``ServiceError``; `CancellationError`.
    func fields(maximum: Int, budget: Budget) async throws -> RequestFields {
        // Only this type makes browsers ask the service first whether a page of another origin may send the request (CORS).
        let type = headers[.contentType] ?? ""
        guard type.prefix(while: { $0 != ";" }).trimmingCharacters(in: .whitespaces).lowercased() == "application/json"
        else {
            throw ServiceError(
                .unsupportedMediaType, .invalidRequest,
                "the body must be application/json, found \(type.isEmpty ? "no content-type" : "'\(type.clipped)'")")
        }
        let length = headers[.contentLength].flatMap { Int($0) }
        if let length, length > maximum {
            throw ServiceError.tooLarge(
                "the body has \(length) bytes, a request may have \(maximum); send fewer texts at a time")
        }
        guard let share = budget.share(0) else { throw Self.noRoom }
        var body = ByteBuffer()
        do {
            for try await piece in request.body {
                guard body.readableBytes + piece.readableBytes <= maximum else {
                    throw ServiceError.tooLarge(
                        "the body is longer than the \(maximum) bytes that a request may have; send fewer texts at a time"
                    )
                }
                guard share.grow(by: piece.readableBytes) else { throw Self.noRoom }
                // Memory pages take no memory before they are written to, so an announced length costs nothing yet.
                if body.capacity == 0 { body.reserveCapacity(max(length ?? 0, piece.readableBytes)) }
                body.writeImmutableBuffer(piece)
            }
        } catch  where !(error is ServiceError || error is CancellationError) {
            // The client has left in the middle of the body, or sent something that is not HTTP.
            throw ServiceError(
                .badRequest, .invalidRequest, "the body could not be read to its end", code: "incomplete_body")
        }
        facts.withLock { ($0.bytesIn, $0.share) = (body.readableBytes, share) }
        return try RequestFields(body)
    }

    private static var noRoom: ServiceError {
        ServiceError(
            .serviceUnavailable, .unavailable,
            "the bodies of running requests have reached their limit of memory; ask again in a second",
            code: "too_many_bytes", retryAfter: 1)
    }

    private static func isUsable(_ id: String) -> Bool {
        (1...128).contains(id.utf8.count)
            && id.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.:".contains($0)) }
    }
}
