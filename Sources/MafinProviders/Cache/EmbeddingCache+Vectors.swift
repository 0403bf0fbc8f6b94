import Foundation
import GRDB
import Logging
import MafinBlackBox
import MafinNumerics

extension EmbeddingCache {
    /// The number of vectors.
    public func count() async throws -> Int {
        if let shared { return try await shared.count() }
        return try await read { try Int.fetchOne($0, sql: "SELECT count(*) FROM vector") ?? 0 }
    }

    // MARK: - Reading

    /// How many keys are looked up at a time, to bound memory while a corpus is read.
    static let readingWindow = 1024
    /// Windows that are read at a time.
    private static let windowsAtOnce = 3

    /// Hands over the cached vectors of many keys, window by window.
    /// - Parameters:
    ///   - wanted: positions of the wanted keys. Rows are handed over with these positions.
    /// - Returns: positions of the keys without a vector, ascending.
    func deliver(
        _ wanted: [Int], of keys: [EmbeddingKey], source: EmbeddingKey.Source,
        _ receive: (AnsweredRows) async throws -> Void
    ) async throws -> [Int] {
        var starts = stride(from: 0, to: wanted.count, by: Self.readingWindow).makeIterator()
        var missing: [Int] = []
        // Look-up, checking and copying take as long as reading, so several windows at a time keep the disk busy.
        try await withThrowingTaskGroup(of: (window: [Int], found: AnsweredRows, absent: [Int]).self) { group in
            func read() {
                guard let start = starts.next() else { return }
                let window = Array(wanted[start..<min(start + Self.readingWindow, wanted.count)])
                group.addTask {
                    let (found, absent) = try await self.vectors(for: window.map { keys[$0] }, of: source)
                    return (window, found, absent)
                }
            }
            for _ in 0..<Self.windowsAtOnce { read() }
            while let (window, found, absent) = try await group.next() {
                try Task.checkCancellation()
                read()
                missing += absent.map { window[$0] }
                guard !found.indices.isEmpty else { continue }
                try await receive(AnsweredRows(indices: found.indices.map { window[$0] }, vectors: found.vectors))
            }
        }
        return missing.sorted()
    }

    /// The cached vectors of some keys of one source.
    /// - Parameter keys: at most ``readingWindow``, to bound memory.
    /// - Returns: the vectors with the positions of their keys, and the positions of keys without a vector.
    /// - Complexity: O(keys · log(size)). Rows are read in the order of the file, neighbours in one query.
    func vectors(
        for keys: some RandomAccessCollection<EmbeddingKey> & Sendable, of source: EmbeddingKey.Source
    ) async throws -> (found: AnsweredRows, missing: [Int]) {
        if let shared { return try await shared.vectors(for: Array(keys), of: source) }
        guard !keys.isEmpty, let dimension = try await dimension(of: source) else {
            return (.none, Array(0..<keys.count))
        }
        let keys = Array(keys)
        let read = try await self.read { try VectorReading(keys: keys, dimension: dimension).run($0) }
        if !read.damaged.isEmpty {
            logger?.warning(
                "damaged vectors in the cache are removed, and their texts are sent again",
                metadata: ["cache": "\(path)", "vectors": "\(read.damaged.count)"])
            try await remove(read.damaged)
        }
        let found = AnsweredRows(
            indices: read.positions,
            vectors: Matrix(rows: read.positions.count, columns: dimension, values: read.values))
        return (found, read.missing)
    }

    /// Positions of the keys without a vector. Values are not read.
    func absent(_ keys: [EmbeddingKey]) async throws -> [Int] {
        if let shared { return try await shared.absent(keys) }
        return try await read { database in
            let statement = try database.cachedStatement(sql: "SELECT 1 FROM vector WHERE key = ?")
            return try keys.indices.filter { try Int.fetchOne(statement, arguments: [keys[$0].bytes]) == nil }
        }
    }

    /// Numbers in a vector of a source, or nil if it has no vectors yet.
    func dimension(of source: EmbeddingKey.Source) async throws -> Int? {
        if let shared { return try await shared.dimension(of: source) }
        return try await read {
            try Int.fetchOne(
                $0, sql: "SELECT dimension FROM source WHERE description = ?", arguments: [source.description])
        }
    }

    /// UTF-8 bytes of a source's answered texts, and the tokens that the provider has counted for them; (0, 0) if it has counted none.
    func counted(by source: EmbeddingKey.Source) async throws -> (bytes: Int, tokens: Int) {
        if let shared { return try await shared.counted(by: source) }
        return try await read { database in
            let row = try Row.fetchOne(
                database, sql: "SELECT counted_bytes, counted_tokens FROM source WHERE description = ?",
                arguments: [source.description])
            return row.map { (bytes: $0[0], tokens: $0[1]) } ?? (0, 0)
        }
    }

    // MARK: - Writing

