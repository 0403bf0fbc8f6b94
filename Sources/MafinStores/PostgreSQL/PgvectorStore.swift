import Foundation
import MafinNumerics
import MafinPipeline
import MafinPostgreSQL

/// A table of PostgreSQL with a column of pgvector for each set of vectors.
///
/// A batch is one transaction: binary `COPY` into a temporary table, then an upsert by id. So a run that is killed loses at most a batch, and
/// leaves none half written.
///
/// A table of the user's own, whose vectors of the black box are in a column already, gets the other columns. Its rows are updated, and none is
/// added; the user's column is only read.
public final class PgvectorStore: VectorStore {
    private let address: PostgreSQLTable
    private let options: Options
    private let client: PostgreSQLClient
    private var columns: [PgvectorColumn] = []
    private var holdsTexts = false
    private var idType = "text"
    private var missing: (count: Int, first: [String]) = (0, [])

    /// How a table is written.
    public struct Options: Sendable, Equatable {
        /// Whether dense vectors are stored as 16-bit floats.
        public var isHalf: Bool
        /// Whether indexes are built.
        public var wantsIndex: Bool
        /// How they are built.
        public var index: PgvectorIndexOptions
        /// Columns of the user's own that hold the vectors of a part, by the part's name.
        public var foreignColumns: [String: String]

        /// Options.
        public init(
            isHalf: Bool = false, wantsIndex: Bool = true, index: PgvectorIndexOptions = PgvectorIndexOptions(),
            foreignColumns: [String: String] = [:]
        ) {
            (self.isHalf, self.wantsIndex, self.index) = (isHalf, wantsIndex, index)
            self.foreignColumns = foreignColumns
        }
    }

    /// The column of the hashes.
    static let hashColumn = "mafin_hash"
    /// The column of the texts.
    static let textColumn = "mafin_text"
    /// The comment of ``hashColumn`` in a table of the user's own. Without it a later export that forgets `--column` would add rows.
    private static let ownersComment = "mafin export --column: the rows of this table are its owner's"

    /// A store. Nothing is connected yet.
    public init(_ address: PostgreSQLTable, options: Options = Options()) {
        (self.address, self.options, client) = (address, options, address.client())
    }

    private var updatesOnly: Bool { !options.foreignColumns.isEmpty }
    private var table: String { PostgreSQLText.identifier(table: address.table) }
    private var id: String { PostgreSQLText.identifier(address.idColumn) }
    private var written: [PgvectorColumn] { columns.filter { !$0.isForeign } }

    /// The columns of the table by name, with their types; empty if there is no table.
    private static func columns(of table: String, _ session: PostgreSQLSession) throws -> [String: String] {
        let rows = try session.texts(
            """
            SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a \
            WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
            """, [table], what: "a look at the table")
        return Dictionary(rows.compactMap { row in row[0].flatMap { name in row[1].map { (name, $0) } } }) { first, _ in
            first
        }
    }

    /// Makes the table or adds columns to it.
    public func prepare(_ schema: StoreSchema) async throws -> [String] {
        let (store, foreign) = (address.shown, options.foreignColumns)
        if let unknown = foreign.keys.first(where: { name in !schema.parts.contains { $0.name == name } }) {
            throw StoreError.badAddress(
                "\(unknown)=\(foreign[unknown] ?? "")",
                reason:
                    "the artefact has no vectors '\(unknown)'; it has \(schema.parts.map(\.name).joined(separator: ", "))"
            )
        }
        let table = table
        let (existing, isOwners) = try await client.run { session in
            try Self.requireExtension(session, store)
            let comments = try session.texts(
                """
                SELECT 1 FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attname = $2 \
                AND col_description(a.attrelid, a.attnum) = $3
                """, [table, Self.hashColumn, Self.ownersComment], what: "a look at the table")
            return (try Self.columns(of: table, session), !comments.isEmpty)
        }
        if existing.isEmpty, updatesOnly {
            throw StoreError.mismatch(
                store: store, expected: "a table with the column that --column names", found: "no table")
        }
        // The tables that an export makes have ids of type text.
        let isOurs =
            !isOwners && existing[Self.hashColumn] != nil && existing[address.idColumn, default: "text"] == "text"
        if !existing.isEmpty, !updatesOnly, !isOurs {
            throw StoreError.mismatch(
                store: store, expected: "no table, or one that 'mafin export' wrote",
                found:
                    "another one; name the column that holds the black box's vectors with --column black-box=COLUMN to add the other vectors to its rows, or choose another table"
            )
        }
        idType = existing[address.idColumn] ?? "text"
        if !existing.isEmpty, existing[address.idColumn] == nil {
            throw StoreError.mismatch(
                store: store, expected: "a column '\(address.idColumn)' of ids (?id=COLUMN names another)",
                found: "the columns \(existing.keys.sorted().joined(separator: ", "))")
        }
        columns = try schema.parts.map { part in
            guard let column = foreign[part.name] else { return PgvectorColumn(part, isHalf: options.isHalf) }
            let expected = ["vector(\(part.dimension))", "halfvec(\(part.dimension))"]
            guard let type = existing[column], expected.contains(type), part.face == .dense else {
                throw StoreError.mismatch(
                    store: store, expected: "the column '\(column)' of type \(expected.joined(separator: " or "))",
                    found: existing[column].map { "type \($0)" } ?? "no such column")
            }
            return PgvectorColumn(part, isHalf: false, foreign: column, type: type)
        }
        holdsTexts = schema.holdsTexts
        try await create(existing)
        return updatesOnly
            ? ["only rows that are in the table are written; the column that --column names is only read"] : []
    }

