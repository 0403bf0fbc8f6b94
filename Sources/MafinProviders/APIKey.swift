import Foundation

/// A secret that is sent to a server and never shown: printing it in any way gives `APIKey(redacted)`.
public struct APIKey: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The secret itself. Only the header of a request may use it.
    let secret: String

    /// A key from its text.
    /// - Parameter source: where it comes from, for the error message.
    /// - Throws: ``ProviderError/badKey(source:reason:)`` if it is empty or contains anything but visible ASCII characters.
    public init(_ secret: String, source: String = "API key") throws {
        let trimmed = secret.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !trimmed.isEmpty else { throw ProviderError.badKey(source: source, reason: "is empty") }
        // It becomes part of a header. Other characters would break the request or add another header.
        guard trimmed.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw ProviderError.badKey(source: source, reason: "contains characters that a header cannot hold")
        }
        self.secret = trimmed
    }

    /// The key in an environment variable, or nil if the variable is not set.
    public init?(
        environmentVariable name: String, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws {
        guard let value = environment[name] else { return nil }
        try self.init(value, source: "environment variable \(name)")
    }

    /// The key in a file: the whole text without white space around it.
    public init(file: URL) throws {
        guard let text = try? String(contentsOf: file, encoding: .utf8) else {
            throw ProviderError.badKey(source: file.path, reason: "cannot be read")
        }
        try self.init(text, source: file.path)
    }

    /// Never the secret.
    public var description: String { "APIKey(redacted)" }
    /// Never the secret.
    public var debugDescription: String { description }
    /// Empty, so that reflection cannot show the secret.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Where a provider's key is: in a file or variable that the user names, else in the first of the provider's usual variables that is set.
public struct APIKeySource: Sendable, Hashable {
    /// A file that holds only the key.
    public var file: URL?
    /// The name of a variable that must be set.
    public var variable: String?

    /// - Parameter variable: ignored if there is a file.
    public init(file: URL? = nil, variable: String? = nil) {
        (self.file, self.variable) = (file, variable)
    }

    /// The key for a provider, or nil if nothing is named and none of its variables is set.
    /// - Throws: ``ProviderError/badKey(source:reason:)``, which never contains the key.
    public func key(
        of profile: ProviderProfile, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> APIKey? {
        if let file { return try APIKey(file: file) }
        if let variable {
            guard let key = try APIKey(environmentVariable: variable, environment: environment) else {
                throw ProviderError.badKey(
                    source: "environment variable \(variable)", reason: "is missing: the variable is not set")
            }
            return key
        }
        for variable in profile.endpoint.keyVariables {
            if let key = try APIKey(environmentVariable: variable, environment: environment) { return key }
        }
        return nil
    }
}
