import Foundation
import GRDB
import Logging
import MafinBlackBox
import MafinNumerics

/// Vectors that have been paid for, in one SQLite file, found again by ``EmbeddingKey``.
///
/// - A batch of answers is one transaction, on disk when ``store(_:keys:source:)`` returns: a kill at any moment, or a full disk, leaves
///   each batch whole or not there at all.
/// - Each vector carries a checksum over key and value; one that does not match is dropped with a warning and asked again, never served.
/// - Several processes may use one file at a time (write-ahead log; writers wait for each other).
public final class EmbeddingCache: Sendable {
    /// Where the file is.
    public let path: String
    private let pool: DatabasePool
    private let logger: Logger?

    /// Version of the tables below, kept in the file's `user_version`.
    private static let formatVersion = 1

    /// Opens a cache, and makes the file and its folder where there is none.
    ///
    /// - Parameters:
    ///   - file: the SQLite file.
    ///   - busyTimeout: how long to wait for other processes that are writing.
    ///   - logger: told of damaged vectors.
    /// - Throws: ``ProviderError/cacheUnusable(path:reason:)``, ``ProviderError/cacheFull(path:)``
    public init(file: URL = EmbeddingCache.defaultFile(), busyTimeout: TimeInterval = 60, logger: Logger? = nil) throws
    {
        path = file.path
        self.logger = logger
        do {
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        } catch {
            throw ProviderError.cacheUnusable(path: file.path, reason: "its folder cannot be made")
        }
        pool = try Self.naming(file.path) { try Self.open(file.path, busyTimeout: busyTimeout) }
    }

