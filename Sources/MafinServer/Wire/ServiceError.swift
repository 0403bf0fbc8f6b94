import HTTPTypes

/// Why a request is refused: a status, and one sentence that says what to do.
///
/// It is written in the shape of the request's API. It never holds a key.
package struct ServiceError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The kinds of OpenAI's `type`.
    package enum Kind: String, Sendable {
        /// The request is wrong. Sending it again will not help.
        case invalidRequest = "invalid_request_error"
        /// No key, or an unknown one.
        case authentication = "authentication_error"
        /// Too much at a time. It may be answered later.
        case rateLimit = "rate_limit_error"
        /// The black box gives no answer.
        case upstream = "upstream_error"
        /// It took too long.
        case timeout = "timeout_error"
        /// The server is ending, or not ready.
        case unavailable = "service_unavailable_error"
        /// A fault of mafin.
        case server = "server_error"
    }

    /// HTTP status.
    package var status: HTTPResponse.Status
    /// OpenAI's `type`.
    package var kind: Kind
    /// One sentence.
    package var message: String
    /// The field that is wrong, if a field is.
    package var parameter: String?
    /// A code for programs.
    package var code: String?
    /// Seconds after which it is worth asking again.
    package var retryAfter: Int?
    /// More about it, for the log only.
    var detail: String?
    /// Methods that the path takes, for 405.
    package var allowed: [String] = []

    /// The message.
    package var description: String { message }

    /// An error of a request.
    package init(
        _ status: HTTPResponse.Status, _ kind: Kind, _ message: String, parameter: String? = nil, code: String? = nil,
        retryAfter: Int? = nil
    ) {
        (self.status, self.kind, self.message) = (status, kind, message)
        (self.parameter, self.code, self.retryAfter) = (parameter, code, retryAfter)
    }

    /// The code for a request that says whether the black box is asked, to a service that cannot do so.
    package static let refusedChoice = "ask_black_box_refused"

    static func invalid(_ message: String, parameter: String? = nil, code: String? = nil) -> ServiceError {
        ServiceError(.badRequest, .invalidRequest, message, parameter: parameter, code: code)
    }

    static func tooLarge(_ message: String) -> ServiceError {
        ServiceError(.contentTooLarge, .invalidRequest, message, code: "request_too_large")
    }

    static func notFound(_ path: String) -> ServiceError {
        ServiceError(
            .notFound, .invalidRequest, "there is nothing at \(path.clipped); GET /openapi.json lists the paths")
    }

    static func overloaded(retryAfter: Int) -> ServiceError {
        ServiceError(
            .tooManyRequests, .rateLimit,
            "the queue is full: it holds about \(retryAfter) s of work; ask again after that",
            code: "queue_full", retryAfter: retryAfter)
    }

    static func deadline(seconds: Double) -> ServiceError {
        ServiceError(
            .gatewayTimeout, .timeout,
            "not answered within the \(Self.plain(seconds)) s that a request may take; send fewer texts",
            code: "deadline_exceeded")
    }

    /// A number of seconds without a needless `.0`.
    static func plain(_ seconds: Double) -> String {
        let rounded = (seconds * 1000).rounded() / 1000
        return rounded == rounded.rounded() ? String(Int(rounded)) : String(rounded)
    }
}
