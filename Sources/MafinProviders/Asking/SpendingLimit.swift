import Foundation
import Synchronization

/// What may be spent; nothing is sent beyond it.
public struct SpendingLimit: Sendable, Hashable {
    /// Requests, those that fail included.
    public var requests: Int?
    /// In the currency of ``pricePerMillionTokens``.
    public var cost: Double?
    /// Without it a bound on the cost cannot be kept.
    public var pricePerMillionTokens: Double?

    /// A limit; nil: none.
    public init(requests: Int? = nil, cost: Double? = nil, pricePerMillionTokens: Double? = nil) {
        self.requests = requests
        self.cost = cost
        self.pricePerMillionTokens = pricePerMillionTokens
    }

    /// Tokens that the bound on the cost pays for.
    var tokens: Int? {
        guard let cost, let price = pricePerMillionTokens, price > 0 else { return nil }
        let tokens = cost / price * 1e6
        return tokens < 1e15 ? Int(tokens) : nil
    }
}

/// What has been spent, over all calls of one model, or of several that share it: one limit then holds for them together.
public final class Spending: Sendable {
    private struct State {
        var requests = 0
        /// Counted by the server where it says so, else estimated; requests in flight with their estimate.
        var tokens = 0
    }

    /// What may be spent in all.
    public let limit: SpendingLimit
    private let state = Mutex(State())

    /// Nothing yet.
    public init(limit: SpendingLimit) { self.limit = limit }

    /// Requests and tokens so far.
    var soFar: (requests: Int, tokens: Int) { state.withLock { ($0.requests, $0.tokens) } }

    /// Why a job cannot be begun, or nil where it can: what it needs goes beyond the limit.
    func objection(requests: Int, tokens: Int) -> String? {
        let (usedRequests, usedTokens) = soFar
        if let allowed = limit.requests, usedRequests + requests > allowed {
            return
                "\(requests) requests are needed and \(max(0, allowed - usedRequests)) are left of the \(allowed) allowed; nothing was sent"
        }
        if let allowed = limit.tokens, let price = limit.pricePerMillionTokens, usedTokens + tokens > allowed {
            let needed = Money.text(Double(tokens) * price / 1e6)
            let left = Money.text(Double(max(0, allowed - usedTokens)) * price / 1e6)
            return
                "up to \(needed) is needed (\(tokens) tokens at most) and \(left) is left of the \(Money.text(limit.cost ?? 0)) allowed; nothing was sent"
        }
        return nil
    }

    /// Books one request, or says why it must not be sent.
    func book(tokens: Int) -> String? {
        state.withLock { state in
            if let allowed = limit.requests, state.requests + 1 > allowed {
                return "all \(allowed) requests allowed are used up"
            }
            if let allowed = limit.tokens, state.tokens + tokens > allowed {
                return "the next request could go beyond the cost of \(Money.text(limit.cost ?? 0)) that is allowed"
            }
            state.requests += 1
            state.tokens += tokens
            return nil
        }
    }

    /// What a booked request really took; 0 where it was not answered.
    func settle(booked: Int, actual: Int) { state.withLock { $0.tokens += actual - booked } }
}

/// Amounts of money in whatever currency the user thinks.
enum Money {
    /// `0.0042`, `1.25`, `1340.00`: two decimals, or as many as show two digits.
    static func text(_ amount: Double) -> String {
        guard amount != 0, abs(amount) < 1 else { return String(format: "%.2f", amount) }
        var decimals = 2
        var scaled = abs(amount)
        while scaled < 0.1, decimals < 8 {
            scaled *= 10
            decimals += 1
        }
        return String(format: "%.\(decimals)f", amount)
    }
}
