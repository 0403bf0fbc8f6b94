import Foundation
import GRDB
import MafinBlackBox

/// The contents of a cache file, in figures.
public struct CacheStatistics: Sendable, Codable {
    /// The path of the file.
    public var path: String
    /// Size of the file and its log.
    public var bytes: Int
    /// The number of all vectors.
    public var vectors: Int
    /// The sources of the vectors, the oldest first.
    public var sources: [Source]
    /// Jobs of batch APIs whose answers have not been collected yet.
    public var pendingJobs: Int
    /// The number of replies of language models.
    public var replies: Int
    /// Today's spending on vectors (UTC).
    public var spentOnVectorsToday: DailySpending
    /// Today's spending on replies of language models (UTC).
    public var spentOnRepliesToday: DailySpending

    /// The figures of a file that does not exist.
    package static func empty(path: String) -> CacheStatistics {
        CacheStatistics(
            path: path, bytes: 0, vectors: 0, sources: [], pendingJobs: 0, replies: 0,
            spentOnVectorsToday: DailySpending(), spentOnRepliesToday: DailySpending())
    }

    /// The vectors of one model, requested with the same settings.
    public struct Source: Sendable, Codable {
        /// Its number in the file, for `gc` and `export`.
        public var id: Int64
        /// Its description: provider, model, endpoint, dimension, input type, prefix, normalisation …, as far as given.
        public var fields: [String: String]
        /// The number of its vectors.
        public var vectors: Int
        /// The number of those that are stored as 16-bit floats.
        public var float16: Int
        /// Numbers in a vector.
        public var dimension: Int
        /// Bytes of the vectors themselves.
        public var bytes: Int
        /// When the first was stored.
        public var first: Date?
        /// When the latest was stored.
        public var last: Date?
        /// UTF-8 bytes of the texts whose tokens the provider has counted.
        public var countedBytes: Int
        /// The tokens of these texts, as counted by the provider.
        public var countedTokens: Int
    }
}

/// The result of checking a cache file.
public struct CacheVerification: Sendable, Codable {
    /// The number of vectors that were checked.
    public var checked: Int
    /// The number of those that are incomplete, changed, zero or not finite.
    public var damaged: Int
    /// The first of these, each with its number and the reason.
    public var examples: [String]
    /// SQLite's complaints about the file itself.
    public var file: [String]
    /// Whether damaged vectors were removed.
    public var isRepaired: Bool

    /// Whether no fault was found.
    public var isSound: Bool { damaged == 0 && file.isEmpty }
}

/// What to remove from a cache.
public struct CacheCleaning: Sendable {
    /// Sources by their number in the file.
    public var sources: [Int64]
    /// Removes only vectors stored before this time.
    public var before: Date?
    /// Whether to count only and remove nothing.
    public var isTrial: Bool
    /// Whether the file is made smaller. This needs as much free disk space as the remaining contents take.
    public var compacts: Bool

    /// What to remove. Remains of ended processes and finished jobs are removed in any case.
    public init(sources: [Int64] = [], before: Date? = nil, isTrial: Bool = false, compacts: Bool = false) {
        self.sources = sources
        self.before = before
        self.isTrial = isTrial
        self.compacts = compacts
    }

    /// What was removed.
    public struct Result: Sendable, Codable {
        /// Vectors removed (or to be removed, in a trial).
        public var vectors: Int
        /// Sources that were removed because they have no vectors left.
        public var sources: Int
        /// Size of the file before.
        public var bytesBefore: Int
        /// Size of the file afterwards.
        public var bytesAfter: Int
    }
}

extension EmbeddingCache {
    /// Size of the file and its log.
    public var fileBytes: Int {
        [path, path + "-wal"].reduce(0) { sum, path in
            sum + ((try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0)
        }
    }

    /// The contents of the file, in figures. Complexity: O(vectors) over an index; the vectors themselves are not read.
    public func statistics() async throws -> CacheStatistics {
        let (sources, replies) = try await read { database in
            (try Self.sources(database), try Int.fetchOne(database, sql: "SELECT count(*) FROM reply") ?? 0)
        }
        return CacheStatistics(
            path: path, bytes: fileBytes, vectors: sources.reduce(0) { $0 + $1.vectors }, sources: sources,
            pendingJobs: try await pendingJobs().count, replies: replies,
            spentOnVectorsToday: try await spentToday(for: .vectors),
            spentOnRepliesToday: try await spentToday(for: .replies))
    }

    private static func sources(_ database: Database) throws -> [CacheStatistics.Source] {
        let rows = try Row.fetchAll(
            database,
            sql: """
                SELECT source.id, description, dimension, counted_bytes, counted_tokens, count(precision),
                    coalesce(sum(precision = ?), 0), min(added), max(added)
                FROM source LEFT JOIN vector ON vector.source = source.id GROUP BY source.id ORDER BY source.id
                """, arguments: [VectorPrecision.float16.code])
        return rows.map { row in
            let (vectors, short, dimension): (Int, Int, Int) = (row[5], row[6], row[2])
            let (first, last): (Double?, Double?) = (row[7], row[8])
            let numbers = (vectors - short) * VectorPrecision.float32.width + short * VectorPrecision.float16.width
            return CacheStatistics.Source(
                id: row[0], fields: EmbeddingKey.Source.fields(of: row[1]), vectors: vectors, float16: short,
                dimension: dimension, bytes: dimension * numbers,
                first: first.map(Date.init(timeIntervalSince1970:)), last: last.map(Date.init(timeIntervalSince1970:)),
                countedBytes: row[3], countedTokens: row[4])
        }
    }

    /// Reads every vector and compares it with its checksum. At most a thousand vectors are in memory.
    /// - Parameters:
    ///   - repairing: whether damaged vectors are removed. Their texts are then sent again when needed.
    ///   - progress: told how many vectors are checked, and how many there are.
    public func verify(
        repairing: Bool = false, progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }
    ) async throws -> CacheVerification {
        var result = CacheVerification(checked: 0, damaged: 0, examples: [], file: [], isRepaired: repairing)
        let total = try await count()
        result.file = try await read { try String.fetchAll($0, sql: "PRAGMA quick_check(10)") }.filter { $0 != "ok" }
        var last: Int64 = 0
        while true {
            let from = last
            let part = try await read { try Self.damaged(after: from, $0) }
            guard part.checked > 0 else { break }
            last = part.last
            result.checked += part.checked
            result.damaged += part.damaged.count
            result.examples += part.damaged.prefix(max(0, 20 - result.examples.count)).map {
                "vector \($0.id): \($0.reason)"
            }
            if repairing, !part.damaged.isEmpty {
                try await write { database in
                    for (id, _) in part.damaged {
                        try database.execute(sql: "DELETE FROM vector WHERE id = ?", arguments: [id])
                    }
                }
            }
            progress(result.checked, total)
        }
        return result
    }