    private static func requireExtension(_ session: PostgreSQLSession, _ store: String) throws {
        do {
            try session.execute("CREATE EXTENSION IF NOT EXISTS vector", what: "the extension pgvector")
        } catch {
            let version = try session.texts(
                "SELECT extversion FROM pg_extension WHERE extname = 'vector'", what: "a look at the extensions")
            if version.isEmpty { throw error }
        }
        let version = try session.texts(
            "SELECT extversion FROM pg_extension WHERE extname = 'vector'", what: "a look at the extensions")
        let text = version.first?[0] ?? "none"
        let numbers = text.split(separator: ".").compactMap { Int($0) }
        guard numbers.count >= 2, (numbers[0], numbers[1]) >= (0, 7) else {
            throw StoreError.mismatch(
                store: store, expected: "pgvector 0.7 or later, which has halfvec and sparsevec",
                found: "version \(text)")
        }
    }

    private func create(_ existing: [String: String]) async throws {
        var wanted = [(Self.hashColumn, "text")] + written.map { ($0.column, $0.type) }
        if holdsTexts { wanted.append((Self.textColumn, "text")) }
        let store = address.shown
        for (name, type) in wanted {
            if let found = existing[name], found != type {
                throw StoreError.mismatch(
                    store: store, expected: "the column '\(name)' of type \(type)", found: "type \(found)")
            }
        }
        let definitions = wanted.map { "\(PostgreSQLText.identifier($0.0)) \($0.1)" }
        let statement =
            existing.isEmpty
            ? "CREATE TABLE \(table) (\(id) text PRIMARY KEY, \(definitions.joined(separator: ", ")))"
            : "ALTER TABLE \(table) " + definitions.map { "ADD COLUMN IF NOT EXISTS \($0)" }.joined(separator: ", ")
        let fields =
            (["id text", "hash text"] + (holdsTexts ? ["text text"] : []))
            + written.enumerated().map { "v\($0) \($1.type)" }
        let hash = PostgreSQLText.identifier(Self.hashColumn)
        let words = Self.ownersComment.replacingOccurrences(of: "'", with: "''")
        let comment = updatesOnly ? "COMMENT ON COLUMN \(table).\(hash) IS '\(words)'" : nil
        try await client.run { session in
            try session.execute(statement, what: "the table")
            if let comment { try session.execute(comment, what: "a comment on the column \(Self.hashColumn)") }
            try session.execute(
                "CREATE TEMPORARY TABLE IF NOT EXISTS mafin_staging (\(fields.joined(separator: ", "))) ON COMMIT DELETE ROWS",
                what: "a temporary table")
        }
    }

    private func requireWritable(_ ids: [String]) throws {
        guard let id = ids.first(where: { $0.utf8.contains(0) }) else { return }
        throw StoreError.unwritable(store: address.shown, id: id, reason: "PostgreSQL has no texts with a NUL")
    }

    /// See ``VectorStore/storedHashes(of:)``.
    public func storedHashes(of ids: [String]) async throws -> [String: String] {
        try requireWritable(ids)
        let hash = PostgreSQLText.identifier(Self.hashColumn)
        let statement =
            "SELECT \(id)::text, \(hash) FROM \(table) WHERE \(id) = ANY($1::text[]::\(idType)[]) AND \(hash) IS NOT NULL"
        let list = PostgreSQLText.array(ids)
        let rows = try await client.run { try $0.texts(statement, [list], what: "a look at what is stored") }
        return Dictionary(rows.compactMap { row in row[0].flatMap { id in row[1].map { (id, $0) } } }) { first, _ in
            first
        }
    }

