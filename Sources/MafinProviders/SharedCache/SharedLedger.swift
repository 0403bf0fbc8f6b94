import Foundation
import MafinNumerics
import MafinPostgreSQL

/// The ledger that workers on several hosts share. Times are those of the server, so that the clocks of hosts need not agree.
struct SharedLedger: AccountLedger {
    private let cache: SharedCache

    /// Limits learned from a server are used for this many seconds, because they may change.
    private static let lessonLifetime = 7.0 * 86_400

    init(_ cache: SharedCache) { self.cache = cache }

    private static func now(_ session: PostgreSQLSession) throws -> Double {
        try session.query("SELECT extract(epoch FROM clock_timestamp())::float8").double(0, 0) ?? 0
    }

    func reserve(_ cost: RequestCost, account: String, rates: RateLimits) async throws -> Duration {
        try await update(account) { $0.reserve(cost, rates, at: $1) }
    }

    func correct(tokens: Int, account: String, rates: RateLimits) async throws {
        guard rates.tokensPerMinute != nil else { return }
        try await update(account) { $0.correct(tokens: tokens, rates, at: $1) }
    }

    func pause(account: String, for duration: Duration) async throws {
        try await update(account) { $0.pause(until: $1 + duration.inSeconds) }
    }

    private func update<Result: Sendable>(
        _ account: String, _ change: @escaping @Sendable (inout AccountRates, Double) -> Result
    ) async throws -> Result {
        try await cache.ledger.transaction { session in
            try session.execute("INSERT INTO mafin_account (name) VALUES ($1) ON CONFLICT (name) DO NOTHING", [account])
            let row = try session.query(
                """
                SELECT requests, requests_time, tokens, tokens_time, paused_until FROM mafin_account WHERE name = $1 FOR UPDATE
                """, [account])
            func bucket(_ level: Int) throws -> TokenBucket? {
                try row.double(0, level).flatMap { value in
                    try row.double(0, level + 1).map { TokenBucket(level: value, time: $0) }
                }
            }
            var rates = AccountRates(
                requests: try bucket(0), tokens: try bucket(2), pausedUntil: try row.double(0, 4) ?? 0)
            let result = change(&rates, try Self.now(session))
            func text(_ number: Double?) -> String? { number.map { "\($0)" } }
            try session.execute(
                """
                UPDATE mafin_account SET requests = $2::float8, requests_time = $3::float8, tokens = $4::float8,
                    tokens_time = $5::float8, paused_until = $6::float8 WHERE name = $1
                """,
                [
                    account, text(rates.requests?.level), text(rates.requests?.time), text(rates.tokens?.level),
                    text(rates.tokens?.time), text(rates.pausedUntil),
                ])
            return result
        }
    }

    func lessons(account: String) async throws -> ServerLessons {
        try await cache.ledger.run { session in
            let row = try session.query(
                "SELECT items, batch_tokens, bytes, encoding, learned FROM mafin_account WHERE name = $1", [account])
            guard row.count == 1, let learned = try row.double(0, 4),
                try Self.now(session) - learned < Self.lessonLifetime
            else { return ServerLessons() }
            func number(_ column: Int) throws -> Int? { try row.integer(0, column).map { Int($0) } }
            return ServerLessons(
                items: try number(0), tokens: try number(1), bytes: try number(2), encoding: try number(3))
        }
    }

    func remember(_ lessons: ServerLessons, account: String) async throws {
        let numbers = [lessons.items, lessons.tokens, lessons.bytes, lessons.encoding].map { $0.map { "\($0)" } }
        try await cache.ledger.run {
            try $0.execute(
                """
                INSERT INTO mafin_account (name, items, batch_tokens, bytes, encoding, learned)
                VALUES ($1, $2::bigint, $3::bigint, $4::bigint, $5::bigint, extract(epoch FROM clock_timestamp()))
                ON CONFLICT (name) DO UPDATE SET items = excluded.items, batch_tokens = excluded.batch_tokens,
                    bytes = excluded.bytes, encoding = excluded.encoding, learned = excluded.learned
                """, [account] + numbers)
        }
    }

    // MARK: Spending

    var today: Int { Int(Date().timeIntervalSince1970 / 86_400) }

    func spent(on day: Int, for purpose: Spending.Purpose) async throws -> DailySpending {
        try await cache.ledger.run { try Self.spent(on: day, for: purpose, $0) }
    }

    func spend(
        _ amount: DailySpending, by account: String, for purpose: Spending.Purpose, on day: Int, limit: Double?
    ) async throws -> Bool {
        try await cache.ledger.transaction { session in
            if let limit {
                // One after the other: two workers must not both see room for the last request. The lock ends with the transaction.
                try session.execute("SELECT pg_advisory_xact_lock(7310011)")
                guard try Self.spent(on: day, for: purpose, session).cost + amount.cost <= limit else { return false }
            }
            try session.execute(
                """
                INSERT INTO mafin_spending (day, purpose, account, requests, cost)
                VALUES ($1::bigint, $2, $3, $4::bigint, $5::float8)
                ON CONFLICT (day, purpose, account) DO UPDATE SET requests = mafin_spending.requests + excluded.requests,
                    cost = mafin_spending.cost + excluded.cost
                """, ["\(day)", purpose.rawValue, account, "\(amount.requests)", "\(amount.cost)"])
            return true
        }
    }

    private static func spent(
        on day: Int, for purpose: Spending.Purpose, _ session: PostgreSQLSession
    ) throws -> DailySpending {
        let row = try session.query(
            """
            SELECT coalesce(sum(requests), 0)::bigint, coalesce(sum(cost), 0)::float8 FROM mafin_spending
            WHERE day = $1::bigint AND purpose = $2
            """, ["\(day)", purpose.rawValue])
        return DailySpending(requests: Int(try row.integer(0, 0) ?? 0), cost: try row.double(0, 1) ?? 0)
    }
}
