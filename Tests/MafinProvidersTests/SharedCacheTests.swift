import Foundation
import MafinBlackBox
import MafinNumerics
import MafinPostgreSQL
import MafinTestSupport
import Testing

@testable import MafinProviders

/// The cache in PostgreSQL. `Scripts/test-shared-cache.sh` starts a server and sets the variable; without it only addresses are
/// tested.
@Suite(.serialized) struct SharedCacheTests {
    /// An empty database, without a password in the address.
    static let address = ProcessInfo.processInfo.environment["MAFIN_TEST_POSTGRESQL"]
    static let skipMessage = "MAFIN_TEST_POSTGRESQL names no server"

    private static func cache(_ folder: TemporaryFolder, patience: TimeInterval = 30) throws -> EmbeddingCache {
        try EmbeddingCache(
            file: folder.url.appendingPathComponent("local.sqlite"), busyTimeout: patience,
            shared: address ?? "postgresql://")
    }

    /// Removes everything, so that each test begins with nothing.
    private static func clear() async throws {
        let client = PostgreSQLClient(try PostgreSQLAddress(address ?? ""), patience: 5, naming: { $0 })
        try await client.run {
            for table in ["vector", "source", "account", "spending", "owner", "claim", "cache"] {
                try $0.execute("DROP TABLE IF EXISTS mafin_\(table) CASCADE")
            }
        }
    }

