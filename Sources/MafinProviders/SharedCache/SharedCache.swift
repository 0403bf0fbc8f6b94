import Foundation
import Logging
import MafinBlackBox
import MafinNumerics
import MafinPostgreSQL

/// A cache of paid vectors in PostgreSQL, for workers on several hosts. It holds vectors, the claims of calls that are asking, the
/// rates of accounts and their spending. Tables and meanings are those of ``CacheTables``; times are the server's.
///
/// A claim ends when it is released, when the connection of its worker is gone (a kill included), or with its lease. Leases that
/// ended are taken over with SKIP LOCKED, so that no worker waits for another's look.
final class SharedCache: Sendable {
    /// The address without a password.
    let path: String
    let precision: VectorPrecision
    private let logger: Logger?
    /// Vectors. Commits are on the server's disk when they return.
    private let vectors: PostgreSQLClient
    /// Rates, spending and claims.
    let ledger: PostgreSQLClient

    /// Seconds that a claim holds without being renewed.
    static let lease = CacheClaims.lease
    /// Version of the tables.
    private static let version: Int64 = 1

    /// Connects later.
    /// - Throws: ``ProviderError/cacheUnusable(path:reason:)`` for an address that is none, or that holds a password.
    init(_ address: String, precision: VectorPrecision, patience: TimeInterval, logger: Logger?) throws {
        let server: PostgreSQLAddress
        do { server = try PostgreSQLAddress(address) } catch { throw ProviderError(error, cache: "--cache") }
        let path = server.shown
        let naming: @Sendable (PostgreSQLError) -> any Error = { ProviderError($0, cache: path) }
        vectors = PostgreSQLClient(server, patience: patience, naming: naming) { try Self.makeTables($0, path) }
        ledger = PostgreSQLClient(server, patience: patience, naming: naming) {
            try Self.makeTables($0, path)
            // Rates and claims need not survive a power cut of the server.
            try $0.execute("SET synchronous_commit = off")
        }
        (self.path, self.precision, self.logger) = (path, precision, logger)
    }

    private static func makeTables(_ session: PostgreSQLSession, _ path: String) throws {
        try session.transaction { session in
            // Several workers begin at once.
            try session.execute("SELECT pg_advisory_xact_lock(7310010)")
            // Only once: a worker may lack the right to make tables, and ALTER TABLE waits for all who read.
            let isThere =
                try session.query("SELECT (to_regclass('mafin_cache') IS NOT NULL)::int::bigint").integer(0, 0) == 1
            if !isThere {
                for statement in tables { try session.execute(statement) }
                try session.execute("INSERT INTO mafin_cache (version) VALUES (\(version))")
            }
            let found = try session.query("SELECT max(version) AS version FROM mafin_cache").integer(0, 0) ?? 0
            guard found == version else {
                throw ProviderError.cacheUnusable(
                    path: path, reason: "it has format \(found), this program reads \(version)")
            }
        }
    }

    private static let tables = [
        "CREATE TABLE mafin_cache (version bigint NOT NULL)",
        """
        CREATE TABLE mafin_source (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, description text NOT NULL UNIQUE, dimension bigint NOT NULL,
            counted_bytes bigint NOT NULL DEFAULT 0, counted_tokens bigint NOT NULL DEFAULT 0)
        """,
        """
        CREATE TABLE mafin_vector (
            key bytea PRIMARY KEY, source bigint NOT NULL REFERENCES mafin_source (id), added timestamptz NOT NULL DEFAULT now(),
            checksum bigint NOT NULL, precision bigint NOT NULL, value bytea NOT NULL)
        """,
        // Numbers that are not compressible anyway.
        "ALTER TABLE mafin_vector ALTER COLUMN value SET STORAGE EXTERNAL",
        """
        CREATE TABLE mafin_account (
            name text PRIMARY KEY, requests float8, requests_time float8, tokens float8, tokens_time float8,
            paused_until float8 NOT NULL DEFAULT 0, items bigint, batch_tokens bigint, bytes bigint, encoding bigint, learned float8)
        """,
        """
        CREATE TABLE mafin_spending (
            day bigint NOT NULL, purpose text NOT NULL, account text NOT NULL, requests bigint NOT NULL, cost float8 NOT NULL,
            PRIMARY KEY (day, purpose, account))
        """,
        "CREATE TABLE mafin_owner (id bigint PRIMARY KEY, renewed timestamptz NOT NULL)",
        "CREATE TABLE mafin_claim (key bytea PRIMARY KEY, owner bigint NOT NULL)",
        "CREATE INDEX mafin_claim_owner ON mafin_claim (owner)",
    ]

    // MARK: Vectors

    /// The vectors of keys, which are different, in the order of their positions; and the positions of those without.
    func vectors(
        for keys: [EmbeddingKey], of source: EmbeddingKey.Source
    ) async throws -> (found: AnsweredRows, missing: [Int]) {
        guard !keys.isEmpty, let dimension = try await dimension(of: source) else {
            return (.none, Array(keys.indices))
        }
        let (read, damaged) = try await vectors.run { session in
            let rows = try session.query(
                "SELECT key, checksum, precision, value FROM mafin_vector WHERE key = ANY ($1::bytea[])",
                [PostgreSQLText.array(keys.map(\.bytes))])
            var values: [Data: [Float]] = [:]
            var damaged: [EmbeddingKey] = []
            for row in 0..<rows.count {
                guard let key = try rows.data(row, 0), let checksum = try rows.integer(row, 1),
                    let code = try rows.integer(row, 2)
                else { continue }
                var numbers: [Float] = []
                let fault = StoredVector.fault(
                    in: try rows.data(row, 3), key: key, checksum: checksum, code: Int(code), dimension: dimension,
                    to: &numbers)
                if fault == nil { values[key] = numbers } else { damaged.append(EmbeddingKey(bytes: key)) }
            }
            return (values, damaged)
        }
        if !damaged.isEmpty {
            logger?.warning(
                "damaged vectors in the cache are removed, and their texts are sent again",
                metadata: ["cache": "\(path)", "vectors": "\(damaged.count)"])
            try await remove(damaged)
        }
        var (found, missing, numbers): ([Int], [Int], [Float]) = ([], [], [])
        for (position, key) in keys.enumerated() {
            if let value = read[key.bytes] {
                found.append(position)
                numbers += value
            } else {
                missing.append(position)
            }
        }
        let matrix = Matrix(rows: found.count, columns: dimension, values: numbers)
        return (AnsweredRows(indices: found, vectors: matrix), missing)
    }

