import Foundation
import Synchronization

/// A limit on spending. Nothing is sent that could exceed it.
public struct SpendingLimit: Sendable, Hashable {
    /// Maximum number of requests, failed ones included.
    public var requests: Int?
    /// Maximum cost in all, in the currency of ``pricePerMillionTokens``.
    public var cost: Double?
    /// Maximum cost on one day (UTC) of all who use the same cache file, earlier runs included, in the same currency.
    public var costPerDay: Double?
    /// The price. A limit on the cost needs it.
    public var pricePerMillionTokens: Double?

    /// A limit; nil: none.
    public init(
        requests: Int? = nil, cost: Double? = nil, costPerDay: Double? = nil, pricePerMillionTokens: Double? = nil
    ) {
        self.requests = requests
        self.cost = cost
        self.costPerDay = costPerDay
        self.pricePerMillionTokens = pricePerMillionTokens
    }

    /// Tokens that ``cost`` pays for; nil: any number.
    var tokens: Int? {
        guard let cost, let price = pricePerMillionTokens, price > 0 else { return nil }
        let tokens = cost / price * 1e6
        return tokens < 1e15 ? Int(tokens) : nil
    }

    func cost(of tokens: Int) -> Double { Double(tokens) * (pricePerMillionTokens ?? 0) / 1e6 }
}

/// The spending of all calls of one model, or of several models that share it and its limit.
///
/// A request is booked before it is sent, with an upper bound on its cost. The booking is corrected when the server reports the number of
/// tokens, and removed if the server refuses the request or nothing of its body was sent. In all other cases (no answer, an answer that cannot
/// be used, a cancelled call) the vendor may bill it, so the booking stays.
public final class Spending: Sendable {
    /// What money is spent on. A limit per day applies to each separately.
    public enum Purpose: String, Sendable, Codable, CaseIterable {
        /// Vectors of texts.
        case vectors
        /// Replies of language models.
        case replies
    }

    /// The booking of one request.
    struct Booking: Sendable {
        var tokens: Int
        var account: String
        /// The day (UTC) that it counts for, in days since 1970.
        var day: Int
    }

    /// The limit.
    public let limit: SpendingLimit
    let purpose: Purpose
    /// Tokens as counted by the server, else an upper bound. Requests in flight are included.
    private let state = Mutex((requests: 0, tokens: 0))

    /// Starts at zero.
    public init(limit: SpendingLimit, purpose: Purpose = .vectors) {
        self.limit = limit
        self.purpose = purpose
    }

    /// Requests and tokens so far.
    var soFar: (requests: Int, tokens: Int) { state.withLock { $0 } }

    /// Throws if a job may exceed the limit. To be called before its first request.
    /// - Parameters:
    ///   - requests: minimum number of requests of the job.
    ///   - tokens: maximum number of tokens of the job.
    /// - Throws: ``ProviderError/overBudget(endpoint:reason:)``
    func require(requests: Int, tokens: Int, ledger: any AccountLedger, endpoint: String) async throws {
        let (usedRequests, usedTokens) = soFar
        func over(_ reason: String) -> ProviderError {
            .overBudget(endpoint: endpoint, reason: "\(reason); nothing \(usedRequests == 0 ? "" : "more ")was sent")
        }
        if let allowed = limit.requests, usedRequests + requests > allowed {
            let left = max(0, allowed - usedRequests)
            throw over("\(requests) requests are needed and \(left) are left of the \(allowed) allowed")
        }
        // For replies, `tokens` are millionths of the currency.
        let counted = purpose == .vectors ? " (\(tokens) tokens at most)" : ""
        let needed = "up to \(Money.text(limit.cost(of: tokens))) may be needed\(counted)"
        if let allowed = limit.tokens, usedTokens + tokens > allowed {
            let left = Money.text(limit.cost(of: max(0, allowed - usedTokens)))
            throw over("\(needed) and \(left) is left of the \(Money.text(limit.cost ?? 0)) allowed")
        }
        if let allowed = limit.costPerDay {
            let spent = try await ledger.spent(on: ledger.today, for: purpose).cost
            if spent + limit.cost(of: tokens) > allowed {
                let left = Money.text(max(0, allowed - spent))
                throw over("\(needed) and \(left) is left of the \(Money.text(allowed)) allowed today (UTC)")
            }
        }
    }

    /// Books one request.
    /// - Parameter tokens: the maximum that it can take.
    /// - Throws: ``ProviderError/overBudget(endpoint:reason:)`` if it must not be sent.
    func book(tokens: Int, account: String, ledger: any AccountLedger, endpoint: String) async throws -> Booking {
        func tooMuch(of allowed: Double?) -> String {
            "the next request could cost more than is left of the \(Money.text(allowed ?? 0)) allowed"
        }
        let objection: String? = state.withLock { state in
            if let allowed = limit.requests, state.requests + 1 > allowed {
                return "all \(allowed) requests allowed are used up"
            }
            if let allowed = limit.tokens, state.tokens + tokens > allowed { return tooMuch(of: limit.cost) }
            state.requests += 1
            state.tokens += tokens
            return nil
        }
        if let objection { throw ProviderError.overBudget(endpoint: endpoint, reason: objection) }
        let booking = Booking(tokens: tokens, account: account, day: ledger.today)
        do {
            let isWithin = try await ledger.spend(
                DailySpending(requests: 1, cost: limit.cost(of: tokens)), by: account, for: purpose, on: booking.day,
                limit: limit.costPerDay)
            guard isWithin else {
                throw ProviderError.overBudget(
                    endpoint: endpoint, reason: tooMuch(of: limit.costPerDay) + " today (UTC)")
            }
            return booking
        } catch {
            state.withLock { state in
                state.requests -= 1
                state.tokens -= tokens
            }
            throw error
        }
    }

    /// Corrects a booking to the actual number of tokens.
    func settle(_ booking: Booking, actual: Int, ledger: any AccountLedger) async throws {
        guard actual != booking.tokens else { return }
        state.withLock { $0.tokens += actual - booking.tokens }
        _ = try await ledger.spend(
            DailySpending(cost: limit.cost(of: actual) - limit.cost(of: booking.tokens)), by: booking.account,
            for: purpose, on: booking.day, limit: nil)
    }
}

/// The spending of one day (UTC).
public struct DailySpending: Sendable, Hashable, Codable {
    /// The number of requests sent.
    public var requests = 0
    /// The cost in the currency of the given prices. Requests without a price count as 0.
    public var cost = 0.0

    static func + (one: DailySpending, other: DailySpending) -> DailySpending {
        DailySpending(requests: one.requests + other.requests, cost: one.cost + other.cost)
    }
}

/// Formats amounts of money, in the user's currency.
package enum Money {
    /// `0.0042`, `1.25`, `1340.00`: two decimals, or more to show two significant digits.
    package static func text(_ amount: Double) -> String {
        var (decimals, scaled) = (2, amount == 0 ? 1 : abs(amount))
        while scaled < 0.1, decimals < 8 { (decimals, scaled) = (decimals + 1, scaled * 10) }
        return String(format: "%.\(decimals)f", amount)
    }
}
