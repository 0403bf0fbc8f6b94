import Foundation

/// The address of a database: `postgresql://USER@HOST:PORT/DATABASE?PARAMETERS`, as PostgreSQL's client library reads it. The password comes
/// from `PGPASSWORD` or `~/.pgpass`: other users of a machine can read the command lines of its processes.
public struct PostgreSQLAddress: Sendable, Equatable {
    /// What the client library gets.
    public let connection: String
    /// The address for messages, without parameters.
    public let shown: String
    /// The parameters that were taken out for the caller, without percent-encoding.
    public let parameters: [String: String]

    /// How addresses are written.
    public static let form = "postgresql://USER@HOST:PORT/DATABASE"

    /// Whether a text is meant as one.
    public static func isOne(_ text: String) -> Bool {
        text.hasPrefix("postgresql://") || text.hasPrefix("postgres://")
    }

    /// Reads an address.
    /// - Parameter names: parameters that are the caller's own and not for the client library.
    /// - Throws: ``PostgreSQLError/notAnAddress(reason:)``, ``PostgreSQLError/passwordInAddress``.
    public init(_ text: String, taking names: Set<String> = []) throws(PostgreSQLError) {
        guard Self.isOne(text), let scheme = text.range(of: "://") else {
            throw .notAnAddress(reason: "expected \(Self.form)")
        }
        // Several hosts, or none, are fine for the client library but not for URLComponents. So the text is cut by hand.
        let halves = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        try Self.requireNoPassword(halves[0][scheme.upperBound...])
        var own: [String: String] = [:]
        var rest: [Substring] = []
        for item in halves.count > 1 ? halves[1].split(separator: "&") : [] {
            let pair = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            // The item is not shown: it may be the end of a password with a question mark.
            guard pair.count == 2 else { throw .notAnAddress(reason: "expected NAME=VALUE after '?' and '&'") }
            // The client library decodes names too.
            let name = pair[0].removingPercentEncoding ?? pair[0]
            guard !Self.isSecret(name) else { throw .passwordInAddress }
            if names.contains(name) {
                own[name] = pair[1].removingPercentEncoding ?? pair[1]
            } else {
                rest.append(item)
            }
        }
        shown = String(halves[0])
        connection = shown + (rest.isEmpty ? "" : "?" + rest.joined(separator: "&"))
        parameters = own
    }

    /// - Parameter text: what stands between `://` and the parameters.
    private static func requireNoPassword(_ text: Substring) throws(PostgreSQLError) {
        // The last '@', because a password may have one, or a '/', that is not percent-encoded.
        let at = text.lastIndex(of: "@")
        if let at, text[..<at].contains(":") { throw .passwordInAddress }
        let hosts = text[(at.map { text.index(after: $0) } ?? text.startIndex)...].prefix { $0 != "/" }
        for host in hosts.split(separator: ",") {
            // IPv6 addresses stand in brackets.
            let end = host.hasPrefix("[") ? host.drop { $0 != "]" } : host[...]
            guard let colon = end.firstIndex(of: ":") else { continue }
            // "USER:PASSWORD" without a host, or cut at a '?' of the password, looks like a host with such a port.
            guard end[end.index(after: colon)...].allSatisfy({ $0.isASCII && $0.isNumber }) else {
                throw .notAnAddress(
                    reason:
                        "expected \(form) with a number as PORT; a password belongs into \(PostgreSQLError.placesOfPasswords)"
                )
            }
        }
    }

    /// Whether a parameter of the client library is a secret: `password`, `sslpassword`, `oauth_client_secret`, `scram_client_key`, …
    private static func isSecret(_ name: String) -> Bool {
        let name = name.lowercased()
        return name.contains("password") || name.contains("secret") || name.hasPrefix("scram_")
    }

    /// ``connection`` with a time limit for a host that does not answer, unless the user gives one. The client library has none.
    func connection(
        waiting seconds: Int, environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> String {
        guard !connection.contains("connect_timeout="), environment["PGCONNECT_TIMEOUT"] == nil else {
            return connection
        }
        return connection + (connection.contains("?") ? "&" : "?") + "connect_timeout=\(seconds)"
    }
}