    /// Writes a batch of answers in one transaction, which is on disk when this returns. Existing vectors stay as they are.
    /// - Parameters:
    ///   - rows: the vectors.
    ///   - keys: the key of each row.
    ///   - source: the source of all rows. Its vectors have one dimension.
    ///   - isEvictable: whether ``evict(toBytes:)`` may remove them.
    /// - Throws: ``ProviderError/cacheFull(path:)`` (nothing of the batch is stored), ``ProviderError/cacheUnusable(path:reason:)``
    func store(
        _ rows: AnsweredRows, keys: [EmbeddingKey], source: EmbeddingKey.Source, isEvictable: Bool = false
    ) async throws {
        precondition(keys.count == rows.vectors.rows, "\(keys.count) keys for \(rows.vectors.rows) vectors")
        if let shared { return try await shared.store(rows, keys: keys, source: source) }
        let (path, precision) = (path, precision)
        try await write { database in
            let dimension = rows.vectors.columns
            try database.execute(
                sql: "INSERT INTO source (description, dimension) VALUES (?, ?) ON CONFLICT DO NOTHING",
                arguments: [source.description, dimension])
            let known = try Row.fetchOne(
                database, sql: "SELECT id, dimension FROM source WHERE description = ?",
                arguments: [source.description])
            guard let (id, stored): (Int64, Int) = known.map({ ($0[0], $0[1]) }) else {
                throw ProviderError.cacheUnusable(path: path, reason: "a row vanished while it was written")
            }
            guard stored == dimension else {
                throw ProviderError.cacheUnusable(
                    path: path, reason: "a vector has \(dimension) numbers, but the stored ones have \(stored)")
            }
            let statement = try database.cachedStatement(
                sql: """
                    INSERT INTO vector (key, source, added, checksum, value, precision, evictable)
                    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
                    """)
            let now = Int64(Date().timeIntervalSince1970)
            for (row, key) in keys.enumerated() {
                let (value, precision) = StoredVector.value(of: rows.vectors.row(row), as: precision)
                try statement.execute(
                    arguments: [
                        key.bytes, id, now, StoredVector.checksum(key: key.bytes, value: value), value, precision.code,
                        isEvictable,
                    ])
            }
        }
    }

    /// Adds to the bytes and tokens that a source has counted.
    func note(bytes: Int, tokens: Int, source: EmbeddingKey.Source) async throws {
        guard tokens > 0 else { return }
        if let shared { return try await shared.note(bytes: bytes, tokens: tokens, source: source) }
        try await write { database in
            try database.execute(
                sql: """
                    UPDATE source SET counted_bytes = counted_bytes + ?, counted_tokens = counted_tokens + ?
                    WHERE description = ?
                    """,
                arguments: [bytes, tokens, source.description])
        }
    }

    func remove(_ keys: [EmbeddingKey]) async throws {
        if let shared { return try await shared.remove(keys) }
        try await write { database in
            let statement = try database.cachedStatement(sql: "DELETE FROM vector WHERE key = ?")
            for key in keys { try statement.execute(arguments: [key.bytes]) }
        }
    }
}

/// One look-up of many keys.
private struct VectorReading {
    struct Result: Sendable {
        var positions: [Int] = []
        var values: [Float] = []
        var missing: [Int] = []
        var damaged: [EmbeddingKey] = []
    }

    let keys: [EmbeddingKey]
    let dimension: Int

    /// Rows that are at most this far apart are read in one query; the rows between them are skipped.
    private static let largestGap: Int64 = 8

    func run(_ database: Database) throws -> Result {
        var result = Result()
        var rows: [(id: Int64, position: Int)] = []
        let finding = try database.cachedStatement(sql: "SELECT id FROM vector WHERE key = ?")
        for (position, key) in keys.enumerated() {
            if let id = try Int64.fetchOne(finding, arguments: [key.bytes]) {
                rows.append((id, position))
            } else {
                result.missing.append(position)
            }
        }
        rows.sort { $0.id < $1.id }
        result.values.reserveCapacity(rows.count * dimension)
        let reading = try database.cachedStatement(
            sql: "SELECT id, checksum, precision, value FROM vector WHERE id BETWEEN ? AND ? ORDER BY id")
        var start = 0
        while start < rows.count {
            var end = start + 1
            while end < rows.count, rows[end].id - rows[end - 1].id <= Self.largestGap { end += 1 }
            let cursor = try Row.fetchCursor(reading, arguments: [rows[start].id, rows[end - 1].id])
            var next = start
            while let row = try cursor.next() {
                let id: Int64 = row[0]
                while next < end, rows[next].id < id {  // another process has removed it in the meantime
                    result.missing.append(rows[next].position)
                    next += 1
                }
                guard next < end, id == rows[next].id else { continue }
                try take(row, position: rows[next].position, &result)
                next += 1
            }
            result.missing += rows[next..<end].map(\.position)
            start = end
        }
        result.missing.sort()
        return result
    }

    private func take(_ row: Row, position: Int, _ result: inout Result) throws {
        let key = keys[position]
        let fault = try row.withUnsafeData(atIndex: 3) {
            StoredVector.fault(
                in: $0, key: key.bytes, checksum: row[1], code: row[2], dimension: dimension, to: &result.values)
        }
        if fault == nil {
            result.positions.append(position)
        } else {
            result.missing.append(position)
            result.damaged.append(key)
        }
    }
}
