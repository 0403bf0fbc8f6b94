import Foundation
import GRDB

/// Opens a cache file and creates its tables.
enum CacheTables {
    /// Version of the tables below, kept in the file's `user_version`.
    static let version = 4

    /// Pages of 16 KiB hold a vector of 1,536 numbers, so that a corpus is read in long runs.
    private static let pageSize = 16_384

    /// Opens the readers and the writer of a file. Commits are on disk when they return.
    static func open(_ path: String, busyTimeout: TimeInterval) throws -> DatabasePool {
        var configuration = Configuration()
        configuration.label = "mafin.embeddings"
        configuration.busyMode = .timeout(busyTimeout)
        configuration.prepareDatabase { database in
            // This applies to a new file; the pages of an existing one stay as they are.
            try database.execute(sql: "PRAGMA page_size = \(pageSize)")
            // Not memory-mapped: a million vectors are read faster without, and mapped pages count as the program's memory.
            try database.execute(sql: "PRAGMA mmap_size = 0")
        }
        return try patiently(busyTimeout) {
            let pool = try DatabasePool(path: path, configuration: configuration)
            try pool.writeWithoutTransaction { database in
                // Each commit is on disk before the next request is paid for. GRDB's default survives a kill, but not a power cut.
                try database.execute(sql: "PRAGMA synchronous = FULL")
                try database.inTransaction(.immediate) {
                    try make(database, path: path)
                    return .commit
                }
            }
            return pool
        }
    }

    /// Opens a second connection for data that need not survive a power cut, but survives a kill: rates and claims.
    static func openLedger(_ path: String, busyTimeout: TimeInterval) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = "mafin.ledger"
        configuration.busyMode = .timeout(busyTimeout)
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = NORMAL") }
        return try patiently(busyTimeout) { try DatabaseQueue(path: path, configuration: configuration) }
    }

    /// Retries while the file is busy. SQLite does not wait by itself when it switches on its log or recovers it after a crash.
    private static func patiently<Result>(_ timeout: TimeInterval, _ body: () throws -> Result) throws -> Result {
        let giveUp = Date().addingTimeInterval(timeout)
        while true {
            do {
                return try body()
            } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY && Date() < giveUp {
                Thread.sleep(forTimeInterval: 0.02)
            }
        }
    }

    private static func make(_ database: Database, path: String) throws {
        let found = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        if found == version { return }
        guard found < version else {
            throw ProviderError.cacheUnusable(
                path: path, reason: "it has format \(found), this program reads up to \(version); use a newer one")
        }
        for step in [first, second, third, fourth][found...] { try database.execute(sql: step) }
        try database.execute(sql: "PRAGMA user_version = \(version)")
    }

    /// Sources and their vectors.
    private static let first = """
        CREATE TABLE source (
            id INTEGER PRIMARY KEY, description TEXT NOT NULL UNIQUE, dimension INTEGER NOT NULL);
        CREATE TABLE vector (
            id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, source INTEGER NOT NULL REFERENCES source (id),
            added INTEGER NOT NULL, checksum INTEGER NOT NULL, value BLOB NOT NULL);
        """

    /// Precision of a value; bytes and tokens that a source has counted; rates and claims that processes share; jobs of batch APIs.
    private static let second = """
        ALTER TABLE vector ADD COLUMN precision INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE source ADD COLUMN counted_bytes INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE source ADD COLUMN counted_tokens INTEGER NOT NULL DEFAULT 0;
        CREATE INDEX vector_source ON vector (source, precision, added);
        CREATE TABLE account (
            name TEXT PRIMARY KEY, requests REAL, requests_time REAL, tokens REAL, tokens_time REAL,
            paused_until REAL NOT NULL DEFAULT 0, items INTEGER, batch_tokens INTEGER, bytes INTEGER, encoding INTEGER,
            learned REAL);
        CREATE TABLE owner (id INTEGER PRIMARY KEY, machine TEXT NOT NULL, process INTEGER NOT NULL, expires REAL NOT NULL);
        CREATE TABLE claim (key BLOB PRIMARY KEY, owner INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE job (
            id INTEGER PRIMARY KEY, tag TEXT NOT NULL UNIQUE, source TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
            base TEXT NOT NULL, state TEXT NOT NULL, file TEXT, remote TEXT, made INTEGER NOT NULL, note TEXT);
        CREATE TABLE job_item (
            job INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE, line INTEGER NOT NULL, position INTEGER NOT NULL,
            key BLOB NOT NULL, PRIMARY KEY (job, line, position)) WITHOUT ROWID;
        CREATE INDEX job_item_key ON job_item (key);
        """

    /// The spending of each day (UTC, days since 1970), and which vectors may be removed if there are too many.
    private static let fourth = """
        CREATE TABLE spending (
            day INTEGER NOT NULL, purpose TEXT NOT NULL, account TEXT NOT NULL, requests INTEGER NOT NULL, cost REAL NOT NULL,
            PRIMARY KEY (day, purpose, account)) WITHOUT ROWID;
        ALTER TABLE vector ADD COLUMN evictable INTEGER NOT NULL DEFAULT 0;
        CREATE INDEX vector_evictable ON vector (added, source, precision) WHERE evictable = 1;
        """

    /// Replies of language models.
    private static let third = """
        CREATE TABLE reply (
            key BLOB PRIMARY KEY, model TEXT NOT NULL, added INTEGER NOT NULL, checksum INTEGER NOT NULL, value BLOB NOT NULL);
        """
}
