import Foundation
import GRDB
import Logging
import MafinBlackBox
import MafinNumerics
import MafinPipeline

/// Vectors that have been paid for, in one SQLite file, found again by ``EmbeddingKey``.
///
/// - A batch of answers is one transaction, and on disk when it is stored: after a kill or on a full disk it is there as a whole or not at all.
/// - Each vector carries a checksum over key and value; one that does not match is removed with a warning and asked again.
/// - Several processes may use one file at a time (write-ahead log; writers wait for each other). A text that one is asking the others
///   wait for, and they keep to an account's rates together.
public final class EmbeddingCache: Sendable {
    /// Where the file is.
    public let path: String
    /// How exactly vectors are kept that are stored from now on.
    public let precision: VectorPrecision
    let pool: DatabasePool
    let ledgerQueue: DatabaseQueue
    let logger: Logger?
    /// What the ledger holds in memory because the disk had no room for it.
    let unwritten = LocalLedger()
    let losses = CacheLosses()

    /// Opens a cache, and makes the file and its folder where there is none. A new file can be read by its owner only: texts can be guessed from
    /// vectors, and replies of language models stand in it. Complexity: O(1), however large the file.
    /// - Parameters:
    ///   - file: the SQLite file.
    ///   - precision: how exactly vectors are kept that are stored from now on; those in the file stay as they are.
    ///   - busyTimeout: how long to wait for other processes that are writing.
    ///   - logger: told of damaged vectors.
    /// - Throws: ``ProviderError/cacheUnusable(path:reason:)``, ``ProviderError/cacheFull(path:)``
    public init(
        file: URL = EmbeddingCache.defaultFile(), precision: VectorPrecision = .float32,
        busyTimeout: TimeInterval = 60, logger: Logger? = nil
    ) throws {
        path = file.path
        self.precision = precision
        self.logger = logger
        do {
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        } catch {
            throw ProviderError.cacheUnusable(path: file.path, reason: "its folder cannot be made")
        }
        // SQLite gives its log the permissions of the file.
        let descriptor = open(file.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        if descriptor >= 0 { close(descriptor) }
        do {
            pool = try CacheTables.open(file.path, busyTimeout: busyTimeout)
            ledgerQueue = try CacheTables.openLedger(file.path, busyTimeout: busyTimeout)
        } catch let error as DatabaseError {
            throw Self.named(error, file.path)
        }
    }

    /// `embeddings.sqlite` in the folder `MAFIN_CACHE`, else `XDG_CACHE_HOME/mafin`, else `~/.cache/mafin`
    /// (`~/Library/Caches/mafin` on a Mac).
    public static func defaultFile(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> URL {
        UserFolder.caches(environment).appendingPathComponent("embeddings.sqlite")
    }

    /// For tests: no more than so many pages, as on a disk without room.
    func limitPages(_ count: Int) throws {
        try pool.writeWithoutTransaction { _ = try Int.fetchOne($0, sql: "PRAGMA max_page_count = \(count)") }
    }

    /// For tests: commits that need not survive a power cut.
    func trustDisk() throws {
        try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = OFF") }
    }

    // MARK: - Transactions

    /// Reads from what is there at one moment.
    /// - Parameter connection: nil: one of ``pool``.
    func read<Result: Sendable>(
        _ connection: (any DatabaseReader)? = nil, _ body: @escaping @Sendable (Database) throws -> Result
    ) async throws -> Result { try await naming { try await (connection ?? pool).read(body) } }

    /// One transaction. It takes the write lock at its start, so that it never fails half-way because of another process. It runs to its end even
    /// if the task that waits for it is cancelled, because what it writes is paid.
    /// - Parameter connection: nil: that of ``pool``, whose commits survive a power cut.
    func write<Result: Sendable>(
        _ connection: (any DatabaseWriter)? = nil, _ body: @escaping @Sendable (Database) throws -> Result
    ) async throws -> Result {
        try await naming { [pool] in try await Task { try await (connection ?? pool).write(body) }.value }
    }

    func naming<Result>(_ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch let error as DatabaseError {
            throw Self.named(error, path)
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