    private static func damaged(
        after last: Int64, _ database: Database
    ) throws -> (checked: Int, last: Int64, damaged: [(id: Int64, reason: String)]) {
        var result = (checked: 0, last: last, damaged: [(id: Int64, reason: String)]())
        let statement = try database.cachedStatement(
            sql: """
                SELECT vector.id, key, checksum, precision, dimension, value FROM vector LEFT JOIN source ON source.id = source
                WHERE vector.id > ? ORDER BY vector.id LIMIT 1000
                """)
        var numbers: [Float] = []
        let cursor = try Row.fetchCursor(statement, arguments: [last])
        while let row = try cursor.next() {
            result.checked += 1
            result.last = row[0]
            let (key, dimension): (Data, Int?) = (row[1], row[4])
            numbers.removeAll(keepingCapacity: true)
            var reason = try row.withUnsafeData(atIndex: 5) { value -> String? in
                guard let dimension else { return "its source is missing" }
                return StoredVector.fault(
                    in: value, key: key, checksum: row[2], code: row[3], dimension: dimension, to: &numbers)
            }
            if reason == nil {
                switch VectorCheck(numbers) {
                case .good: break
                case .zero: reason = "all zeros"
                case .notFinite(let column, let value): reason = "\(value) at position \(column)"
                }
            }
            if let reason { result.damaged.append((result.last, reason)) }
        }
        return result
    }

    /// Removes vectors, and the remains of finished jobs and ended processes.
    /// - Throws: ``ProviderError/cacheMisuse(path:reason:)`` for a source that does not exist.
    public func clean(_ cleaning: CacheCleaning) async throws -> CacheCleaning.Result {
        let before = fileBytes
        let path = path
        var result = try await write { database -> CacheCleaning.Result in
            for id in cleaning.sources {
                guard try Int.fetchOne(database, sql: "SELECT 1 FROM source WHERE id = ?", arguments: [id]) != nil
                else {
                    throw ProviderError.cacheMisuse(
                        path: path, reason: "it has no source \(id); see: mafin cache stats")
                }
            }
            let (condition, arguments) = Self.condition(cleaning)
            let count = try Int.fetchOne(
                database, sql: "SELECT count(*) FROM vector WHERE \(condition)", arguments: arguments)
            var result = CacheCleaning.Result(vectors: count ?? 0, sources: 0, bytesBefore: before, bytesAfter: before)
            guard !cleaning.isTrial else { return result }
            try database.execute(sql: "DELETE FROM vector WHERE \(condition)", arguments: arguments)
            try database.execute(
                sql: """
                    DELETE FROM source WHERE NOT EXISTS (SELECT 1 FROM vector WHERE source = source.id)
                    AND NOT EXISTS (SELECT 1 FROM job WHERE job.source = source.description)
                    """)
            result.sources = database.changesCount
            try database.execute(
                sql: "DELETE FROM job_item WHERE job IN (SELECT id FROM job WHERE state IN ('done', 'failed'))")
            try database.execute(sql: "DELETE FROM job WHERE state IN ('done', 'failed')")
            try database.execute(sql: "DELETE FROM claim WHERE NOT EXISTS (SELECT 1 FROM owner WHERE id = claim.owner)")
            return result
        }
        if cleaning.compacts, !cleaning.isTrial {
            try await naming { [pool] in
                try await pool.vacuum()
                try await pool.writeWithoutTransaction { _ = try $0.checkpoint(.truncate) }
            }
        }
        result.bytesAfter = fileBytes
        return result
    }

    private static func condition(_ cleaning: CacheCleaning) -> (String, StatementArguments) {
        var (conditions, arguments): ([String], StatementArguments) = ([], [])
        if !cleaning.sources.isEmpty {
            conditions.append("source IN (\(cleaning.sources.map(String.init).joined(separator: ",")))")
        }
        if let before = cleaning.before {
            conditions.append("added < ?")
            arguments += [before.timeIntervalSince1970]
        }
        return (conditions.isEmpty ? "0" : conditions.joined(separator: " AND "), arguments)
    }
}
