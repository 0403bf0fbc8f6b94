import Foundation
import HTTPTypes
import NIOCore
import Synchronization

extension MafinService {
    /// `GET /report`: the evaluation report that the service was started with.
    ///
    /// It runs in a sandbox. Its scripts can sort its tables. Whatever the file holds, they cannot reach this service, nor the data that the page
    /// keeps in the browser.
    func report() throws -> Reply {
        guard let file = options.report, let data = FileManager.default.contents(atPath: file.path) else {
            throw ServiceError(
                .notFound, .invalidRequest,
                "there is no report: 'mafin compare --output REPORT' writes one; start the service with --report REPORT/index.html",
                code: "no_report")
        }
        var reply = Reply(ByteBuffer(bytes: data), type: "text/html; charset=utf-8")
        reply.headers[.contentSecurityPolicy] =
            "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
            + "img-src data:; font-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
        return reply
    }

    /// `POST /report`: gives a cookie that opens the report for some minutes, because a link cannot send a key.
    func reportTicket(_ request: ServedRequest) -> Reply {
        // Without keys the link is enough.
        guard let key = request.facts.withLock({ $0.key }) else { return Reply(status: .noContent) }
        return Reply(status: .noContent, headers: [.setCookie: tickets.cookie(for: key, isSecure: isSecure)])
    }
}

/// Cookies that let a browser that has shown a key open `/report`. A cookie is random, this process remembers it for some minutes, and browsers
/// send it to no other path. It is refused once its key is no longer accepted.
final class ReportTickets: Sendable {
    private struct Ticket {
        var key: KeyRing.Key
        var end: ContinuousClock.Instant
    }

    private static let cookieName = "mafin-report"
    /// Most tickets that are remembered; beyond them the oldest is removed.
    private static let maximumTickets = 1000
    private let lifetime: Duration
    private let tickets = Mutex<[String: Ticket]>([:])

    init(lifetime: Duration = .seconds(600)) { self.lifetime = lifetime }

    /// The value of `Set-Cookie` for the owner of a key.
    func cookie(for key: KeyRing.Key, isSecure: Bool) -> String {
        let token = RequestTrace.random(64)
        tickets.withLock { tickets in
            let now = ContinuousClock.now
            tickets = tickets.filter { $0.value.end > now }
            if tickets.count >= Self.maximumTickets, let oldest = tickets.min(by: { $0.value.end < $1.value.end }) {
                tickets[oldest.key] = nil
            }
            tickets[token] = Ticket(key: key, end: now + lifetime)
        }
        return
            "\(Self.cookieName)=\(token); Path=/report; Max-Age=\(lifetime.components.seconds); HttpOnly; SameSite=Strict"
            + (isSecure ? "; Secure" : "")
    }

    /// The key for which a request's ticket was given; `nil` without a valid ticket.
    func key(in headers: HTTPFields) -> KeyRing.Key? {
        for pair in headers[values: .cookie].flatMap({ $0.split(separator: ";") }) {
            let sides = pair.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            guard sides.count == 2, sides[0] == Self.cookieName,
                let ticket = tickets.withLock({ $0[sides[1]] }), ticket.end > .now
            else { continue }
            return ticket.key
        }
        return nil
    }
}
