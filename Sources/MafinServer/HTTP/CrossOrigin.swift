import HTTPTypes
import Hummingbird

/// The headers that tell browsers about requests from pages of other origins (CORS).
struct CrossOrigin {
    private let allowed: [String]

    /// - Parameter allowed: origins; `*` allows all, and an empty array turns CORS off.
    init(_ allowed: [String]) { self.allowed = allowed }

    func allows(_ origin: String) -> Bool { allowed.contains("*") || allowed.contains(origin) }

    func addHeaders(to reply: inout Reply, for request: Request) {
        guard let origin = request.headers[.origin], allows(origin) else { return }
        reply.headers[.accessControlAllowOrigin] = allowed.contains("*") ? "*" : origin
        reply.headers[.vary] = "Origin"
        guard request.method == .options else {
            reply.headers[.accessControlExposeHeaders] = "X-Request-Id, Traceparent, Retry-After, X-Mafin-Degraded"
            return
        }
        reply.headers[.accessControlAllowMethods] = "GET, POST"
        // OpenAI's client in a browser describes itself in headers of this prefix. A prefix cannot be allowed, so each name is.
        let asked = (request.headers[.accessControlRequestHeaders] ?? "").split(separator: ",").map {
            $0.trimmingPrefix { $0 == " " }.lowercased()
        }
        let stainless = asked.filter { name in
            name.hasPrefix("x-stainless-") && name.utf8.count <= 64
                && name.utf8.allSatisfy {
                    ($0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z")) || $0 == UInt8(ascii: "-")
                }
        }
        reply.headers[.accessControlAllowHeaders] =
            (["Authorization", "Content-Type", "Api-Key", "X-Api-Key", "X-Request-Id", "Traceparent"]
            + stainless.prefix(20))
            .joined(separator: ", ")
        reply.headers[.vary] = "Origin, Access-Control-Request-Headers"
        reply.headers[.accessControlMaxAge] = "600"
    }
}
