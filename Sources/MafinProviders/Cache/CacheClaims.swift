import Foundation
import GRDB

/// Claims of one call on the texts that it is about to send. Other calls, in this process or another, wait for its answers instead of paying
/// for their own.
///
/// A claim ends when it is released, when its process has ended (a kill included), or when it has not been renewed for ``lease``.
final class CacheClaims: Sendable {
    /// How many seconds a claim holds without being renewed.
    static let lease = 90.0
    private static let renewal: Duration = .seconds(20)

    private let cache: EmbeddingCache
    private let owner: Int64
    private let renewing: Task<Void, Never>

    /// Registers a call in the file.
    static func enter(_ cache: EmbeddingCache) async throws -> CacheClaims {
        if let shared = cache.shared { return CacheClaims(cache, owner: try await shared.enter()) }
        let owner = try await cache.write(cache.ledgerQueue) { database -> Int64 in
            try removeDead(database)
            try database.execute(
                sql: "INSERT INTO owner (machine, process, expires) VALUES (?, ?, ?)",
                arguments: [Self.machine, getpid(), Date().timeIntervalSince1970 + lease])
            return database.lastInsertedRowID
        }
        return CacheClaims(cache, owner: owner)
    }

    private init(_ cache: EmbeddingCache, owner: Int64) {
        self.cache = cache
        self.owner = owner
        renewing = Task {
            while !Task.isCancelled {
                guard (try? await Task.sleep(for: Self.renewal)) != nil else { return }
                if let shared = cache.shared {
                    try? await shared.renew(owner)
                    continue
                }
                try? await cache.write(cache.ledgerQueue) { database in
                    try database.execute(
                        sql: "UPDATE owner SET expires = ? WHERE id = ?",
                        arguments: [Date().timeIntervalSince1970 + Self.lease, owner])
                }
            }
        }
    }

    deinit { renewing.cancel() }

    /// Delivers everything that is wanted: from the cache, by sending it, or by waiting for another call that has sent it already.
    /// - Parameters:
    ///   - wanted: positions among the keys that were not in the cache a moment ago.
    ///   - deliver: delivers what is in the cache, and returns the rest.
    ///   - ask: sends what nobody else has claimed, stores and delivers the answers.
    ///   - isTolerated: whether the call continues without claims after an error.
    ///   - waiting: called before each wait for other calls.
    static func fetch(
        _ wanted: [Int], of keys: [EmbeddingKey], in cache: EmbeddingCache,
        deliver: ([Int]) async throws -> [Int], ask: ([Int]) async throws -> Void,
        isTolerated: (any Error) -> Bool = { _ in false }, waiting: () -> Void = {}
    ) async throws {
        var missing = wanted
        var pause = Duration.milliseconds(50)
        while !missing.isEmpty {
            var claims: CacheClaims?
            var foreign: Set<Int> = []
            do {
                do {
                    claims = try await enter(cache)
                    foreign = Set(try await claims?.claim(missing.map { keys[$0] }).map { missing[$0] } ?? [])
                } catch let error where isTolerated(error) {}
                // Between the look-up and the claim, another call may have stored the answer and released its claim.
                let own = try await deliver(missing.filter { !foreign.contains($0) })
                if !own.isEmpty { try await ask(own) }
            } catch {
                await claims?.release()
                throw error
            }
            // Released before waiting for other calls, because they may be waiting for these texts.
            await claims?.release()
            missing = try await deliver(foreign.sorted())
            guard !missing.isEmpty else { return }
            if missing.count < foreign.count { pause = .milliseconds(50) }
            waiting()
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .seconds(1))
        }
    }

    /// How many keys are claimed in one transaction.
    private static let window = 20_000

    /// Claims keys. Returns the positions of those that another call holds.
    func claim(_ keys: [EmbeddingKey]) async throws -> [Int] {
        var foreign: [Int] = []
        let owner = owner
        for start in stride(from: 0, to: keys.count, by: Self.window) {
            let range = start..<min(start + Self.window, keys.count)
            let part = Array(keys[range])
            if let shared = cache.shared {
                foreign += try await shared.claim(part, by: owner).map { $0 + start }
                continue
            }
            let taken = try await cache.write(cache.ledgerQueue) { database -> [Int] in
                try Self.removeDead(database)
                let statement = try database.cachedStatement(
                    sql: """
                        INSERT INTO claim (key, owner) VALUES (?, ?)
                        ON CONFLICT (key) DO UPDATE SET owner = excluded.owner
                        WHERE owner = excluded.owner OR NOT EXISTS (SELECT 1 FROM owner WHERE id = claim.owner)
                        """)
                return try part.indices.filter { index in
                    try statement.execute(arguments: [part[index].bytes, owner])
                    return database.changesCount == 0
                }
            }
            foreign += taken.map { $0 + start }
        }
        return foreign
    }

    /// Releases all claims.
    func release() async {
        renewing.cancel()
        let owner = owner
        if let shared = cache.shared {
            try? await shared.release(owner)
            return
        }
        // An error is ignored: claims that cannot be removed end with their lease.
        try? await cache.write(cache.ledgerQueue) { try Self.remove(owner, $0) }
    }

    /// Removes owners whose lease or process has ended, and their claims.
    private static func removeDead(_ database: Database) throws {
        let now = Date().timeIntervalSince1970
        for row in try Row.fetchAll(database, sql: "SELECT id, machine, process, expires FROM owner") {
            let (id, machine, process, expires): (Int64, String, Int32, Double) = (row[0], row[1], row[2], row[3])
            let isGone = machine == Self.machine && kill(process, 0) != 0 && errno == ESRCH
            if expires < now || isGone { try remove(id, database) }
        }
    }

    private static func remove(_ owner: Int64, _ database: Database) throws {
        try database.execute(sql: "DELETE FROM owner WHERE id = ?", arguments: [owner])
        try database.execute(sql: "DELETE FROM claim WHERE owner = ?", arguments: [owner])
    }

    /// The scope in which process ids are unique: the machine, and on Linux the container.
    private static let machine: String = {
        let space = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")) ?? ""
        return ProcessInfo.processInfo.hostName + space
    }()
}
