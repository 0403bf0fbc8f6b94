import GRDB
import Logging
import MafinNumerics
import Synchronization

/// How a ``CachedBlackBox`` keeps what it has asked for.
public struct CachePolicy: Sendable, Hashable {
    /// Whether vectors are delivered though they cannot be stored, with one message in the log and a count (``EmbeddingCache/writeFailures``). Otherwise the call
    /// delivers what was paid and then ends with the error.
    public var deliversWhatCannotBeStored: Bool
    /// Bytes that vectors of queries may take which are asked from now on. Beyond them the oldest are removed, and would have to be asked
    /// again. nil: all are kept. Vectors of documents are always kept.
    public var maximumQueryBytes: Int?

    /// Everything is kept, and a disk without room ends the call: for work that is to be taken up again.
    public init(deliversWhatCannotBeStored: Bool = false, maximumQueryBytes: Int? = nil) {
        self.deliversWhatCannotBeStored = deliversWhatCannotBeStored
        self.maximumQueryBytes = maximumQueryBytes
    }
}

/// What a cache could not keep, or has given up.
final class CacheLosses: Sendable {
    let writeFailures = Atomic(0)
    let isFailing = Atomic(false)
    let evicted = Atomic(0)
    /// Bytes of the vectors that may be removed; nil: not counted yet.
    let evictableBytes = Mutex<Int?>(nil)
}

extension EmbeddingCache {
    /// Writes that have failed in this process while answers were delivered all the same.
    public var writeFailures: Int { losses.writeFailures.load(ordering: .relaxed) }

    /// Whether the last batch of answers could be stored.
    public var isWritable: Bool { !losses.isFailing.load(ordering: .relaxed) }

    /// Vectors of queries that this process has removed for want of room under ``CachePolicy/maximumQueryBytes``.
    public var evictedVectors: Int { losses.evicted.load(ordering: .relaxed) }

    /// Notes that something could not be written, and says so the first time.
    func noteWriteFailure(_ error: any Error) {
        losses.isFailing.store(true, ordering: .relaxed)
        guard losses.writeFailures.add(1, ordering: .relaxed).oldValue == 0 else { return }
        logger?.error(
            "the cache cannot be written; answers are delivered all the same and will have to be paid again",
            metadata: ["cache": "\(path)", "reason": "\(error)"])
    }

    /// Row, key and index entries of a vector, besides its numbers.
    private static let overhead = 100

    /// Vectors that may be removed, and their bytes. Complexity: O(those), over an index.
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

    /// Makes room after so many vectors were stored, once those that may be removed take more than a limit: the oldest tenth goes.
    func evict(toBytes limit: Int, afterStoring vectors: Int, of dimension: Int) async throws {
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