    /// Number of keys in one statement.
    private static let window = 20_000

    func absent(_ keys: [EmbeddingKey]) async throws -> [Int] {
        var absent: [Int] = []
        for start in stride(from: 0, to: keys.count, by: Self.window) {
            let part = Array(keys[start..<min(start + Self.window, keys.count)])
            let known = try await vectors.run { session -> Set<Data> in
                let rows = try session.query(
                    "SELECT key FROM mafin_vector WHERE key = ANY ($1::bytea[])",
                    [PostgreSQLText.array(part.map(\.bytes))])
                return Set(try (0..<rows.count).compactMap { try rows.data($0, 0) })
            }
            absent += part.indices.filter { !known.contains(part[$0].bytes) }.map { $0 + start }
        }
        return absent
    }

    func count() async throws -> Int {
        Int(try await vectors.run { try $0.query("SELECT count(*) FROM mafin_vector").integer(0, 0) ?? 0 })
    }

    func dimension(of source: EmbeddingKey.Source) async throws -> Int? {
        try await vectors.run { session in
            let rows = try session.query(
                "SELECT dimension FROM mafin_source WHERE description = $1", [source.description])
            return rows.count == 0 ? nil : try rows.integer(0, 0).map { Int($0) }
        }
    }

    func counted(by source: EmbeddingKey.Source) async throws -> (bytes: Int, tokens: Int) {
        try await vectors.run { session in
            let rows = try session.query(
                "SELECT counted_bytes, counted_tokens FROM mafin_source WHERE description = $1", [source.description])
            guard rows.count > 0 else { return (0, 0) }
            return (Int(try rows.integer(0, 0) ?? 0), Int(try rows.integer(0, 1) ?? 0))
        }
    }

    /// Writes a batch of answers in one transaction, which is on the server's disk when this returns. Existing vectors stay as
    /// they are.
    func store(_ rows: AnsweredRows, keys: [EmbeddingKey], source: EmbeddingKey.Source) async throws {
        let (path, dimension) = (path, rows.vectors.columns)
        var (values, codes, checksums): ([Data], [Int], [Int64]) = ([], [], [])
        for (row, key) in keys.enumerated() {
            let (value, stored) = StoredVector.value(of: rows.vectors.row(row), as: precision)
            values.append(value)
            codes.append(stored.code)
            checksums.append(StoredVector.checksum(key: key.bytes, value: value))
        }
        let parameters = [
            PostgreSQLText.array(keys.map(\.bytes)), nil, PostgreSQLText.array(checksums), PostgreSQLText.array(codes),
            PostgreSQLText.array(values),
        ]
        try await vectors.transaction { session in
            try session.execute(
                "INSERT INTO mafin_source (description, dimension) VALUES ($1, $2) ON CONFLICT (description) DO NOTHING",
                [source.description, "\(dimension)"])
            let known = try session.query(
                "SELECT id, dimension FROM mafin_source WHERE description = $1", [source.description])
            guard known.count == 1, let id = try known.integer(0, 0), let stored = try known.integer(0, 1) else {
                throw ProviderError.cacheUnusable(path: path, reason: "a row vanished while it was written")
            }
            guard stored == dimension else {
                throw ProviderError.cacheUnusable(
                    path: path, reason: "a vector has \(dimension) numbers, but the stored ones have \(stored)")
            }
            var parameters = parameters
            parameters[1] = "\(id)"
            // In one order everywhere, so that two workers never wait for each other in a circle.
            try session.execute(
                """
                INSERT INTO mafin_vector (key, source, checksum, precision, value)
                SELECT k, $2::bigint, c, p, v FROM unnest($1::bytea[], $3::bigint[], $4::bigint[], $5::bytea[]) AS t (k, c, p, v)
                ORDER BY k ON CONFLICT (key) DO NOTHING
                """, parameters)
        }
    }

    func note(bytes: Int, tokens: Int, source: EmbeddingKey.Source) async throws {
        try await vectors.run {
            try $0.execute(
                """
                UPDATE mafin_source SET counted_bytes = counted_bytes + $2::bigint, counted_tokens = counted_tokens + $3::bigint
                WHERE description = $1
                """, [source.description, "\(bytes)", "\(tokens)"])
        }
    }

    func remove(_ keys: [EmbeddingKey]) async throws {
        try await vectors.run {
            try $0.execute(
                "DELETE FROM mafin_vector WHERE key = ANY ($1::bytea[])", [PostgreSQLText.array(keys.map(\.bytes))])
        }
    }
}

extension ProviderError {
    /// - Parameter path: the cache's address, for messages.
    fileprivate init(_ error: PostgreSQLError, cache path: String) {
        self =
            switch error {
            // disk_full
            case .refused(_, "53100", _): .cacheFull(path: path)
            default: .cacheUnusable(path: path, reason: error.reason)
            }
    }
}
