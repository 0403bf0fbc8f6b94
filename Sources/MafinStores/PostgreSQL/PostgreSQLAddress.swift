import Foundation

/// The address of a table of PostgreSQL: `postgresql://USER@HOST:PORT/DATABASE?table=TABLE&id=ID&vector=VECTOR`.
///
/// What follows the question mark and is not one of these names goes to PostgreSQL's client library (`sslmode=require`). The password comes
/// from `PGPASSWORD` or `~/.pgpass`.
public struct PostgreSQLAddress: Sendable, Equatable {
    /// What PostgreSQL's client library gets.
    public let connection: String
    /// The table, also `SCHEMA.TABLE`.
    public let table: String
    /// The column of ids.
    public let idColumn: String
    /// The column of vectors; nil: not given.
    public let vectorColumn: String?
    /// The table of queries, for an import; nil: there is none.
    public let queryTable: String?

    /// Whether a text is meant as one.
    public static func isOne(_ text: String) -> Bool {
        text.hasPrefix("postgresql://") || text.hasPrefix("postgres://")
    }

    /// Reads an address.
    /// - Throws: ``StoreError/badAddress(_:reason:)``, ``StoreError/passwordInAddress(store:instead:)``.
    public init(parsing text: String) throws {
        // A comma or a missing host is fine for the client library, but not for URLComponents: so the text is cut by hand.
        let halves = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let base = String(halves[0])
        let authority = base.dropFirst(base.hasPrefix("postgres://") ? 11 : 13).prefix { $0 != "/" }
        let user = authority.contains("@") ? authority.prefix { $0 != "@" } : ""
        var own: [String: String] = [:]
        var rest: [String] = []
        var hasPassword = user.contains(":")
        for item in halves.count > 1 ? halves[1].split(separator: "&") : [] {
            let pair = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let value = pair.count > 1 ? pair[1].removingPercentEncoding ?? pair[1] : ""
            switch pair[0] {
            case "table", "id", "vector", "query_table": own[pair[0]] = value
            case "password": hasPassword = true
            default: rest.append(String(item))
            }
        }
        guard !hasPassword else {
            throw StoreError.passwordInAddress(
                store: "PostgreSQL", instead: "set PGPASSWORD, or write it into ~/.pgpass")
        }
        guard let table = own["table"], !table.isEmpty else {
            throw StoreError.badAddress(text, reason: "the table is missing: end the address with ?table=TABLE")
        }
        connection = base + (rest.isEmpty ? "" : "?" + rest.joined(separator: "&"))
        self.table = table
        idColumn = own["id"] ?? "id"
        vectorColumn = own["vector"]
        queryTable = own["query_table"]
    }

    /// The address for messages. It has no password.
    public var shown: String { "\(connection.prefix { $0 != "?" }), table \(table)" }

    /// A name in SQL.
    static func quoted(_ name: String) -> String {
        "\"" + name.replacingOccurrences(of: "\"", with: "\"\"") + "\""
    }

    /// A table's name in SQL, with its schema if it has one.
    static func quoted(table: String) -> String {
        table.split(separator: ".", maxSplits: 1).map { quoted(String($0)) }.joined(separator: ".")
    }

    /// A text in SQL.
    static func literal(_ text: String) -> String {
        "'" + text.replacingOccurrences(of: "'", with: "''") + "'"
    }
}
