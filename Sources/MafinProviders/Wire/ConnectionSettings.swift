import Foundation

/// How servers are reached: proxy, certificates, time limits. None of it changes a vector.
public struct ConnectionSettings: Sendable, Hashable {
    /// `http://host:port` of a proxy, with `user:password@` if needed; nil: no proxy.
    public var proxy: String?
    /// A PEM file of certificate authorities that are trusted besides those of the system.
    public var certificateAuthorities: URL?
    /// Time limit for making a connection.
    public var connectTimeout: Duration
    /// Time limit for one request and its complete answer.
    public var timeout: Duration

    /// Settings; the defaults suit hosted APIs.
    public init(
        proxy: String? = nil, certificateAuthorities: URL? = nil, connectTimeout: Duration = .seconds(15),
        timeout: Duration = .seconds(300)
    ) {
        self.proxy = proxy
        self.certificateAuthorities = certificateAuthorities
        self.connectTimeout = connectTimeout
        self.timeout = timeout
    }

    /// The proxy that the environment names for an address: `HTTPS_PROXY` or `HTTP_PROXY` (also `ALL_PROXY`, and in lower case), unless
    /// `NO_PROXY` lists its host. Addresses of this machine never go through one.
    public static func proxy(
        for url: String, environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> String? {
        guard let parts = URLComponents(string: url), let scheme = parts.scheme?.lowercased(), let host = parts.host
        else { return nil }
        func variable(_ name: String) -> String? {
            [name.lowercased(), name].compactMap { environment[$0] }.first { !$0.isEmpty }
        }
        if ["localhost", "127.0.0.1", "::1", "[::1]"].contains(host.lowercased()) { return nil }
        for exception in (variable("NO_PROXY") ?? "").split(separator: ",") {
            let exception = exception.trimmingCharacters(in: .whitespaces).lowercased()
            let name = exception.trimmingPrefix(/\*?\./)
            let isExempt = exception == "*" || host.lowercased() == name || host.lowercased().hasSuffix("." + name)
            if !exception.isEmpty, isExempt { return nil }
        }
        return variable("\(scheme)_PROXY".uppercased()) ?? variable("ALL_PROXY")
    }

    /// Host, port and credentials of the proxy.
    /// - Throws: ``ProviderError/badEndpoint(_:reason:)``, without the password.
    func proxyParts() throws -> (host: String, port: Int, user: String?, password: String?)? {
        guard let proxy else { return nil }
        let text = proxy.contains("://") ? proxy : "http://" + proxy
        guard let parts = URLComponents(string: text), let host = parts.host, !host.isEmpty, parts.scheme == "http"
        else {
            let shown = proxy.split(separator: "@").last.map(String.init) ?? ""
            throw ProviderError.badEndpoint(shown, reason: "write the proxy as http://host:port")
        }
        return (host, parts.port ?? 80, parts.user, parts.password)
    }

    /// Texts that must not be shown.
    var secrets: [String] { (try? proxyParts()?.password).map { [$0] } ?? [] }
}
