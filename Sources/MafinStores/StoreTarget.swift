import Foundation
import MafinPostgreSQL

/// Where vectors are exported to: the value of `--to`.
///
/// | written | meaning |
/// |---|---|
/// | `postgresql://USER@HOST:PORT/DATABASE?table=TABLE` | a table of PostgreSQL with pgvector |
/// | `KIND:http://HOST:PORT/NAME` | a collection (index, class) of a server |
/// | `KIND:PATH` | files |
public struct StoreTarget: Sendable, Equatable {
    /// Where the store is.
    public enum Place: Sendable, Equatable {
        /// A table of PostgreSQL.
        case table(PostgreSQLTable)
        /// A server and the name of a collection there.
        case server(url: String, collection: String)
        /// A file or folder.
        case path(URL)
    }

    /// The store.
    public let kind: StoreKind
    /// Where it is.
    public let place: Place

    /// How targets are written.
    public static let forms =
        "write postgresql://USER@HOST/DATABASE?table=TABLE, KIND:http://HOST:PORT/COLLECTION or KIND:PATH; kinds are "
        + StoreKind.allCases.map(\.rawValue).joined(separator: ", ")

    /// Reads a target.
    /// - Throws: ``StoreError/badAddress(_:reason:)``, ``StoreError/passwordInAddress(store:instead:)``.
    public init(parsing text: String) throws {
        if PostgreSQLAddress.isOne(text) {
            kind = .postgresql
            place = .table(try PostgreSQLTable(parsing: text))
            return
        }
        guard let colon = text.firstIndex(of: ":"), let kind = StoreKind(rawValue: String(text[..<colon])) else {
            throw StoreError.badAddress(text, reason: "no store; \(Self.forms)")
        }
        let rest = String(text[text.index(after: colon)...])
        guard !rest.isEmpty else {
            throw StoreError.badAddress(text, reason: "nothing follows '\(kind.rawValue):'; \(Self.forms)")
        }
        self.kind = kind
        if rest.hasPrefix("http://") || rest.hasPrefix("https://") {
            guard kind.hasServer, kind != .postgresql else {
                throw StoreError.badAddress(text, reason: "\(kind.name) is written as files: \(kind.rawValue):PATH")
            }
            guard let parts = URLComponents(string: rest), let host = parts.host, !host.isEmpty,
                let scheme = parts.scheme
            else { throw StoreError.badAddress(text, reason: "no address of a server") }
            guard parts.user == nil, parts.password == nil else {
                throw StoreError.passwordInAddress(
                    store: kind.name, instead: "set \(kind.keyVariable ?? "the variable of the store's key")")
            }
            guard parts.query == nil else {
                throw StoreError.badAddress(text, reason: "nothing may follow the name of the collection")
            }
            let path = parts.path.split(separator: "/").map(String.init)
            guard let collection = path.last else {
                throw StoreError.badAddress(
                    text, reason: "the name of a collection is missing: \(kind.rawValue):\(scheme)://\(host)/NAME")
            }
            let port = parts.port.map { ":\($0)" } ?? ""
            let base = path.dropLast().map { "/" + $0 }.joined()
            place = .server(url: "\(scheme)://\(host)\(port)\(base)", collection: collection)
        } else {
            guard kind.hasFiles else {
                throw StoreError.badAddress(text, reason: "\(kind.name) needs the address of a server; \(Self.forms)")
            }
            place = .path(URL(fileURLWithPath: rest))
        }
    }

    /// Where it is, for messages; without a password.
    public var shown: String {
        switch place {
        case .table(let address): address.shown
        case .server(let url, let collection): "\(url)/\(collection)"
        case .path(let url): url.path
        }
    }
}
