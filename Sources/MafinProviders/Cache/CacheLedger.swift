import Foundation
import GRDB
import MafinNumerics

/// The ledger that all processes on a machine share: rows of the cache file, changed in short transactions.
struct CacheLedger: AccountLedger {
    private let cache: EmbeddingCache

    /// What a server has taught is believed for so many seconds; it may have been given other bounds since.
    private static let lessonLifetime = 7.0 * 86_400

    init(_ cache: EmbeddingCache) { self.cache = cache }

    private static var now: Double { Date().timeIntervalSince1970 }

    func reserve(_ cost: RequestCost, account: String, rates: RateLimits) async throws -> Duration {
        try await update(account) { row in
            let now = Self.now
            var wait = max(0, row.pausedUntil - now)
            func take(_ bucket: inout TokenBucket?, _ amount: Int, _ rate: Int?) {
                guard let rate else { return }
                var present = bucket ?? TokenBucket(perMinute: rate, at: now)
                wait = max(wait, present.take(Double(amount), perMinute: rate, at: now))
                bucket = present
            }
            take(&row.requests, cost.requests, rates.requestsPerMinute)
            take(&row.tokens, cost.tokens, rates.tokensPerMinute)
            return .seconds(wait)
        }
    }

    func correct(tokens: Int, account: String, rates: RateLimits) async throws {
        guard let rate = rates.tokensPerMinute else { return }
        try await update(account) { _ = $0.tokens?.take(Double(tokens), perMinute: rate, at: Self.now) }
    }

    func pause(account: String, for duration: Duration) async throws {
        try await update(account) { $0.pausedUntil = max($0.pausedUntil, Self.now + duration.inSeconds) }
    }

    func lessons(account: String) async throws -> ServerLessons {
        try await cache.naming { [cache] in
            try await cache.ledgerQueue.read { database in
                let row = try Row.fetchOne(
                    database, sql: "SELECT items, batch_tokens, bytes, encoding, learned FROM account WHERE name = ?",
                    arguments: [account])
                guard let row, let learned: Double = row[4], Self.now - learned < Self.lessonLifetime else {
                    return ServerLessons()
                }
                return ServerLessons(items: row[0], tokens: row[1], bytes: row[2], encoding: row[3])
            }
        }
    }

    func remember(_ lessons: ServerLessons, account: String) async throws {
        try await cache.ledgerWrite { database in
            try database.execute(
                sql: """
                    INSERT INTO account (name, items, batch_tokens, bytes, encoding, learned) VALUES (?, ?, ?, ?, ?, ?)
                    ON CONFLICT (name) DO UPDATE SET items = excluded.items, batch_tokens = excluded.batch_tokens,
                        bytes = excluded.bytes, encoding = excluded.encoding, learned = excluded.learned
                    """,
                arguments: [account, lessons.items, lessons.tokens, lessons.bytes, lessons.encoding, Self.now])
        }
    }

    private struct Account {
        var requests: TokenBucket?
        var tokens: TokenBucket?
        var pausedUntil: Double
    }

    private func update<Result: Sendable>(
        _ account: String, _ change: @escaping @Sendable (inout Account) -> Result
    ) async throws -> Result {
        try await cache.ledgerWrite { database in
            var row = try Self.read(account, database)
            let result = change(&row)
            try Self.write(row, account, database)
            return result
        }
    }

    private static func read(_ account: String, _ database: Database) throws -> Account {
        let statement = try database.cachedStatement(
            sql: "SELECT requests, requests_time, tokens, tokens_time, paused_until FROM account WHERE name = ?")
        guard let row = try Row.fetchOne(statement, arguments: [account]) else { return Account(pausedUntil: 0) }
        func bucket(_ level: Double?, _ time: Double?) -> TokenBucket? {
            level.flatMap { level in time.map { TokenBucket(level: level, time: $0) } }
        }
        return Account(requests: bucket(row[0], row[1]), tokens: bucket(row[2], row[3]), pausedUntil: row[4])
    }

    private static func write(_ row: Account, _ account: String, _ database: Database) throws {
        let statement = try database.cachedStatement(
            sql: """
                INSERT INTO account (name, requests, requests_time, tokens, tokens_time, paused_until)
                VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (name) DO UPDATE SET requests = excluded.requests, requests_time = excluded.requests_time,
                    tokens = excluded.tokens, tokens_time = excluded.tokens_time, paused_until = excluded.paused_until
                """)
        try statement.execute(
            arguments: [
                account, row.requests?.level, row.requests?.time, row.tokens?.level, row.tokens?.time, row.pausedUntil,
            ])
    }
}

extension EmbeddingCache {
    /// The ledger in this file.
    var ledger: any AccountLedger { CacheLedger(self) }
}
