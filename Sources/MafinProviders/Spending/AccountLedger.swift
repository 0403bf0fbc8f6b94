import Foundation
import MafinNumerics
import Synchronization

/// The state that all users of an account share: how much may be sent per minute, pauses, limits learned from the server, and the spending of
/// the day.
///
/// `account` identifies provider, address, model and key. It contains no secret.
protocol AccountLedger: Sendable {
    /// Reserves a request. Returns how long it must wait before it may be sent.
    func reserve(_ cost: RequestCost, account: String, rates: RateLimits) async throws -> Duration
    /// Corrects a reservation: adds tokens, or returns them if negative.
    func correct(tokens: Int, account: String, rates: RateLimits) async throws
    /// Stops all users of the account from sending for a time.
    func pause(account: String, for duration: Duration) async throws
    /// What was learned from the server.
    func lessons(account: String) async throws -> ServerLessons
    /// Stores what was learned from the server.
    func remember(_ lessons: ServerLessons, account: String) async throws

    /// Today, in days since 1970 (UTC).
    var today: Int { get }
    /// The spending of all accounts on a day.
    func spent(on day: Int, for purpose: Spending.Purpose) async throws -> DailySpending
    /// Adds to the spending of a day, unless the sum over all accounts would exceed the limit.
    /// - Returns: whether it was added.
    func spend(
        _ amount: DailySpending, by account: String, for purpose: Spending.Purpose, on day: Int, limit: Double?
    ) async throws -> Bool
}

/// What a request takes from the account's rates.
struct RequestCost: Sendable, Equatable {
    var requests: Int
    var tokens: Int
}

/// What an account may send per minute; nil: no limit is known.
struct RateLimits: Sendable, Equatable {
    var requestsPerMinute: Int?
    var tokensPerMinute: Int?
}

/// Limits learned from a server's refusals; nil: none.
struct ServerLessons: Sendable, Equatable {
    var items: Int?
    var tokens: Int?
    var bytes: Int?
    /// The encoding that it supports, as a position in the profile's list.
    var encoding: Int?
}

/// A token bucket: requests take from it, and it fills at the rate of the account.
///
/// The level may fall below zero: each request takes its share at once and waits for the time until the bucket would have been full enough, so
/// that processes which share a bucket take turns. Its capacity is the rate of one second, and it fills at 59/60 of the rate, so that no
/// period of a minute exceeds the rate.
struct TokenBucket: Sendable, Equatable {
    var level: Double
    /// The time of the level, in seconds.
    var time: Double

    fileprivate static func capacity(_ rate: Int) -> Double { max(1, Double(rate) / 60) }

    private static func perSecond(_ rate: Int) -> Double { Double(rate) / 60 * 59 / 60 }

    /// Takes an amount. Returns the seconds until the level is no longer negative.
    mutating func take(_ amount: Double, perMinute rate: Int, at now: Double) -> Double {
        level = min(Self.capacity(rate), level + max(0, now - time) * Self.perSecond(rate))
        time = now
        level -= amount
        return level >= 0 ? 0 : -level / Self.perSecond(rate)
    }
}

extension TokenBucket {
    /// A full bucket.
    init(perMinute rate: Int, at time: Double) { self.init(level: Self.capacity(rate), time: time) }
}

/// The rates of one account: its two buckets and its pause.
struct AccountRates: Sendable {
    var requests: TokenBucket?
    var tokens: TokenBucket?
    /// The end of the pause, in seconds of the buckets' clock.
    var pausedUntil = -Double.infinity

    /// Takes a request's share. Returns how long it must wait.
    mutating func reserve(_ cost: RequestCost, _ rates: RateLimits, at now: Double) -> Duration {
        var wait = max(0, pausedUntil - now)
        func take(_ bucket: inout TokenBucket?, _ amount: Int, _ rate: Int?) {
            guard let rate else { return }
            var present = bucket ?? TokenBucket(perMinute: rate, at: now)
            wait = max(wait, present.take(Double(amount), perMinute: rate, at: now))
            bucket = present
        }
        take(&requests, cost.requests, rates.requestsPerMinute)
        take(&tokens, cost.tokens, rates.tokensPerMinute)
        return .seconds(wait)
    }

    mutating func correct(tokens amount: Int, _ rates: RateLimits, at now: Double) {
        guard let rate = rates.tokensPerMinute else { return }
        _ = tokens?.take(Double(amount), perMinute: rate, at: now)
    }

    mutating func pause(until end: Double) { pausedUntil = max(pausedUntil, end) }
}

/// A ledger of this process alone.
final class LocalLedger: AccountLedger {
    private struct State {
        var rates: [String: AccountRates] = [:]
        var lessons: [String: ServerLessons] = [:]
        var day = 0
        var spent: [Spending.Purpose: DailySpending] = [:]
    }

    private let time: any TimeSource
    private let state = Mutex(State())

    init(time: any TimeSource = SystemTime()) { self.time = time }

    private func update<Result: Sendable>(_ account: String, _ change: (inout AccountRates) -> Result) -> Result {
        state.withLock { change(&$0.rates[account, default: AccountRates()]) }
    }

    func reserve(_ cost: RequestCost, account: String, rates: RateLimits) -> Duration {
        let now = time.now.inSeconds
        return update(account) { $0.reserve(cost, rates, at: now) }
    }

    func correct(tokens: Int, account: String, rates: RateLimits) {
        let now = time.now.inSeconds
        update(account) { $0.correct(tokens: tokens, rates, at: now) }
    }

    func pause(account: String, for duration: Duration) {
        let end = (time.now + duration).inSeconds
        update(account) { $0.pause(until: end) }
    }

    func lessons(account: String) -> ServerLessons { state.withLock { $0.lessons[account] } ?? ServerLessons() }

    func remember(_ lessons: ServerLessons, account: String) { state.withLock { $0.lessons[account] = lessons } }

    var today: Int { Int(time.wallTime / 86_400) }

    func spent(on day: Int, for purpose: Spending.Purpose) -> DailySpending {
        state.withLock { $0.day == day ? $0.spent[purpose] : nil } ?? DailySpending()
    }

    func spend(
        _ amount: DailySpending, by account: String, for purpose: Spending.Purpose, on day: Int, limit: Double?
    ) -> Bool {
        state.withLock { state in
            if day > state.day { (state.day, state.spent) = (day, [:]) }
            guard day == state.day else { return true }
            let sum = state.spent[purpose, default: DailySpending()] + amount
            if let limit, sum.cost > limit { return false }
            state.spent[purpose] = sum
            return true
        }
    }
}
