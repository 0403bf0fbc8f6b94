import Foundation
import MafinNumerics
import Synchronization

/// What those who share an account at a provider have to agree on: how much may be sent a minute, until when nothing may be, what the server
/// has taught about its bounds, and what was spent today.
///
/// `account` stands for provider, address, model and key; it holds no secret.
protocol AccountLedger: Sendable {
    /// Books a request, and returns for how long it has to wait until it may be sent.
    func reserve(_ cost: RequestCost, account: String, rates: RateLimits) async throws -> Duration
    /// Gives back tokens that were estimated too high, or books those that were estimated too low.
    func correct(tokens: Int, account: String, rates: RateLimits) async throws
    /// Nobody sends anything for a time.
    func pause(account: String, for duration: Duration) async throws
    /// What the server has taught.
    func lessons(account: String) async throws -> ServerLessons
    /// Remembers what the server has taught.
    func remember(_ lessons: ServerLessons, account: String) async throws

    /// Days since 1970 (UTC).
    var today: Int { get }
    /// What all accounts have spent on a day.
    func spent(on day: Int, for purpose: Spending.Purpose) async throws -> DailySpending
    /// Adds to what is spent on a day, unless the sum over all accounts would then be above a limit.
    /// - Returns: whether it was added.
    func spend(
        _ amount: DailySpending, by account: String, for purpose: Spending.Purpose, on day: Int, limit: Double?
    ) async throws -> Bool
}

/// What a request counts for.
struct RequestCost: Sendable, Equatable {
    var requests: Int
    var tokens: Int
}

/// What an account may send in a minute; nil: nobody knows a bound.
struct RateLimits: Sendable, Equatable {
    var requestsPerMinute: Int?
    var tokensPerMinute: Int?
}

/// What a server has taught by refusing; nil: nothing.
struct ServerLessons: Sendable, Equatable {
    var items: Int?
    var tokens: Int?
    var bytes: Int?
    /// Position of the encoding that it knows.
    var encoding: Int?
}

/// A bucket from which requests are taken and which fills at the rate of the account.
///
/// The level may go below zero: each request books its share at once and waits until the bucket would have been full enough, so that
/// processes that share a bucket take turns. It holds what one second brings, and fills at 59/60 of the rate, so that no minute of
/// any phase sees more than the rate.
struct TokenBucket: Sendable, Equatable {
    var level: Double
    /// When the level held, in seconds.
    var time: Double

    fileprivate static func capacity(_ rate: Int) -> Double { max(1, Double(rate) / 60) }

    private static func perSecond(_ rate: Int) -> Double { Double(rate) / 60 * 59 / 60 }

    /// Takes an amount and returns the seconds until it is there.
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
    /// In seconds of the same clock as the buckets.
    var pausedUntil = -Double.infinity

    /// Takes a request's share, and returns for how long it has to wait.
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