    /// See ``VectorStore/write(_:)``.
    public func write(_ batch: StoreBatch) async throws {
        try requireWritable(batch.ids)
        var rows = CopyRows()
        for row in 0..<batch.count {
            rows.begin(fields: 2 + (holdsTexts ? 1 : 0) + written.count)
            rows.text(batch.ids[row])
            rows.text(batch.hashes[row])
            if holdsTexts { rows.text(batch.texts[row].replacingOccurrences(of: "\0", with: " ")) }
            var (dense, sparse) = (0, 0)
            for column in columns {
                // A column of the user's own has no vectors in the batch.
                if column.isForeign { continue }
                if column.part.face == .sparse {
                    rows.sparseVector(batch.sparse[sparse][row], dimension: column.part.dimension)
                    sparse += 1
                } else {
                    let values = batch.dense[dense].row(row)
                    if column.isHalf { rows.halfVector(values) } else { rows.vector(values) }
                    dense += 1
                }
            }
        }
        rows.end()
        let (bytes, upsert, lookup) = (rows.bytes, upsertStatement, missingStatement)
        let lost = try await client.transaction { session in
            try session.copy("COPY mafin_staging FROM STDIN (FORMAT binary)", bytes, what: "the vectors")
            let lost = try lookup.map { try session.texts($0, what: "a look for the rows").compactMap(\.[0]) } ?? []
            try session.execute(upsert, what: "the vectors")
            return lost
        }
        missing.count += lost.count
        missing.first += lost.prefix(5 - min(5, missing.first.count))
    }

    /// For each of our columns its field of the temporary table.
    private var assignments: [(column: String, field: String)] {
        [(Self.hashColumn, "hash")] + (holdsTexts ? [(Self.textColumn, "text")] : [])
            + written.enumerated().map { ($1.column, "v\($0)") }
    }

    private var upsertStatement: String {
        let columns = assignments.map { (PostgreSQLText.identifier($0.column), $0.field) }
        if updatesOnly {
            let changes = columns.map { "\($0.0) = s.\($0.1)" }.joined(separator: ", ")
            return "UPDATE \(table) t SET \(changes) FROM mafin_staging s WHERE t.\(id) = s.id::\(idType)"
        }
        return """
            INSERT INTO \(table) (\(([id] + columns.map(\.0)).joined(separator: ", "))) \
            SELECT \((["id"] + columns.map(\.1)).joined(separator: ", ")) FROM mafin_staging \
            ON CONFLICT (\(id)) DO UPDATE SET \(columns.map { "\($0.0) = EXCLUDED.\($0.0)" }.joined(separator: ", "))
            """
    }

    private var missingStatement: String? {
        guard updatesOnly else { return nil }
        return
            "SELECT s.id FROM mafin_staging s WHERE NOT EXISTS (SELECT 1 FROM \(table) t WHERE t.\(id) = s.id::\(idType))"
    }

    /// Builds the indexes.
    public func finish() async throws -> [String] {
        var notes: [String] = []
        if missing.count > 0 {
            let first = missing.first.map { "'\($0)'" }.joined(separator: ", ")
            notes.append(
                "\(missing.count) texts have no row in \(address.table) and were not written, such as \(first)")
        }
        if options.wantsIndex {
            for column in written {
                guard let statement = column.indexStatement(on: address.table, options: options.index) else { continue }
                do {
                    try await client.run { try $0.execute(statement, what: "the index of '\(column.column)'") }
                } catch let error as StoreError
                    where column.part.face == .sparse && "\(error)".contains("non-zero elements")
                {
                    notes.append(
                        "'\(column.column)' is not indexed, because a text has more than \(PgvectorColumn.termLimit) terms: its scores are computed for every row"
                    )
                }
            }
        }
        let statement = "ANALYZE \(table)"
        try await client.run { try $0.execute(statement, what: "ANALYZE") }
        return notes
    }

    /// How the table is searched, for a schema that need not be there yet.
    /// - Parameter candidates: how many candidates each index finds; nil: every row is scored, which is exact.
    public static func query(
        _ address: PostgreSQLTable, _ schema: StoreSchema, options: Options, candidates: Int?
    ) -> any StoreQuery {
        PgvectorQuery(
            table: address.table, idColumn: address.idColumn,
            columns: schema.parts.map { part in
                let foreign = options.foreignColumns[part.name]
                return PgvectorColumn(
                    part, isHalf: options.isHalf, foreign: foreign,
                    type: foreign.map { _ in "vector(\(part.dimension))" })
            }, candidates: candidates)
    }
}
