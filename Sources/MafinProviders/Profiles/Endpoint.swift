import Foundation

/// A provider's address, and how the key is sent.
public struct Endpoint: Sendable, Hashable {
    /// The vendor's own address; nil if every user has a different one.
    public let baseURL: String?
    /// Added to a base address that has no path: `/v1`.
    public let root: String
    /// Added to the base address: `/embeddings`. `$model` in it is replaced by the model's name.
    public let path: String
    /// Added after a question mark: `api-version=2024-10-21`.
    public let query: String?
    /// Environment variables that may hold the key, in this order.
    public let keyVariables: [String]
    /// The header that carries the key.
    public let keyHeader: String
    /// The value of that header; `$key` is replaced by the key.
    public let keyFormat: String
    /// Whether the vendor's own address requires a key.
    public let isKeyRequired: Bool
    /// Other addresses of the vendor, by the prefix of the keys that belong to them.
    public let baseURLOfKeys: [String: String]
    /// Further headers; `${NAME}` in a value is an environment variable, and a header whose variable is not set is left out.
    public let headers: [String: String]

    init(_ table: inout ProfileTable) throws {
        baseURL = try table.text("base_url").flatMap { $0.isEmpty ? nil : $0 }
        root = try table.text("root") ?? ""
        path = try table.text("path") ?? "/embeddings"
        query = try table.text("query")
        keyVariables = try table.texts("key_variables") ?? []
        keyHeader = try table.text("key_header")?.lowercased() ?? "authorization"
        keyFormat = try table.text("key_format") ?? "Bearer $key"
        isKeyRequired = try table.flag("key_required") ?? true
        baseURLOfKeys = try table.dictionary("base_url_of_keys") ?? [:]
        headers = try table.dictionary("headers") ?? [:]
        for (key, value) in [("root", root), ("path", path)] where !value.isEmpty && !value.hasPrefix("/") {
            throw table.fault(key, "expected a path that begins with /, found '\(value)'")
        }
        guard keyFormat.contains("$key") else { throw table.fault("key_format", "$key is missing in it") }
    }

    /// A resolved address.
    struct Resolved: Sendable, Hashable {
        /// Base, path and query: the address of requests.
        let url: String
        /// The same without path and query, for identities.
        let base: String
    }

    /// The address of a model.
    /// - Parameters:
    ///   - given: the user's base address; nil: the vendor's own. ``root`` is added if it has no path. If it ends in ``path``, it is used
    ///     as it is.
    ///   - model: the model's name.
    ///   - profile: for the error message.
    /// - Throws: ``ProviderError/badEndpoint(_:reason:)``
    func resolved(_ given: String?, model: String, profile: String) throws -> Resolved {
        func fault(_ address: String, _ reason: String) -> ProviderError { .badEndpoint(address, reason: reason) }
        guard let base = given ?? baseURL else {
            throw fault(profile, "this provider has no address of its own; pass yours, like https://host\(root)")
        }
        guard let parts = URLComponents(string: base), let scheme = parts.scheme?.lowercased(), let host = parts.host,
            ["http", "https"].contains(scheme), !host.isEmpty
        else { throw fault(base, "write the complete address, like http://localhost:8080/v1") }
        guard parts.user == nil, parts.password == nil else {
            throw fault(host, "the address contains a name or password; pass a key instead")
        }
        guard parts.query == nil, parts.fragment == nil else {
            let plain = base.prefix { $0 != "?" && $0 != "#" }
            throw fault(String(plain), "the address must not contain a query or fragment")
        }
        var text = base
        while text.hasSuffix("/") { text.removeLast() }
        let path = path.replacingOccurrences(of: "$model", with: Self.escaped(model))
        if text.hasSuffix(path) {
            text.removeLast(path.count)
        } else if parts.path.allSatisfy({ $0 == "/" }) {
            text += root
        }
        return Resolved(url: text + path + (query.map { "?\($0)" } ?? ""), base: text)
    }

    /// Whether a base address is the vendor's own, in any spelling (a slash at its end, no path).
    ///
    /// An address in a file, such as an artefact, may have been written by a stranger. If it is not the vendor's own, neither texts nor keys
    /// are sent there unless the user names it.
    package func isOwn(_ address: String, model: String) -> Bool {
        guard baseURL != nil, let own = try? resolved(nil, model: model, profile: "") else { return false }
        return (try? resolved(address, model: model, profile: "")) == own
    }

    /// Those of ``headers`` whose variables are set, with their values.
    func resolvedHeaders(environment: [String: String]) -> [(name: String, value: String)] {
        headers.sorted { $0.key < $1.key }.compactMap { name, template in
            var isComplete = true
            let value = template.replacing(/\$\{([^}]*)(\}?)/) { variable in
                let content = environment[String(variable.1)] ?? ""
                isComplete = isComplete && !content.isEmpty && !variable.2.isEmpty
                return content
            }
            return isComplete ? (name, value) : nil
        }
    }

    /// A model's name, escaped for a path. Slashes and colons are not escaped, because vendors use them in paths.
    private static func escaped(_ model: String) -> String {
        var allowed = CharacterSet.urlPathAllowed
        allowed.remove(charactersIn: "?#%")
        return model.addingPercentEncoding(withAllowedCharacters: allowed) ?? model
    }
}
