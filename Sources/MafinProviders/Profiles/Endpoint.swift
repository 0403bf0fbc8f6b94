import Foundation

/// Where a provider's requests go, and how a key goes with them.
public struct Endpoint: Sendable, Hashable {
    /// The vendor's own address; nil where every user has another one.
    public let baseURL: String?
    /// Put after a base address that has no path: `/v1`.
    public let root: String
    /// Put after the base address: `/embeddings`; `$model` in it is the model's name.
    public let path: String
    /// After a question mark: `api-version=2024-10-21`.
    public let query: String?
    /// Environment variables that may hold the key, in this order.
    public let keyVariables: [String]
    /// The header that carries the key.
    public let keyHeader: String
    /// What stands in that header; `$key` is the key.
    public let keyFormat: String
    /// Whether the vendor's own address wants a key.
    public let isKeyRequired: Bool
    /// Keys that begin so belong to another address of the vendor's.
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
            throw table.fault(key, "a path that begins with / expected, found '\(value)'")
        }
        guard keyFormat.contains("$key") else { throw table.fault("key_format", "$key is missing in it") }
    }

    /// An address, taken apart.
    struct Resolved: Sendable, Hashable {
        /// Base and path: where requests go.
        let url: String
        /// The same without path and query, for identities.
        let base: String
    }

    /// The address of a model.
    /// - Parameters:
    ///   - given: the user's base address; nil: the vendor's own. An address without any path gets ``root``, one that ends in ``path`` is
    ///     taken as it is.
    ///   - model: the model's name.
    ///   - profile: for the error message.
    /// - Throws: ``ProviderError/badEndpoint(_:reason:)``
    func resolved(_ given: String?, model: String, profile: String) throws -> Resolved {
        func fault(_ address: String, _ reason: String) -> ProviderError { .badEndpoint(address, reason: reason) }
        guard let base = given ?? baseURL else {
            throw fault(profile, "this provider has no address of its own; name yours, like https://host\(root)")
        }
        guard let parts = URLComponents(string: base), let scheme = parts.scheme?.lowercased(), let host = parts.host,
            ["http", "https"].contains(scheme), !host.isEmpty
        else { throw fault(base, "write the whole address, like http://localhost:8080/v1") }
        guard parts.user == nil, parts.password == nil else {
            throw fault(host, "the address holds a name or password; pass a key instead")
        }
        guard parts.query == nil, parts.fragment == nil else {
            let plain = base.prefix { $0 != "?" && $0 != "#" }
            throw fault(String(plain), "a query or fragment has no place in the address")
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

    /// Whether a base address is the vendor's own, however it is written (a slash at its end, no path).
    ///
    /// An address that stands in a file, such as an artefact's, may have been written by a stranger: one that is not the vendor's own gets
    /// neither texts nor keys unless the user names it.
    package func isOwn(_ address: String, model: String) -> Bool {
        guard baseURL != nil, let own = try? resolved(nil, model: model, profile: "") else { return false }
        return (try? resolved(address, model: model, profile: "")) == own
    }

    /// The headers of ``headers`` whose variables are set.
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

    /// A model's name as part of a path; slashes and colons in it stay, as vendors write them.
    private static func escaped(_ model: String) -> String {
        var allowed = CharacterSet.urlPathAllowed
        allowed.remove(charactersIn: "?#%")
        return model.addingPercentEncoding(withAllowedCharacters: allowed) ?? model
    }
}
