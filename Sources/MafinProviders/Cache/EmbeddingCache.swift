import Foundation
import GRDB
import Logging
import MafinBlackBox
import MafinNumerics
import MafinPipeline

/// A cache of paid vectors and replies in one SQLite file. Vectors are found by ``EmbeddingKey``.
///
/// - A batch of answers is one transaction. After a kill, or if the disk is full, it is stored completely or not at all.
/// - Each vector has a checksum over key and value. If it does not match, the vector is removed with a warning, and its text is sent again.
/// - Workers on several hosts may share vectors, rates and spending in PostgreSQL. Replies and jobs of batch APIs stay in the file.
/// - Several processes may use one file at a time (write-ahead log; writers wait for each other). If one has sent a text, the others wait for
///   its answer. They share the account's rates.
public final class EmbeddingCache: Sendable {
    /// The path of the file.
    public let path: String
    /// The precision of new vectors.
    public let precision: VectorPrecision
    let pool: DatabasePool
    let ledgerQueue: DatabaseQueue
    let logger: Logger?
    /// Entries of the ledger that are in memory because the disk is full.
    let unwritten = LocalLedger()
    let losses = CacheLosses()
    /// Where vectors, claims, rates and spending are if hosts share them; nil: in the file.
    let shared: SharedCache?

    /// Opens a cache. The file and its folder are created if needed. A new file can be read by its owner only, because texts can be guessed from
    /// vectors, and it holds replies of language models. Complexity: O(1) in the size of the file.
    /// - Parameters:
    ///   - file: the SQLite file.
    ///   - precision: the precision of new vectors. Those in the file stay as they are.
    ///   - busyTimeout: how many seconds to wait for other processes that are writing.
    ///   - address: `postgresql://…`: vectors, claims, rates and spending are there, and not in the file. The server is connected to
    ///     when it is first needed.
    ///   - logger: told of damaged vectors.
    /// - Throws: ``ProviderError/cacheUnusable(path:reason:)``, ``ProviderError/cacheFull(path:)``
    public init(
        file: URL = EmbeddingCache.defaultFile(), precision: VectorPrecision = .float32,
        busyTimeout: TimeInterval = 60, shared address: String? = nil, logger: Logger? = nil
    ) throws {
        shared = try address.map {
            try SharedCache($0, precision: precision, patience: busyTimeout, logger: logger)
        }
        path = shared?.path ?? file.path
        self.precision = precision
        self.logger = logger
        do {
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        } catch {
            throw ProviderError.cacheUnusable(path: file.path, reason: "its folder cannot be created")
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

    /// For tests: limits the file to a number of pages, as on a full disk.
    func limitPages(_ count: Int) throws {
        try pool.writeWithoutTransaction { _ = try Int.fetchOne($0, sql: "PRAGMA max_page_count = \(count)") }
    }

    /// For tests: commits do not wait for the disk.
    func trustDisk() throws {
        try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = OFF") }
    }

    // MARK: - Transactions

    /// Reads from one consistent state of the file.
    /// - Parameter connection: nil: one of ``pool``.
    func read<Result: Sendable>(
        _ connection: (any DatabaseReader)? = nil, _ body: @escaping @Sendable (Database) throws -> Result
    ) async throws -> Result { try await naming { try await (connection ?? pool).read(body) } }

    /// Runs one transaction. It takes the write lock at its start, so it never fails half-way because of another process. It runs to its end even
    /// if the waiting task is cancelled, because what it writes is paid.
    /// - Parameter connection: nil: the writer of ``pool``, whose commits survive a power cut.
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
            .cacheUnusable(path: path, reason: "it is damaged or not a cache; move it away to start a new one")
        case .SQLITE_BUSY: .cacheUnusable(path: path, reason: "another process kept it locked for too long")
        case .SQLITE_CANTOPEN: .cacheUnusable(path: path, reason: "it cannot be opened")
        case .SQLITE_READONLY: .cacheUnusable(path: path, reason: "it cannot be written: it is read-only")
        default: .cacheUnusable(path: path, reason: error.message ?? "\(error.resultCode)")
        }
    }
}
