import Foundation
import MafinPipeline

/// An index of Python packages, as pip is set up to use it.
public struct PackageIndex: Sendable, Hashable {
    /// Its address, without a slash at the end, such as `https://pypi.org/simple`.
    public var address: String
    /// A file of further certificate authorities in PEM format; nil: those of the system alone.
    public var certificates: URL?

    /// An index.
    public init(address: String, certificates: URL? = nil) {
        (self.address, self.certificates) = (address, certificates)
    }

    /// The public index.
    public static let standard = "https://pypi.org/simple"

    /// The index that pip uses: `PIP_INDEX_URL`, otherwise `index-url` of its configuration files (`PIP_CONFIG_FILE`, the virtual environment's,
    /// the user's, the system's), otherwise ``standard``. The certificates are found in the same way (`PIP_CERT`, `cert`).
    public init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        let files = Self.configurationFiles(environment)
        let texts = files.compactMap { try? String(contentsOf: $0, encoding: .utf8) }
        func setting(_ variable: String, _ key: String) -> String? {
            if let value = environment[variable], !value.isEmpty { return value }
            return texts.lazy.compactMap { Self.value(of: key, in: $0) }.first
        }
        var address = setting("PIP_INDEX_URL", "index-url") ?? Self.standard
        while address.hasSuffix("/") { address.removeLast() }
        self.address = address
        certificates = setting("PIP_CERT", "cert").map { URL(fileURLWithPath: $0) }
    }

    /// The configuration files, the strongest first.
    private static func configurationFiles(_ environment: [String: String]) -> [URL] {
        let home = UserFolder.home(environment)
        let own = UserFolder.named("XDG_CONFIG_HOME", in: environment) ?? home.appendingPathComponent(".config")
        // pip reads no file at all if the variable names the null device.
        if let named = environment["PIP_CONFIG_FILE"], named == "/dev/null" { return [] }
        return [
            UserFolder.named("PIP_CONFIG_FILE", in: environment),
            UserFolder.named("VIRTUAL_ENV", in: environment)?.appendingPathComponent("pip.conf"),
            own.appendingPathComponent("pip/pip.conf"), home.appendingPathComponent(".pip/pip.conf"),
            URL(fileURLWithPath: "/etc/pip.conf"),
        ].compactMap(\.self)
    }

    /// The value of a key in the section `[global]`.
    static func value(of key: String, in text: String) -> String? {
        var isGlobal = false
        for line in text.split(whereSeparator: \.isNewline).map({ $0.trimmingCharacters(in: .whitespaces) }) {
            if line.hasPrefix("[") { isGlobal = line == "[global]" }
            guard isGlobal, !line.hasPrefix("#"), !line.hasPrefix(";"),
                let equals = line.firstIndex(where: { $0 == "=" || $0 == ":" })
            else { continue }
            let name = line[..<equals].trimmingCharacters(in: .whitespaces).lowercased()
            guard name.replacing("_", with: "-") == key else { continue }
            let value = line[line.index(after: equals)...].trimmingCharacters(in: .whitespaces)
            return value.isEmpty ? nil : value
        }
        return nil
    }

    /// The address without what may be a password.
    var shownAddress: String {
        guard var parts = URLComponents(string: address) else { return "the package index" }
        (parts.user, parts.password) = (nil, nil)
        return parts.string ?? "the package index"
    }

    /// The address of a file in an index's page of a package: its JSON form, or its HTML.
    /// - Parameter page: the address of the page, for relative links.
    static func link(to file: String, in body: String, of page: String) -> String? {
        struct Listing: Decodable {
            struct File: Decodable {
                let filename: String
                let url: String
            }
            let files: [File]
        }
        let found =
            if let listing = try? JSONDecoder().decode(Listing.self, from: Data(body.utf8)) {
                listing.files.first { $0.filename == file }?.url
            } else {
                body.matches(of: /href\s*=\s*["']([^"']+)["']/).map { String($0.1) }.first {
                    let path = $0.prefix { $0 != "#" && $0 != "?" }
                    return path.split(separator: "/").last.map(String.init) == file
                }?.replacing("&amp;", with: "&")
            }
        return found.flatMap { ModelHub.target(of: String($0.prefix { $0 != "#" }), from: page) }
    }
}
