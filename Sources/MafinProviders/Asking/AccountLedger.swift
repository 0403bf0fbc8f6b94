import MafinNumerics
import Synchronization

/// What those who share an account at a provider have to agree on: how much may be sent a minute, until when nothing may be, and what
/// the server has taught about its bounds.
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

    /// A full bucket.
    init(perMinute rate: Int, at time: Double) {
        level = Self.capacity(rate)
        self.time = time
    }

    init(level: Double, time: Double) {
        self.level = level
        self.time = time
    }

    private static func capacity(_ rate: Int) -> Double { max(1, Double(rate) / 60) }

    private static func perSecond(_ rate: Int) -> Double { Double(rate) / 60 * 59 / 60 }

    /// Takes an amount and returns the seconds until it is there.
    mutating func take(_ amount: Double, perMinute rate: Int, at now: Double) -> Double {
        level = min(Self.capacity(rate), level + max(0, now - time) * Self.perSecond(rate))
        time = now
        level -= amount
        return level >= 0 ? 0 : -level / Self.perSecond(rate)
    }
}

/// A ledger of this process alone.
final class LocalLedger: AccountLedger {
    private struct Account {
        var requests: TokenBucket?
        var tokens: TokenBucket?
        var pausedUntil = -Double.infinity
        var lessons = ServerLessons()
    }

    private let time: any TimeSource
    private let accounts = Mutex<[String: Account]>([:])

    init(time: any TimeSource = SystemTime()) { self.time = time }

    func reserve(_ cost: RequestCost, account: String, rates: RateLimits) -> Duration {
        let now = time.now.inSeconds
        return accounts.withLock { accounts in
            var entry = accounts[account] ?? Account()
            var wait = max(0, entry.pausedUntil - now)
            func take(_ bucket: inout TokenBucket?, _ amount: Int, _ rate: Int?) {
                guard let rate else { return }
                var present = bucket ?? TokenBucket(perMinute: rate, at: now)
                wait = max(wait, present.take(Double(amount), perMinute: rate, at: now))
                bucket = present
            }
            take(&entry.requests, cost.requests, rates.requestsPerMinute)
            take(&entry.tokens, cost.tokens, rates.tokensPerMinute)
            accounts[account] = entry
            return .seconds(wait)
        }
    }

    func correct(tokens: Int, account: String, rates: RateLimits) {
        let now = time.now.inSeconds
        guard let rate = rates.tokensPerMinute else { return }
        accounts.withLock { _ = $0[account]?.tokens?.take(Double(tokens), perMinute: rate, at: now) }
    }

    func pause(account: String, for duration: Duration) {
        let until = (time.now + duration).inSeconds
        accounts.withLock { accounts in
            let before = accounts[account]?.pausedUntil ?? until
            accounts[account, default: Account()].pausedUntil = max(until, before)
        }
    }

    func lessons(account: String) -> ServerLessons { accounts.withLock { $0[account]?.lessons } ?? ServerLessons() }

    func remember(_ lessons: ServerLessons, account: String) {
        accounts.withLock { $0[account, default: Account()].lessons = lessons }
    }
}
