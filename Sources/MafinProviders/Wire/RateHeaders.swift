import NIOHTTP1

/// What a server's header says about what is left of the minute: `x-ratelimit-remaining-requests`, `x-ratelimit-reset-tokens` and so on.
///
/// Many servers send none of it, some only a part; what is absent is nil.
struct RateHeaders: Sendable, Equatable {
    /// One of the two things that are counted.
    struct Allowance: Sendable, Equatable {
        var limit: Int?
        var remaining: Int?
        /// Until it is full again.
        var reset: Duration?
    }

    var requests: Allowance
    var tokens: Allowance
    /// The server's own opinion on asking again.
    var shouldRetry: Bool?

    init(_ headers: HTTPHeaders) {
        func allowance(_ what: String) -> Allowance {
            func value(_ kind: String) -> String? { headers.first(name: "x-ratelimit-\(kind)-\(what)") }
            return Allowance(
                limit: value("limit").flatMap { Int($0) }, remaining: value("remaining").flatMap { Int($0) },
                reset: value("reset").flatMap { RetryPolicy.duration($0) })
        }
        requests = allowance("requests")
        tokens = allowance("tokens")
        shouldRetry = headers.first(name: "x-should-retry").flatMap { ["true": true, "false": false][$0.lowercased()] }
    }

    /// How long to wait before a request of so many tokens, as far as the header tells.
    func pause(beforeTokens needed: Int) -> Duration? {
        var pauses: [Duration] = []
        if let remaining = requests.remaining, remaining <= 0, let reset = requests.reset { pauses.append(reset) }
        if let remaining = tokens.remaining, remaining < needed, let reset = tokens.reset {
            // The bucket fills evenly, so only the missing part of the request is waited for.
            if let limit = tokens.limit, limit > remaining, needed <= limit {
                pauses.append(reset * (Double(needed - remaining) / Double(limit - remaining)))
            } else {
                pauses.append(reset)
            }
        }
        return pauses.max()
    }
}
