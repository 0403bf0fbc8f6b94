import GRDB
import Logging
import MafinNumerics
import Synchronization

/// How a ``CachedBlackBox`` stores the answers.
public struct CachePolicy: Sendable, Hashable {
    /// Whether a call continues if vectors cannot be stored, with one message in the log and a count (``EmbeddingCache/writeFailures``).
    /// Otherwise it delivers what was paid and then throws the error.
    public var deliversWhatCannotBeStored: Bool
    /// Maximum bytes of the vectors of queries that are stored from now on. Above it the oldest are removed. nil: all are kept. Vectors of
    /// documents are always kept.
    public var maximumQueryBytes: Int?

    /// By default everything is kept, and a full disk ends the call. This suits work that can be resumed.
    public init(deliversWhatCannotBeStored: Bool = false, maximumQueryBytes: Int? = nil) {
        self.deliversWhatCannotBeStored = deliversWhatCannotBeStored
        self.maximumQueryBytes = maximumQueryBytes
    }
}

/// Counts of what a cache could not store, and of what it has removed.
final class CacheLosses: Sendable {
    let writeFailures = Atomic(0)
    let isFailing = Atomic(false)
    let evicted = Atomic(0)
    /// Bytes of the vectors that may be removed; nil: not counted yet.
    let evictableBytes = Mutex<Int?>(nil)
}

extension EmbeddingCache {
    /// Writes of this process that have failed although the answers were delivered.
    public var writeFailures: Int { losses.writeFailures.load(ordering: .relaxed) }

    /// Whether the last batch of answers could be stored.
    public var isWritable: Bool { !losses.isFailing.load(ordering: .relaxed) }

    /// Vectors of queries that this process has removed to stay below ``CachePolicy/maximumQueryBytes``.
    public var evictedVectors: Int { losses.evicted.load(ordering: .relaxed) }

    /// Counts a failed write, and logs the first.
    func noteWriteFailure(_ error: any Error) {
        losses.isFailing.store(true, ordering: .relaxed)
        guard losses.writeFailures.add(1, ordering: .relaxed).oldValue == 0 else { return }
        logger?.error(
            "the cache cannot be written; answers are delivered but will have to be paid again",
            metadata: ["cache": "\(path)", "reason": "\(error)"])
    }

    /// Bytes of a vector's row, key and index entries, besides its numbers.
    private static let overhead = 100

    /// The number of vectors that may be removed, and their bytes. Complexity: O(their number), over an index.
    func evictable() async throws -> (vectors: Int, bytes: Int) {
        try await read { database in
            let row = try Row.fetchOne(
                database,
                sql: """
                    SELECT count(*), total(dimension * (CASE precision WHEN ? THEN 2 ELSE 4 END) + ?)
                    FROM vector JOIN source ON source.id = vector.source WHERE evictable = 1
                    """, arguments: [VectorPrecision.float16.code, Self.overhead])
            guard let row else { return (0, 0) }
            let (vectors, bytes): (Int, Double) = (row[0], row[1])
            return (vectors, Int(bytes))
        }
    }

    /// To be called after vectors were stored. If the removable vectors take more bytes than the limit, the oldest are removed until they take
    /// nine tenths of it.
    ///
    /// What several hosts share is not one service's to remove: there nothing is removed.
    func evict(toBytes limit: Int, afterStoring vectors: Int, of dimension: Int) async throws {
        if shared != nil { return }
        let added = vectors * (dimension * precision.width + Self.overhead)
        let known = losses.evictableBytes.withLock { bytes in
            bytes = bytes.map { $0 + added }
            return bytes
        }
        if let known, known <= limit { return }
        let (count, bytes) = try await evictable()
        losses.evictableBytes.withLock { $0 = bytes }
        guard bytes > limit, count > 0 else { return }
        let excess = Double(bytes) - 0.9 * Double(limit)
        let removed = min(count, Int((excess * Double(count) / Double(bytes)).rounded(.up)))
        try await write { database in
            try database.execute(
                sql: """
                    DELETE FROM vector WHERE id IN
                        (SELECT id FROM vector WHERE evictable = 1 ORDER BY added, id LIMIT ?)
                    """, arguments: [removed])
        }
        losses.evicted.add(removed, ordering: .relaxed)
        losses.evictableBytes.withLock { $0 = nil }
    }
}