    @Test func addressesWithAPasswordAreRefused() {
        for address in ["postgresql://u:secret@h/d", "postgresql://u@h/d?password=secret"] {
            let error = #expect(throws: ProviderError.self) {
                try SharedCache(address, precision: .float32, patience: 1, logger: nil)
            }
            #expect(error.map { "\($0)".contains("PGPASSWORD") && !"\($0)".contains("secret") } == true)
        }
        #expect(throws: ProviderError.self) {
            try SharedCache("/tmp/cache.sqlite", precision: .float32, patience: 1, logger: nil)
        }
    }

    @Test(.enabled(if: address != nil, Comment(rawValue: skipMessage)))
    func distinctTextsArePaidOnceAndNeverAgain() async throws {
        try await Self.clear()
        try await TemporaryFolder.with { folder in
            let server = try EmbeddingServer()
            defer { server.stop() }
            let texts = ["a", "b", "a", "c", "b", "a"]
            let first = CachedBlackBox(
                try server.blackBox(limits: BatchLimits(items: 2)), cache: try Self.cache(folder))
            let (vectors, counts) = try await first.answer(items(texts), as: .document)
            #expect(vectors.values == EmbeddingServer.vectors(texts))
            #expect(counts == EmbeddingCounts(texts: 6, distinct: 3, cached: 0, asked: 3))
            let later = CachedBlackBox(try server.blackBox(), cache: try Self.cache(folder))
            let (again, laterCounts) = try await later.answer(items(["c", "d", "a"]), as: .document)
            #expect(again.values == EmbeddingServer.vectors(["c", "d", "a"]))
            #expect(laterCounts == EmbeddingCounts(texts: 3, distinct: 3, cached: 2, asked: 1))
            #expect(server.paid.sorted() == ["a", "b", "c", "d"])
            #expect(try await later.cache.count() == 4)
        }
    }

    /// Eight workers want the same texts at once, in different orders.
    @Test(.enabled(if: address != nil, Comment(rawValue: skipMessage)))
    func manyWorkersPayOnce() async throws {
        try await Self.clear()
        try await TemporaryFolder.with { folder in
            let server = try EmbeddingServer()
            defer { server.stop() }
            let texts = (0..<200).map { "text \($0)" }
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for worker in 0..<8 {
                    group.addTask {
                        var random = RandomGenerator(seed: UInt64(worker))
                        let mine = texts.shuffled(using: &random)
                        let box = CachedBlackBox(
                            try server.blackBox(limits: BatchLimits(items: 7)), cache: try Self.cache(folder))
                        return try await box.embed(items(mine), as: .document).values == EmbeddingServer.vectors(mine)
                    }
                }
                for try await isRight in group { #expect(isRight) }
            }
            #expect(server.paid.sorted() == texts.sorted())
        }
    }

    /// The tables are made once. Later workers need the rights to read and write them, and no others.
    @Test(.enabled(if: address != nil, Comment(rawValue: skipMessage)))
    func workersNeedNoRightToMakeTables() async throws {
        try await Self.clear()
        let address = Self.address ?? ""
        let password = ProcessInfo.processInfo.environment["PGPASSWORD"] ?? ""
        #expect(try await SharedCache(address, precision: .float32, patience: 5, logger: nil).count() == 0)
        let administrator = PostgreSQLClient(try PostgreSQLAddress(address), naming: { $0 })
        try await administrator.run { session in
            if try session.texts("SELECT 1 FROM pg_roles WHERE rolname = 'mafin_worker'").isEmpty {
                try session.execute("CREATE ROLE mafin_worker LOGIN PASSWORD '\(password)'")
            }
            try session.execute(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO mafin_worker")
        }
        let worker = try SharedCache(
            address.replacing(/\/\/[^@\/]*@/, with: "//mafin_worker@"), precision: .float32, patience: 5, logger: nil)
        #expect(try await worker.count() == 0)
        let owner = try await worker.enter()
        let keys = [EmbeddingKey(identity: EmbeddingCacheTests.identity, role: .query, text: "a")]
        #expect(try await worker.claim(keys, by: owner) == [])
        try await worker.release(owner)
    }

    /// A claim ends with the connection of its owner, long before its lease.
    @Test(.enabled(if: address != nil, Comment(rawValue: skipMessage)))
    func claimsOfTheDeadAreTakenOver() async throws {
        try await Self.clear()
        let address = Self.address ?? ""
        let keys = (0..<5).map { EmbeddingKey(identity: EmbeddingCacheTests.identity, role: .query, text: "\($0)") }
        var dying: SharedCache? = try SharedCache(address, precision: .float32, patience: 5, logger: nil)
        let first = try #require(try await dying?.enter())
        #expect(try await dying?.claim(keys, by: first) == [])
        let other = try SharedCache(address, precision: .float32, patience: 5, logger: nil)
        let second = try await other.enter()
        #expect(try await other.claim(keys, by: second) == [0, 1, 2, 3, 4])
        dying = nil
        var foreign = [0]
        let giveUp = Date().addingTimeInterval(20)
        while !foreign.isEmpty, Date() < giveUp {
            try await Task.sleep(for: .milliseconds(200))
            foreign = try await other.claim(keys, by: second)
        }
        #expect(foreign.isEmpty)
        try await other.release(second)
        let third = try await other.enter()
        #expect(try await other.claim(keys, by: third) == [])
        try await other.release(third)
    }

    /// Two workers never both see room for the last request of a day.
    @Test(.enabled(if: address != nil, Comment(rawValue: skipMessage)))
    func theLimitOfADayIsShared() async throws {
        try await Self.clear()
        let address = Self.address ?? ""
        let added = try await withThrowingTaskGroup(of: Int.self) { group in
            for worker in 0..<6 {
                group.addTask {
                    let ledger = SharedLedger(
                        try SharedCache(address, precision: .float32, patience: 20, logger: nil))
                    var count = 0
                    for _ in 0..<10 {
                        let isWithin = try await ledger.spend(
                            DailySpending(requests: 1, cost: 0.25), by: "worker \(worker)", for: .vectors, on: 20_000,
                            limit: 5)
                        if isWithin { count += 1 }
                    }
                    return count
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(added == 20)
        let ledger = SharedLedger(try SharedCache(address, precision: .float32, patience: 5, logger: nil))
        #expect(try await ledger.spent(on: 20_000, for: .vectors) == DailySpending(requests: 20, cost: 5))
    }

    /// Workers take turns at the rate of the account.
    @Test(.enabled(if: address != nil, Comment(rawValue: skipMessage)))
    func ratesAreShared() async throws {
        try await Self.clear()
        let address = Self.address ?? ""
        let ledgers = try (0..<2).map { _ in
            SharedLedger(try SharedCache(address, precision: .float32, patience: 5, logger: nil))
        }
        let rates = RateLimits(requestsPerMinute: 60, tokensPerMinute: nil)
        var waits: [Double] = []
        for number in 0..<6 {
            waits.append(
                try await ledgers[number % 2].reserve(
                    RequestCost(requests: 1, tokens: 1), account: "a", rates: rates
                ).inSeconds)
        }
        #expect(waits[0] == 0 && waits == waits.sorted() && waits[5] > 3.5 && waits[5] < 5.5)
        try await ledgers[0].pause(account: "a", for: .seconds(30))
        let paused = try await ledgers[1].reserve(RequestCost(requests: 1, tokens: 1), account: "a", rates: rates)
        #expect(paused.inSeconds > 28)
        try await ledgers[0].remember(ServerLessons(items: 7, tokens: nil, bytes: 9, encoding: nil), account: "a")
        #expect(
            try await ledgers[1].lessons(account: "a") == ServerLessons(items: 7, tokens: nil, bytes: 9, encoding: nil))
    }

    /// A column whose type somebody has altered is named. It must neither end the program nor give other numbers.
    @Test(
        .enabled(if: address != nil, Comment(rawValue: skipMessage)),
        arguments: [
            ("vector", "checksum", "text"), ("source", "dimension", "integer"), ("account", "learned", "numeric"),
        ])
    func alteredTablesAreNamed(_ table: String, _ column: String, _ type: String) async throws {
        try await Self.clear()
        try await TemporaryFolder.with { folder in
            let server = try EmbeddingServer()
            defer { server.stop() }
            let first = CachedBlackBox(try server.blackBox(), cache: try Self.cache(folder))
            _ = try await first.answer(items(["a"]), as: .document)
            let shared = try SharedCache(Self.address ?? "", precision: .float32, patience: 5, logger: nil)
            try await SharedLedger(shared).remember(
                ServerLessons(items: 7, tokens: nil, bytes: nil, encoding: nil), account: "a")
            let client = PostgreSQLClient(try PostgreSQLAddress(Self.address ?? ""), patience: 5, naming: { $0 })
            try await client.run { try $0.execute("ALTER TABLE mafin_\(table) ALTER \(column) TYPE \(type)") }
            let error = await #expect(throws: ProviderError.self) {
                _ = try await SharedLedger(shared).lessons(account: "a")
                _ = try await CachedBlackBox(try server.blackBox(), cache: try Self.cache(folder))
                    .answer(items(["a"]), as: .document)
            }
            #expect("\(String(describing: error))".contains("'\(column)'"))
            #expect("\(String(describing: error))".contains("found \(type)"))
        }
        try await Self.clear()
    }
}
