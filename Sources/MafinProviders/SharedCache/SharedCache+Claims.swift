import Foundation
import MafinPostgreSQL

/// Claims of calls on the texts that they are about to send; see ``CacheClaims``.
extension SharedCache {
    /// Seconds after its last renewal during which an owner without a connection still counts as alive: it may be connecting
    /// again.
    private static let grace = 3.0
    /// Seconds after a start of the server during which owners from before it still count as alive: it has cut all connections, and each call
    /// takes its lock again with its next renewal (``CacheClaims/renewal``).
    private static let graceOfRestart = 30.0

    /// Whether an owner `o` is gone: its lease has ended, or the connection that holds its lock is gone. A connection ends with its
    /// process, also by a kill.
    private static let isGone = """
        (o.renewed < clock_timestamp() - interval '\(lease) seconds' OR (
            o.renewed < clock_timestamp() - interval '\(grace) seconds' AND (
                o.renewed > pg_postmaster_start_time()
                OR pg_postmaster_start_time() < clock_timestamp() - interval '\(graceOfRestart) seconds'
            ) AND NOT EXISTS (
                SELECT 1 FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
                    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                    AND (l.classid::bigint << 32 | l.objid::bigint) = o.id)))
        """

    /// Registers a call.
    /// - Returns: its number.
    func enter() async throws -> Int64 {
        // Positive, and with a part that no other program's advisory locks are likely to have.
        let owner = Int64.random(in: 1 << 40..<Int64.max)
        try await renew(owner)
        return owner
    }

    /// Renews the lease of a call. After a lost connection the lock is taken again.
    func renew(_ owner: Int64) async throws {
        try await ledger.run { session in
            let text = "\(owner)"
            let isHeld =
                try session.query(
                    """
                    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objsubid = 1
                        AND (classid::bigint << 32 | objid::bigint) = $1::bigint
                    """, [text]
                ).integer(0, 0) ?? 0
            // The server may not know yet that the lost connection is gone. Its lock still speaks for this call then, and to wait for it
            // could take hours.
            if isHeld == 0 { try session.execute("SELECT pg_try_advisory_lock($1::bigint)", [text]) }
            try session.execute(
                """
                INSERT INTO mafin_owner (id, renewed) VALUES ($1::bigint, clock_timestamp())
                ON CONFLICT (id) DO UPDATE SET renewed = excluded.renewed
                """, [text])
        }
    }

    /// Claims keys.
    /// - Returns: the positions of those that another call holds.
    func claim(_ keys: [EmbeddingKey], by owner: Int64) async throws -> [Int] {
        let parameters = [PostgreSQLText.array(keys.map(\.bytes)), "\(owner)"]
        let mine = try await ledger.transaction { session -> Set<Data> in
            func keys(_ statement: String) throws -> [Data] {
                let rows = try session.query(statement, parameters)
                return try (0..<rows.count).compactMap { try rows.data($0, 0) }
            }
            // In one order everywhere, so that two workers never wait for each other in a circle.
            var mine = Set(
                try keys(
                    """
                    INSERT INTO mafin_claim (key, owner) SELECT k, $2::bigint FROM unnest($1::bytea[]) AS t (k) ORDER BY k
                    ON CONFLICT (key) DO NOTHING RETURNING key
                    """))
            // Those of the call itself, if the statement above was repeated, and those whose owner is gone. Rows that
            // another worker is just taking over are left to it.
            mine.formUnion(
                try keys(
                    """
                    UPDATE mafin_claim SET owner = $2::bigint WHERE key IN (
                        SELECT c.key FROM mafin_claim c LEFT JOIN mafin_owner o ON o.id = c.owner
                        WHERE c.key = ANY ($1::bytea[]) AND (o.id IS NULL OR c.owner = $2::bigint OR \(Self.isGone))
                        FOR UPDATE OF c SKIP LOCKED)
                    RETURNING key
                    """))
            return mine
        }
        return keys.indices.filter { !mine.contains(keys[$0].bytes) }
    }

    /// Releases the claims of a call, and those of owners that are gone.
    func release(_ owner: Int64) async throws {
        try await ledger.run { session in
            let text = "\(owner)"
            try session.execute("DELETE FROM mafin_claim WHERE owner = $1::bigint", [text])
            try session.execute("DELETE FROM mafin_owner WHERE id = $1::bigint", [text])
            try session.execute("SELECT pg_advisory_unlock($1::bigint)", [text])
            try session.execute(
                """
                DELETE FROM mafin_owner WHERE id IN (
                    SELECT o.id FROM mafin_owner o WHERE \(Self.isGone) FOR UPDATE SKIP LOCKED)
                """)
        }
    }
}
