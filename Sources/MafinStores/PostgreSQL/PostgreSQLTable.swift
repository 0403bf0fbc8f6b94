import MafinPostgreSQL

/// The address of a table of PostgreSQL: `postgresql://USER@HOST:PORT/DATABASE?table=TABLE&id=ID&vector=VECTOR`.
///
/// What follows the question mark and is not one of these names goes to PostgreSQL's client library (`sslmode=require`). The password comes
/// from `PGPASSWORD` or `~/.pgpass`.
public struct PostgreSQLTable: Sendable, Equatable {
    /// The database.
    public let database: PostgreSQLAddress
    /// The table, also `SCHEMA.TABLE`.
    public let table: String
    /// The column of ids.
    public let idColumn: String
    /// The column of vectors; nil: not given.
    public let vectorColumn: String?
    /// The table of queries, for an import; nil: there is none.
    public let queryTable: String?

    /// Reads an address.
    /// - Throws: ``StoreError/badAddress(_:reason:)``, ``StoreError/passwordInAddress(store:instead:)``.
    public init(parsing text: String) throws {
        do {
            database = try PostgreSQLAddress(text, taking: ["table", "id", "vector", "query_table"])
        } catch { throw StoreError(error, store: PostgreSQLAddress.form) }
        let own = database.parameters
        guard let table = own["table"], !table.isEmpty else {
            throw StoreError.badAddress(
                database.shown, reason: "the table is missing: end the address with ?table=TABLE")
        }
        self.table = table
        idColumn = own["id"] ?? "id"
        vectorColumn = own["vector"]
        queryTable = own["query_table"]
    }

    /// The table of queries with the same columns; nil: the address names none.
    var ofQueries: PostgreSQLTable? {
        queryTable.map {
            PostgreSQLTable(database: database, table: $0, idColumn: idColumn, vectorColumn: vectorColumn)
        }
    }

    private init(database: PostgreSQLAddress, table: String, idColumn: String, vectorColumn: String?) {
        (self.database, self.table, self.idColumn, self.vectorColumn) = (database, table, idColumn, vectorColumn)
        queryTable = nil
    }

    /// The address for messages. It has no password.
    public var shown: String { "\(database.shown), table \(table)" }

    /// Connects later. Nothing is repeated: an export continues where it was when it is run again.
    func client() -> PostgreSQLClient {
        PostgreSQLClient(database, naming: { [shown] in StoreError($0, store: shown) })
    }
}

extension StoreError {
    /// - Parameter store: the table, for messages.
    init(_ error: PostgreSQLError, store: String) {
        self =
            switch error {
            case .notAnAddress(let reason): .badAddress(store, reason: reason)
            case .passwordInAddress:
                .passwordInAddress(store: "PostgreSQL", instead: "put it into \(PostgreSQLError.placesOfPasswords)")
            case .missingLibrary(let reason): .missingLibrary(reason: reason)
            case .unreachable(let reason, _): .unreachable(store: store, reason: reason)
            case .lost(let what, let reason): .unreachable(store: store, reason: "\(what): \(reason)")
            case .refused(let what, _, let reason): .refused(store: store, what: what, reason: reason)
            case .otherType(let column, let expected, let found):
                .mismatch(store: store, expected: "the column '\(column)' of type \(expected)", found: found)
            }
    }
}
