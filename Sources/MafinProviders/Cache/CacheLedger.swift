import Foundation
import GRDB
import MafinNumerics

/// The ledger that all processes on a machine share: rows of the cache file, changed in short transactions.
///
/// If the disk is full, this process continues to count in memory, on top of what the file says, so that a service need not stop.
struct CacheLedger: AccountLedger {
    private let cache: EmbeddingCache

    /// Limits learned from a server are used for this many seconds, because they may change.
    private static let lessonLifetime = 7.0 * 86_400

    init(_ cache: EmbeddingCache) { self.cache = cache }

    private static var now: Double { Date().timeIntervalSince1970 }

    func reserve(_ cost: RequestCost, account: String, rates: RateLimits) async throws -> Duration {
        try await update(account) {
            $0.reserve(cost, rates, at: Self.now)
        } whenFull: {
            $0.reserve(cost, account: account, rates: rates)
        }
    }

    func correct(tokens: Int, account: String, rates: RateLimits) async throws {
        guard rates.tokensPerMinute != nil else { return }
        try await update(account) {
            $0.correct(tokens: tokens, rates, at: Self.now)
        } whenFull: {
            $0.correct(tokens: tokens, account: account, rates: rates)
        }
    }

    func pause(account: String, for duration: Duration) async throws {
        try await update(account) {
            $0.pause(until: Self.now + duration.inSeconds)
        } whenFull: {
            $0.pause(account: account, for: duration)
        }
    }

    func lessons(account: String) async throws -> ServerLessons {
        try await cache.read(cache.ledgerQueue) { database in
            let row = try Row.fetchOne(
                database, sql: "SELECT items, batch_tokens, bytes, encoding, learned FROM account WHERE name = ?",
                arguments: [account])
            guard let row, let learned: Double = row[4], Self.now - learned < Self.lessonLifetime else {
                return ServerLessons()
            }
            return ServerLessons(items: row[0], tokens: row[1], bytes: row[2], encoding: row[3])
        }
    }

    func remember(_ lessons: ServerLessons, account: String) async throws {
        do {
            try await cache.write(cache.ledgerQueue) { database in
                try database.execute(
                    sql: """
                        INSERT INTO account (name, items, batch_tokens, bytes, encoding, learned) VALUES (?, ?, ?, ?, ?, ?)
                        ON CONFLICT (name) DO UPDATE SET items = excluded.items, batch_tokens = excluded.batch_tokens,
                            bytes = excluded.bytes, encoding = excluded.encoding, learned = excluded.learned
                        """,
                    arguments: [account, lessons.items, lessons.tokens, lessons.bytes, lessons.encoding, Self.now])
            }
        } catch ProviderError.cacheFull {
            // The model keeps them in memory while it is open.
        }
    }

    // MARK: - Spending

    var today: Int { Int(Self.now / 86_400) }

    func spent(on day: Int, for purpose: Spending.Purpose) async throws -> DailySpending {
        let written = try await cache.read(cache.ledgerQueue) { try Self.spent(on: day, for: purpose, $0) }
        return written + cache.unwritten.spent(on: day, for: purpose)
    }

    func spend(
        _ amount: DailySpending, by account: String, for purpose: Spending.Purpose, on day: Int, limit: Double?
    ) async throws -> Bool {
        let unwritten = cache.unwritten.spent(on: day, for: purpose)
        do {
            return try await cache.write(cache.ledgerQueue) { database in
                if let limit {
                    let before = try Self.spent(on: day, for: purpose, database) + unwritten
                    guard before.cost + amount.cost <= limit else { return false }
                }
                try database.cachedStatement(
                    sql: """
                        INSERT INTO spending (day, purpose, account, requests, cost) VALUES (?, ?, ?, ?, ?)
                        ON CONFLICT (day, purpose, account) DO UPDATE SET requests = requests + excluded.requests,
                            cost = cost + excluded.cost
                        """
                ).execute(arguments: [day, purpose.rawValue, account, amount.requests, amount.cost])
                return true
            }
        } catch ProviderError.cacheFull {
            let written = try await spent(on: day, for: purpose).cost - unwritten.cost
            return cache.unwritten.spend(
                amount, by: account, for: purpose, on: day, limit: limit.map { $0 - written })
        }
    }

    private static func spent(on day: Int, for purpose: Spending.Purpose, _ database: Database) throws -> DailySpending
    {
        let row = try Row.fetchOne(
            try database.cachedStatement(
                sql: "SELECT total(requests), total(cost) FROM spending WHERE day = ? AND purpose = ?"),
            arguments: [day, purpose.rawValue])
        guard let row else { return DailySpending() }
        let (requests, cost): (Double, Double) = (row[0], row[1])
        return DailySpending(requests: Int(requests), cost: cost)
    }

    // MARK: - Rates

    private func update<Result: Sendable>(
        _ account: String, _ change: @escaping @Sendable (inout AccountRates) -> Result,
        whenFull: (LocalLedger) -> Result
    ) async throws -> Result {
        do {
            return try await cache.write(cache.ledgerQueue) { database in
                var rates = try Self.read(account, database)
                let result = change(&rates)
                try Self.write(rates, account, database)
                return result
            }
        } catch ProviderError.cacheFull {
            return whenFull(cache.unwritten)
        }
    }

    private static func read(_ account: String, _ database: Database) throws -> AccountRates {
        let statement = try database.cachedStatement(
            sql: "SELECT requests, requests_time, tokens, tokens_time, paused_until FROM account WHERE name = ?")
        guard let row = try Row.fetchOne(statement, arguments: [account]) else { return AccountRates(pausedUntil: 0) }
        func bucket(_ level: Double?, _ time: Double?) -> TokenBucket? {
            level.flatMap { level in time.map { TokenBucket(level: level, time: $0) } }
        }
        return AccountRates(requests: bucket(row[0], row[1]), tokens: bucket(row[2], row[3]), pausedUntil: row[4])
    }

    private static func write(_ rates: AccountRates, _ account: String, _ database: Database) throws {
        let statement = try database.cachedStatement(
            sql: """
                INSERT INTO account (name, requests, requests_time, tokens, tokens_time, paused_until)
                VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (name) DO UPDATE SET requests = excluded.requests, requests_time = excluded.requests_time,
                    tokens = excluded.tokens, tokens_time = excluded.tokens_time, paused_until = excluded.paused_until
                """)
        try statement.execute(
            arguments: [
                account, rates.requests?.level, rates.requests?.time, rates.tokens?.level, rates.tokens?.time,
                rates.pausedUntil,
            ])
    }
}

extension EmbeddingCache {
    /// The ledger in this file, or the one that hosts share.
    var ledger: any AccountLedger { shared.map { SharedLedger($0) } ?? CacheLedger(self) }

    /// What was spent today (UTC) by all who use this file.
    public func spentToday(for purpose: Spending.Purpose) async throws -> DailySpending {
        try await ledger.spent(on: ledger.today, for: purpose)
    }
}