    /// `embeddings.sqlite` in the folder `MAFIN_CACHE`, else `XDG_CACHE_HOME/mafin`, else `~/.cache/mafin`
    /// (`~/Library/Caches/mafin` on a Mac).
    public static func defaultFile(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> URL {
        let folder: URL
        if let named = environment["MAFIN_CACHE"], !named.isEmpty {
            folder = URL(fileURLWithPath: named)
        } else if let caches = environment["XDG_CACHE_HOME"], !caches.isEmpty {
            folder = URL(fileURLWithPath: caches).appendingPathComponent("mafin")
        } else {
            let home =
                environment["HOME"].map { URL(fileURLWithPath: $0) } ?? FileManager.default.homeDirectoryForCurrentUser
            #if os(macOS)
                folder = home.appendingPathComponent("Library/Caches/mafin")
            #else
                folder = home.appendingPathComponent(".cache/mafin")
            #endif
        }
        return folder.appendingPathComponent("embeddings.sqlite")
    }

    // MARK: - Reading

    /// How many vectors there are.
    public func count() async throws -> Int {
        try await naming { [pool] in
            try await pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM vector") ?? 0 }
        }
    }

    /// Hands over the vectors that are there, and returns the positions of the keys for which there is none.
    ///
    /// - Parameters:
    ///   - keys: what is wanted, each of one source.
    ///   - found: called with the position of a key and its vector, which is valid only during the call.
    /// - Complexity: O(keys · log(size)); nothing but one vector at a time is held.
    func vectors(
        for keys: [EmbeddingKey], found: @escaping @Sendable (Int, UnsafeBufferPointer<Float>) throws -> Void
    ) async throws -> [Int] {
        let (missing, damaged) = try await naming { [pool] in
            try await pool.read { database in
                var (missing, damaged): ([Int], [EmbeddingKey]) = ([], [])
                let statement = try database.cachedStatement(sql: "SELECT checksum, value FROM vector WHERE key = ?")
                for (position, key) in keys.enumerated() {
                    guard let row = try Row.fetchOne(statement, arguments: [key.bytes]) else {
                        missing.append(position)
                        continue
                    }
                    let (checksum, value): (Int64, Data) = (row[0], row[1])
                    guard checksum == StoredVector.checksum(key: key, value: value), value.count % 4 == 0,
                        !value.isEmpty
                    else {
                        missing.append(position)
                        damaged.append(key)
                        continue
                    }
                    try StoredVector.withFloats(value) { try found(position, $0) }
                }
                return (missing, damaged)
            }
        }
        if !damaged.isEmpty {
            logger?.warning(
                "damaged vectors in the cache are dropped and asked again",
                metadata: ["cache": "\(path)", "vectors": "\(damaged.count)"])
            try await remove(damaged)
        }
        return missing
    }

    /// Numbers in a vector of a source, or nil where there is none of it yet.
    func dimension(of source: EmbeddingKey.Source) async throws -> Int? {
        try await naming { [pool] in
            try await pool.read {
                try Int.fetchOne(
                    $0, sql: "SELECT dimension FROM source WHERE description = ?", arguments: [source.description])
            }
        }
    }

    // MARK: - Writing

    /// Writes a batch of answers in one transaction; it is on disk when this returns. What is there already stays as it is.
    ///
    /// - Parameters:
    ///   - rows: the vectors.
    ///   - keys: the key of each row.
    ///   - source: what all of them come from; its vectors have one dimension.
    /// - Throws: ``ProviderError/cacheFull(path:)`` (nothing of the batch is stored), ``ProviderError/cacheUnusable(path:reason:)``
    func store(_ rows: AnsweredRows, keys: [EmbeddingKey], source: EmbeddingKey.Source) async throws {
        precondition(keys.count == rows.vectors.rows, "\(keys.count) keys for \(rows.vectors.rows) vectors")
        let path = path
        try await write { database in
            try database.execute(
                sql: "INSERT INTO source (description, dimension) VALUES (?, ?) ON CONFLICT DO NOTHING",
                arguments: [source.description, rows.vectors.columns])
            let known = try Row.fetchOne(
                database, sql: "SELECT id, dimension FROM source WHERE description = ?", arguments: [source.description]
            )
            guard let known else {
                throw ProviderError.cacheUnusable(path: path, reason: "a row vanished while it was written")
            }
            let (id, dimension): (Int64, Int) = (known[0], known[1])
            guard dimension == rows.vectors.columns else {
                throw ProviderError.cacheUnusable(
                    path: path, reason: "\(rows.vectors.columns) numbers in a vector where \(dimension) are stored")
            }
            let statement = try database.cachedStatement(
                sql:
                    "INSERT INTO vector (key, source, added, checksum, value) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
            )
            let now = Int64(Date().timeIntervalSince1970)
            for (row, key) in keys.enumerated() {
                let value = StoredVector.bytes(of: rows.vectors.row(row))
                try statement.execute(
                    arguments: [key.bytes, id, now, StoredVector.checksum(key: key, value: value), value])
            }
        }
    }

    private func remove(_ keys: [EmbeddingKey]) async throws {
        try await write { database in
            let statement = try database.cachedStatement(sql: "DELETE FROM vector WHERE key = ?")
            for key in keys { try statement.execute(arguments: [key.bytes]) }
        }
    }

    /// One transaction. It takes the write lock at its start, so that it never has to give up half-way for another process; and it runs
    /// to its end even if the task that waits for it is cancelled, for what it writes is paid.
    private func write(_ body: @escaping @Sendable (Database) throws -> Void) async throws {
        try await naming { [pool] in
            try await Task {
                try await pool.writeWithoutTransaction { database in
                    try database.inTransaction(.immediate) {
                        try body(database)
                        return .commit
                    }
                }
            }.value
        }
    }

    /// For tests: no more than so many pages, as on a disk without room.
    func limitPages(_ count: Int) throws {
        try pool.writeWithoutTransaction { _ = try Int.fetchOne($0, sql: "PRAGMA max_page_count = \(count)") }
    }

    // MARK: - Opening

    private static func open(_ path: String, busyTimeout: TimeInterval) throws -> DatabasePool {
        var configuration = Configuration()
        configuration.label = "mafin.embeddings"
        configuration.busyMode = .timeout(busyTimeout)
        let giveUp = Date().addingTimeInterval(busyTimeout)
        while true {
            do {
                let pool = try DatabasePool(path: path, configuration: configuration)
                try pool.writeWithoutTransaction { database in
                    // Each commit is on disk before the next request is paid for; GRDB's default would survive a kill, not a power cut.
                    try database.execute(sql: "PRAGMA synchronous = FULL")
                    try database.inTransaction(.immediate) {
                        try makeTables(database, path: path)
                        return .commit
                    }
                }
                return pool
            } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY && Date() < giveUp {
                // Turning the log on and recovering it after a crash need the file for a moment and do not wait for it themselves.
                Thread.sleep(forTimeInterval: 0.02)
            }
        }
    }

    private static func makeTables(_ database: Database, path: String) throws {
        let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        if version == formatVersion { return }
        guard version == 0 else {
            throw ProviderError.cacheUnusable(
                path: path,
                reason: "it has format \(version), this program knows \(formatVersion); use the newer program")
        }
        try database.execute(
            sql: """
                CREATE TABLE source (
                    id INTEGER PRIMARY KEY, description TEXT NOT NULL UNIQUE, dimension INTEGER NOT NULL);
                CREATE TABLE vector (
                    id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, source INTEGER NOT NULL REFERENCES source (id),
                    added INTEGER NOT NULL, checksum INTEGER NOT NULL, value BLOB NOT NULL);
                PRAGMA user_version = \(formatVersion);
                """)
    }

    private func naming<Result>(_ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch let error as DatabaseError {
            throw Self.named(error, path)
        }
    }

    private static func naming<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as DatabaseError {
            throw named(error, path)
        }
    }

    private static func named(_ error: DatabaseError, _ path: String) -> ProviderError {
        switch error.resultCode {
        case .SQLITE_FULL: .cacheFull(path: path)
        case .SQLITE_NOTADB, .SQLITE_CORRUPT:
            .cacheUnusable(path: path, reason: "it is damaged or no cache; move it away to start a new one")
        case .SQLITE_BUSY: .cacheUnusable(path: path, reason: "another process kept it locked for too long")
        case .SQLITE_CANTOPEN: .cacheUnusable(path: path, reason: "it cannot be opened")
        case .SQLITE_READONLY: .cacheUnusable(path: path, reason: "it may not be written to")
        default: .cacheUnusable(path: path, reason: error.message ?? "\(error.resultCode)")
        }
    }
}
