import NIOHTTP1

/// What is left of the account's rates according to an answer's header: `x-ratelimit-remaining-requests`, `x-ratelimit-reset-tokens` and so on.
///
/// Many servers send none of these fields, some only a part. What is absent is nil.
struct RateHeaders: Sendable, Equatable {
    /// What is left of one of the two rates.
    struct Allowance: Sendable, Equatable {
        var limit: Int?
        var remaining: Int?
        /// The time until it is full again.
        var reset: Duration?
    }

    var requests: Allowance
    var tokens: Allowance
    /// Whether the server says that the request should be sent again.
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

    /// How long to wait before a request with a number of tokens; nil if the header does not say.
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
